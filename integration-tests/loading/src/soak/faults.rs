//! What happens to the server, again and again.

use std::{fmt, time::Duration};

use larder_test_servers::{RedisServer, Reply};

use crate::random::Random;

/// Between two faults, from the shortest to the longest pause.
const PAUSE: (u64, u64) = (500, 4000);

/// Something that happens to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It stands still for a moment.
    Frozen(Duration),
    /// One of its connections in so many is closed.
    Killed(u64),
    /// It is killed and comes back empty.
    Restarted,
    /// Somebody removes everything.
    Flushed,
    /// The connections that listen are closed.
    Deafened,
}

impl Fault {
    pub(super) fn draw(random: &mut Random) -> Self {
        match random.below(5) {
            0 => Self::Frozen(Duration::from_millis(50 + random.below(1500))),
            1 => Self::Killed(1 + random.below(3)),
            2 => Self::Restarted,
            3 => Self::Flushed,
            _ => Self::Deafened,
        }
    }

    /// How long it is until the next one.
    pub(super) fn pause(random: &mut Random) -> Duration {
        Duration::from_millis(PAUSE.0 + random.below(PAUSE.1 - PAUSE.0))
    }

    /// Lets it happen. Blocks.
    pub(super) fn happen(self, server: &RedisServer, random: &mut Random) {
        match self {
            Self::Frozen(time) => {
                server.pause();
                std::thread::sleep(time);
                server.resume();
            }
            Self::Killed(one_in) => {
                for id in connections(server) {
                    if random.one_in(one_in) {
                        server.command(&["CLIENT", "KILL", "ID", &id]);
                    }
                }
            }
            Self::Restarted => server.restart(),
            Self::Flushed => drop(server.command(&["FLUSHALL"])),
            Self::Deafened => drop(server.command(&["CLIENT", "KILL", "TYPE", "pubsub"])),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frozen(_) => "frozen",
            Self::Killed(_) => "connections killed",
            Self::Restarted => "restarted",
            Self::Flushed => "flushed",
            Self::Deafened => "bus killed",
        })
    }
}

/// The numbers of the server's connections.
fn connections(server: &RedisServer) -> Vec<String> {
    let Reply::Bytes(list) = server.command(&["CLIENT", "LIST"]) else { return Vec::new() };
    let list = String::from_utf8_lossy(&list);
    let ids = list.lines().filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
    ids.map(str::to_owned).collect()
}
