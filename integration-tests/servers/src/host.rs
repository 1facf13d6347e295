//! What every kind of server has: a directory, a command line, a log, and a process that comes and goes.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Error;
use crate::process::Process;
use crate::spawner;

/// Both servers answer within some 20 ms on an idle machine; two hundred tests at once on two cores are not idle.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A server's place on this machine. The process goes before the directory does.
#[derive(Debug)]
pub(crate) struct Host {
    process: Mutex<Option<Process>>,
    program: PathBuf,
    arguments: Vec<String>,
    directory: TempDir,
}

impl Host {
    /// A directory for a server that does not run yet.
    pub(crate) fn directory(kind: &str) -> Result<TempDir, Error> {
        tempfile::Builder::new()
            .prefix(&format!("larder-{kind}-"))
            .tempdir()
            .map_err(Error::io("making a directory for a server"))
    }

    pub(crate) fn new(program: PathBuf, arguments: Vec<String>, directory: TempDir) -> Self {
        Self { process: Mutex::new(None), program, arguments, directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Starts the server and returns when `ready`, which is told the process id, has no more to complain about.
    pub(crate) fn start(&self, ready: impl Fn(u32) -> io::Result<()>) -> Result<(), Error> {
        self.start_within(START_LIMIT, ready)
    }

    fn start_within(&self, limit: Duration, ready: impl Fn(u32) -> io::Result<()>) -> Result<(), Error> {
        let mut slot = self.lock();
        // The old process holds the port.
        *slot = None;
        let mut process = self.spawn()?;
        let begun = Instant::now();
        loop {
            if let Some(status) = process.exited().map_err(Error::io("waiting for the server"))? {
                return Err(Error::Exited { program: self.program(), status, log: self.log() });
            }
            match ready(process.id()) {
                Ok(()) => break,
                Err(last) if begun.elapsed() > limit => {
                    return Err(Error::Silent {
                        program: self.program(),
                        last: last.to_string(),
                        log: self.log(),
                    });
                }
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
        *slot = Some(process);
        Ok(())
    }

    /// Kills the server, if it runs, and waits for its end.
    pub(crate) fn stop(&self) {
        *self.lock() = None;
    }

    pub(crate) fn pause(&self) -> Result<(), Error> {
        self.signal("pausing", Process::pause)
    }

    pub(crate) fn resume(&self) -> Result<(), Error> {
        self.signal("resuming", Process::resume)
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.lock().as_ref().map(Process::id)
    }

    /// All that the server has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read(self.log_file()).map_or_else(
            |error| format!("(no log: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    pub(crate) fn program(&self) -> String {
        self.program.display().to_string()
    }

    fn signal(&self, doing: &str, send: impl FnOnce(&mut Process) -> io::Result<()>) -> Result<(), Error> {
        let mut slot = self.lock();
        let process = slot.as_mut().ok_or_else(|| Error::NotRunning { program: self.program() })?;
        send(process).map_err(Error::io(format!("{doing} {}", self.program.display())))
    }

    fn spawn(&self) -> Result<Process, Error> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .map_err(Error::io("opening a server's log"))?;
        let log_too = log.try_clone().map_err(Error::io("opening a server's log"))?;
        let mut command = spawner::tied_to_this_process(&self.program);
        command
            .args(&self.arguments)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too);
        Process::spawn(command).map_err(Error::io(format!("starting {}", self.program.display())))
    }

    fn log_file(&self) -> PathBuf {
        self.path().join("server.log")
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        // A panic elsewhere leaves the slot as it was, so a poisoned lock is as good as any.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_answers_is_given_up_with_its_log() {
        let script = vec!["-c".to_owned(), "echo thinking; exec sleep 600".to_owned()];
        let host = Host::new("/bin/sh".into(), script, Host::directory("silent").unwrap());
        let seen = Mutex::new(0);
        let never = |pid| {
            *seen.lock().unwrap() = pid;
            Err(io::Error::other("no answer yet"))
        };
        let error = host.start_within(Duration::from_millis(300), never).unwrap_err();
        assert!(matches!(error, Error::Silent { .. }));
        assert!(error.to_string().contains("no answer yet"), "{error}");
        assert!(error.to_string().contains("thinking"), "{error}");
        assert!(!Path::new("/proc").join(seen.into_inner().unwrap().to_string()).exists());
    }
}
