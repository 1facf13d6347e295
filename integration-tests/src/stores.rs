//! Every store that Larder has, as the conformance suite gets it: with a second connection where it is shared, and
//! with ways to see and to damage its bytes where it has bytes.

// A test can do nothing with a store that is not there; what is wrong is told at the line that asked for it.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod chain;
mod failover;
mod lazily;
mod memcached;
mod memory;
mod redis;

use std::{fmt, time::Duration};

use larder_conformance::Suite;

/// How long a client waits for a connection and for an answer. Several hundred connections are opened at once here, by more
/// threads than there are processors, beside servers that want them too: a busy machine would fail cases that say nothing of
/// time-outs. Those have tests beside each client.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store, what is to be known about it, and the suite over it.
pub struct Subject {
    /// The name in reports.
    pub name: &'static str,
    /// What it is, as half a sentence.
    pub about: &'static str,
    /// The suite over it.
    pub suite: Suite,
}

impl Subject {
    fn new(name: &'static str, about: &'static str, suite: impl FnOnce(&str) -> Suite) -> Self {
        Self { name, about, suite: suite(name) }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All of them, the plainest first. Servers are started by the first case that needs them, once for all stores that
/// are on them, and are gone when the subjects are.
pub fn all() -> Vec<Subject> {
    let mut all = memory::subjects();
    all.extend(redis::subjects());
    all.extend(memcached::subjects());
    all.extend(chain::subjects());
    all.extend(failover::subjects());
    all
}
