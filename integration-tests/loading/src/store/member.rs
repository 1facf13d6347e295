//! What becomes of one of several servers that share the keys, in the middle of a run.

use larder_test_servers::MemcachedServer;

use super::{Server, Store};
use crate::{Outcome, words::Words};

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    /// Nothing.
    Well,
    /// It is killed, and comes back without what it knew.
    Killed,
    /// It is stopped by a signal, and comes back with what it knew.
    Frozen,
}

impl Member {
    /// What the value of this option names.
    pub(crate) fn asked(words: &mut Words, option: &str) -> Outcome<Self> {
        match words.value(option)?.as_str() {
            "well" => Ok(Self::Well),
            "killed" => Ok(Self::Killed),
            "frozen" => Ok(Self::Frozen),
            other => words.refuse(format_args!("{option} takes well, killed or frozen, not \"{other}\"")),
        }
    }

    /// What is tried on a store when nothing is asked for.
    pub(crate) fn usual(store: Store) -> Self {
        if store == Store::Ring { Self::Killed } else { Self::Well }
    }

    /// How it is printed, with what comes before it.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::Well => "",
            Self::Killed => ", one killed and back",
            Self::Frozen => ", one frozen and back",
        }
    }

    /// It goes away. Blocks for a moment, and so does [`back`](Self::back).
    pub(crate) fn gone(self, server: &Server) {
        match (self, victim(server)) {
            (Self::Killed, Some(victim)) => victim.stop(),
            (Self::Frozen, Some(victim)) => victim.pause(),
            _ => {}
        }
    }

    /// It is reachable once more.
    pub(crate) fn back(self, server: &Server) {
        match (self, victim(server)) {
            (Self::Killed, Some(victim)) => victim.restart(),
            (Self::Frozen, Some(victim)) => victim.resume(),
            _ => {}
        }
    }
}

fn victim(server: &Server) -> Option<&MemcachedServer> {
    match server {
        Server::Ring(servers) => servers.last(),
        _ => None,
    }
}
