//! A running redis-server.

mod builder;
mod resp;

use std::fmt;
use std::io;
use std::path::Path;

pub use self::builder::RedisBuilder;
pub use self::resp::Reply;
use crate::Error;
use crate::address::Address;
use crate::error::{or_panic, shortened};
use crate::host::Host;
use crate::program::Program;

const PROGRAM: Program =
    Program { name: "redis-server", variable: "LARDER_REDIS_SERVER", package: "redis-server" };

/// The user with whom this crate looks at the server, whatever a test does to the others.
const OPERATOR: &str = "larder-test-operator";

/// A redis-server of this test's own. Dropping it ends the server.
///
/// The environment variable `LARDER_REDIS_SERVER` names another program to run instead, `valkey-server` for one.
pub struct RedisServer {
    host: Host,
    /// Where the clients under test connect.
    address: Address,
    /// Where this crate connects: always there, without TLS, and only reachable through the server's own directory, so
    /// that an answer can only come from this server.
    operator: Address,
    url: String,
}

impl RedisServer {
    /// Starts a server on a loopback port, with Redis's own defaults but for persistence, which is off.
    #[track_caller]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Starts a server that is not quite the default one.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// The URL of the server, with the password if there is one: `redis://`, `rediss://` with TLS, `redis+unix://`.
    pub fn url(&self) -> &str {
        &self.url
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

    /// Sends one command, as an operator with all rights would, and returns the answer; an error is a panic.
    ///
    /// This bypasses the password, the ACL and TLS of the server, and waits at most ten seconds.
    #[track_caller]
    pub fn command<A: AsRef<[u8]>>(&self, arguments: &[A]) -> Reply {
        let error = match self.ask(arguments) {
            Ok(Reply::Error(message)) => message,
            Ok(reply) => return reply,
            Err(error) => error.to_string(),
        };
        let words: Vec<_> = arguments.iter().map(|word| shortened(word.as_ref())).collect();
        panic!("{}: {error}", words.join(" "))
    }

    fn run(&self) -> Result<(), Error> {
        self.host.start(|_| match self.ask(&["PING"])? {
            Reply::Bytes(pong) if pong == b"PONG" => Ok(()),
            other => Err(io::Error::other(other.to_string())),
        })
    }

    fn ask<A: AsRef<[u8]>>(&self, arguments: &[A]) -> io::Result<Reply> {
        let mut connection = resp::Connection::new(self.operator.connect()?);
        // The operator has no password; Redis then takes any.
        connection.call(&["AUTH", OPERATOR, "any"])?;
        connection.call(arguments)
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("address", &self.address)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
