//! One real server, and what can be done to it in either protocol.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use larder_test_servers::{MemcachedServer, RedisServer};

use crate::Outcome;

/// How many clients a server takes that takes few. Memcached keeps some 20 of them for itself.
pub(crate) const FEW: usize = 40;
/// How many keys a server loads at its start when that is to take its time.
const KEYS_TO_LOAD: usize = 6000;
/// The sizes of what fills a Memcached: one for each class of items that rows can be in.
const SIZES: [usize; 10] = [30, 60, 90, 130, 180, 230, 300, 400, 500, 650];
/// More than a page of the smallest of them has.
const OF_EACH_SIZE: usize = 12_000;

/// A server of either kind.
#[derive(Debug)]
pub(crate) enum Server {
    Redis(RedisServer),
    Memcached(MemcachedServer),
}

impl Server {
    pub(crate) fn port(&self) -> Outcome<u16> {
        let port = match self {
            Self::Redis(server) => server.port(),
            Self::Memcached(server) => server.port(),
        };
        port.ok_or_else(|| "the server has no port".into())
    }

    pub(crate) fn stop(&self) {
        match self {
            Self::Redis(server) => server.stop(),
            Self::Memcached(server) => server.stop(),
        }
    }

    /// Kills it, if it runs, and starts it on the same port without what it knew.
    pub(crate) fn restart(&self) {
        match self {
            Self::Redis(server) => server.restart(),
            Self::Memcached(server) => server.restart(),
        }
    }

    pub(crate) fn freeze(&self) {
        match self {
            Self::Redis(server) => server.pause(),
            Self::Memcached(server) => server.pause(),
        }
    }

    pub(crate) fn thaw(&self) {
        match self {
            Self::Redis(server) => server.resume(),
            Self::Memcached(server) => server.resume(),
        }
    }

    pub(crate) fn flush(&self) {
        match self {
            Self::Redis(server) => drop(server.command(&["FLUSHALL"])),
            Self::Memcached(server) => drop(server.command("flush_all")),
        }
    }

    /// How many items it has.
    pub(crate) fn items(&self) -> Outcome<u64> {
        match self {
            Self::Redis(server) => {
                let size = server.command(&["DBSIZE"]).integer();
                Ok(size.and_then(|size| u64::try_from(size).ok()).ok_or("DBSIZE is no number")?)
            }
            Self::Memcached(server) => {
                let stats = server.command("stats");
                let items = stats.lines().find_map(|line| line.strip_prefix("STAT curr_items "));
                Ok(items.ok_or("there is no curr_items")?.trim().parse()?)
            }
        }
    }

    /// Whether it has the record of a version, which are kept under namespaces that end in `!v`.
    pub(crate) fn has_versions(&self) -> Outcome<bool> {
        match self {
            Self::Redis(server) => Ok(!server.command(&["KEYS", "*!v:*"]).list().is_empty()),
            Self::Memcached(_) => {
                // Nothing may follow this command on its connection before it is answered.
                let mut stream = TcpStream::connect(("127.0.0.1", self.port()?))?;
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                stream.write_all(b"lru_crawler metadump all\r\n")?;
                let mut lines = BufReader::new(stream).lines();
                while let Some(line) = lines.next().transpose()?.filter(|line| line.starts_with("key=")) {
                    if line.contains("%21v%3A") {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Leaves no room for anything new.
    pub(crate) fn fill(&self) -> Outcome {
        match self {
            Self::Redis(server) => {
                server.command(&["CONFIG", "SET", "maxmemory", "1"]);
                Ok(())
            }
            Self::Memcached(server) => {
                for size in SIZES {
                    let mut commands = String::new();
                    let value = "x".repeat(size);
                    for n in 0..OF_EACH_SIZE {
                        write!(commands, "set fill-{size}-{n} 0 0 {size}\r\n{value}\r\n")?;
                    }
                    let answer = server.command(commands.trim_end());
                    if !answer.contains("SERVER_ERROR out of memory") {
                        return Err(format!("memcached still has room for {size} bytes").into());
                    }
                }
                Ok(())
            }
        }
    }

    /// Makes room again.
    pub(crate) fn make_room(&self) -> Outcome {
        match self {
            Self::Redis(server) => {
                server.command(&["CONFIG", "SET", "maxmemory", "0"]);
            }
            Self::Memcached(server) => {
                for size in SIZES {
                    let mut commands = String::new();
                    for n in 0..OF_EACH_SIZE {
                        write!(commands, "md fill-{size}-{n} q\r\n")?;
                    }
                    server.command(commands.trim_end());
                }
            }
        }
        Ok(())
    }

    /// Asks for another password from now on, of everybody.
    pub(crate) fn change_password(&self, password: &str) {
        match self {
            Self::Redis(server) => {
                server.command(&["CONFIG", "SET", "requirepass", password]);
                self.kill_clients();
            }
            Self::Memcached(server) => server.change_password(password),
        }
    }

    /// Hangs up on every client, where the server can be told to.
    pub(crate) fn kill_clients(&self) {
        if let Self::Redis(server) = self {
            server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
    }

    /// Takes all places that the server has for clients; they are free again when the connections are dropped.
    pub(crate) fn crowd(&self) -> Outcome<Vec<TcpStream>> {
        let port = self.port()?;
        let crowd = (0..FEW + 5).map(|_| TcpStream::connect(("127.0.0.1", port)));
        let crowd = crowd.collect::<Result<_, _>>()?;
        // Until the server has accepted all of them.
        thread::sleep(Duration::from_millis(100));
        Ok(crowd)
    }

    /// Ends the server so that, at its next start, it loads many keys.
    pub(crate) fn keep_much(&self) {
        if let Self::Redis(server) = self {
            server.command(&["DEBUG", "POPULATE", &KEYS_TO_LOAD.to_string(), "fill"]);
            server.command(&["SAVE"]);
        }
    }

    /// One command, where the server is a Redis.
    pub(crate) fn redis(&self, words: &[&str]) {
        if let Self::Redis(server) = self {
            server.command(words);
        }
    }
}
