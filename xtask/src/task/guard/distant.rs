//! A real Redis that is some way off.
//!
//! Over a bare socket a reply sometimes comes before the client looks for it and sometimes after, and the client takes
//! another path each time. So a reply is held up until its client sleeps, as it would be by any distance; requests are
//! not.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long the server may take to start, and the client to go to sleep.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether the client sleeps.
const LOOK: Duration = Duration::from_micros(50);

/// The process that is the client, or 0.
type Client = Arc<AtomicU32>;

/// The server, ended on drop.
pub(super) struct DistantRedis {
    server: Child,
    socket: PathBuf,
    client: Client,
}

impl DistantRedis {
    /// Starts one without persistence, with sockets and everything else in this directory.
    pub(super) fn start(directory: &Path) -> Outcome<Self> {
        let (near, far) = (directory.join("near.sock"), directory.join("far.sock"));
        // It ends with this process, even if that is killed.
        let mut server = Command::new("setpriv");
        server.args(["--pdeathsig", "KILL", "redis-server", "--port", "0", "--save", "", "--unixsocket"]);
        server.arg(&near).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null());
        let server = server.spawn().map_err(|error| format!("redis-server could not be started: {error}"))?;
        let this = Self { server, socket: far, client: Client::default() };
        wait_for(&near)?;
        let listener = UnixListener::bind(&this.socket)?;
        let client = Arc::clone(&this.client);
        // It ends with this process: a listener has nothing that would tell it to stop.
        thread::spawn(move || {
            listener.incoming().flatten().try_for_each(|socket| relay(socket, &near, &client))
        });
        Ok(this)
    }

    /// Says which process is the client from now on.
    pub(super) fn is_for(&self, process: u32) {
        self.client.store(process, Ordering::SeqCst);
    }

    pub(super) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Drop for DistantRedis {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and is to be waited for all the same.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

fn wait_for(socket: &Path) -> Outcome {
    let begun = Instant::now();
    while UnixStream::connect(socket).is_err() {
        if begun.elapsed() > PATIENCE {
            return Err("redis-server was started and does not answer".into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Connects a client with the server; each direction ends with its source.
fn relay(socket: UnixStream, server: &Path, client: &Client) -> io::Result<()> {
    let server = UnixStream::connect(server)?;
    let (replies, to_client) = (server.try_clone()?, socket.try_clone()?);
    let client = Arc::clone(client);
    thread::spawn(move || forward(socket, server, || ()));
    thread::spawn(move || forward(replies, to_client, || wait_until_asleep(&client)));
    Ok(())
}

fn forward(mut from: UnixStream, mut to: UnixStream, wait: impl Fn()) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return to.shutdown(Shutdown::Write);
        }
        wait();
        to.write_all(&buffer[..length])?;
    }
}

/// A client that was only put off the processor does not sleep, however long that lasts.
fn wait_until_asleep(client: &AtomicU32) {
    let begun = Instant::now();
    while !is_asleep(client.load(Ordering::SeqCst)) && begun.elapsed() < PATIENCE {
        thread::sleep(LOOK);
    }
}

/// Whether the first thread of the process waits for something.
fn is_asleep(process: u32) -> bool {
    let about = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in parentheses, which may have any characters, and then the state.
    about.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_waits_is_asleep_and_one_that_works_is_not() {
        let mut waits = Command::new("sleep").arg("600").spawn().unwrap();
        let mut works = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let begun = Instant::now();
        while !is_asleep(waits.id()) && begun.elapsed() < PATIENCE {
            thread::sleep(LOOK);
        }
        let seen = (is_asleep(waits.id()), is_asleep(works.id()));
        for process in [&mut waits, &mut works] {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        assert_eq!(seen, (true, false));
        assert!(!is_asleep(0));
    }
}
