//! A running memcached.

mod builder;
mod wire;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::builder::MemcachedBuilder;
use crate::Error;
use crate::address::Address;
use crate::error::{or_panic, shortened};
use crate::host::Host;
use crate::program::Program;

const PROGRAM: Program = Program { name: "memcached", variable: "LARDER_MEMCACHED", package: "memcached" };

/// A memcached of this test's own. Dropping it ends the server.
///
/// The environment variable `LARDER_MEMCACHED` names another program to run instead.
pub struct MemcachedServer {
    host: Host,
    /// Where the clients under test connect.
    address: Address,
    /// Where this crate connects: another port without TLS if the first has it.
    operator: Address,
    credentials: Mutex<Option<(String, String)>>,
}

impl MemcachedServer {
    /// Starts a server on a loopback port, with memcached's own defaults.
    #[track_caller]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Starts a server that is not quite the default one.
    pub fn builder() -> MemcachedBuilder {
        MemcachedBuilder::default()
    }

    /// `127.0.0.1:port`, or the path of the unix socket.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The TCP port, unless the server only has a unix socket.
    pub fn port(&self) -> Option<u16> {
        self.address.port()
    }

    /// The unix socket, if the server was asked to have only that.
    pub fn socket(&self) -> Option<&Path> {
        self.address.socket()
    }

    /// The process id, while the server runs.
    pub fn pid(&self) -> Option<u32> {
        self.host.id()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.host.log()
    }

    /// Freezes the server (`SIGSTOP`): the kernel still accepts connections for it, and nothing is answered.
    #[track_caller]
    pub fn pause(&self) {
        or_panic(self.host.pause());
    }

    /// Lets a frozen server go on. It answers what was sent to it meanwhile.
    #[track_caller]
    pub fn resume(&self) {
        or_panic(self.host.resume());
    }

    /// Kills the server (`SIGKILL`): connections break, new ones are refused. Does nothing to a stopped one.
    pub fn stop(&self) {
        self.host.stop();
    }

    /// Starts the server again on the same port or socket, killing it first if it runs. Its data are gone.
    #[track_caller]
    pub fn restart(&self) {
        or_panic(self.run());
    }

    /// Gives a server that was started with [`auth`](MemcachedBuilder::auth) another password, and restarts it: its data
    /// are gone, and whoever comes back has to know the new one.
    #[track_caller]
    pub fn change_password(&self, password: &str) {
        let mut credentials = self.credentials();
        let Some((user, known)) = &mut *credentials else {
            panic!("this memcached was started without a password");
        };
        or_panic(builder::write_users(&self.host.path().join(builder::USERS), user, password));
        password.clone_into(known);
        drop(credentials);
        self.restart();
    }

    /// Sends one command of the text protocol, or several, and returns the whole answer as text, line ends included:
    /// `command("mg plum v")`, `command("set plum 0 60 4\r\nripe")`.
    ///
    /// The last line end is added. The answer ends where `mn` is answered, so the command may hold none itself.
    /// The server's authentication and TLS are taken care of; the wait is at most ten seconds.
    #[track_caller]
    pub fn command(&self, command: &str) -> String {
        String::from_utf8_lossy(&self.command_bytes(command.as_bytes())).into_owned()
    }

    /// As [`command`](Self::command), for values that are not text.
    #[track_caller]
    pub fn command_bytes(&self, command: &[u8]) -> Vec<u8> {
        match self.ask(command) {
            Ok(answer) => answer,
            Err(error) => panic!("{}: {error}", shortened(command)),
        }
    }

    fn run(&self) -> Result<(), Error> {
        self.host.start(|pid| {
            // Another server may have taken the port in the moment before this one could, and would answer as well.
            let own = format!("STAT pid {pid}\r\n");
            let statistics = self.ask(b"stats")?;
            if statistics.starts_with(own.as_bytes()) {
                Ok(())
            } else {
                Err(io::Error::other("another server answered on this port"))
            }
        })
    }

    fn credentials(&self) -> MutexGuard<'_, Option<(String, String)>> {
        // A panic elsewhere leaves them whole.
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, command: &[u8]) -> io::Result<Vec<u8>> {
        let mut connection = wire::Connection::new(self.operator.connect()?);
        let credentials = self.credentials().clone();
        if let Some((user, password)) = credentials {
            connection.authenticate(&format!("{user} {password}"))?;
        }
        connection.call(command)
    }
}

impl fmt::Debug for MemcachedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcachedServer")
            .field("address", &self.address)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
