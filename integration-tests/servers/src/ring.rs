//! Three memcached servers that share the keys of one store.

use std::ops::Deref;

use crate::MemcachedServer;

/// Three memcached servers, which know nothing of each other: the client decides where a key lives.
///
/// Derefs to the slice of them. Dropping it ends all three.
#[derive(Debug)]
pub struct MemcachedRing {
    members: [MemcachedServer; 3],
}

impl MemcachedRing {
    /// Starts all three with memcached's own defaults.
    #[track_caller]
    pub fn start() -> Self {
        Self { members: [MemcachedServer::start(), MemcachedServer::start(), MemcachedServer::start()] }
    }

    /// `127.0.0.1:port` of each.
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(MemcachedServer::address).collect()
    }
}

impl Deref for MemcachedRing {
    type Target = [MemcachedServer];

    fn deref(&self) -> &[MemcachedServer] {
        &self.members
    }
}
