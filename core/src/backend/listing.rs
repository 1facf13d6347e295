//! Listing keys: an optional ability of a store, for tools.

use std::fmt::Debug;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{error::Result, key::Namespace};

/// Some of the keys of a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Their texts as they stand in the store, namespace included.
    pub keys: Vec<String>,
    /// Where to go on; `None`: there are no more.
    pub next: Option<u64>,
}

/// Lists the keys of a namespace, some at a time. It is for people and tools that look into a store, and never part of what a
/// cache does: a server walks through everything it has for it.
///
/// # Contract
/// - A key that is there from the first call to the last one is listed at least once; one that comes or goes meanwhile may be.
/// - One key may be listed twice.
/// - Keys of counters and of the versions of tags are none of entries, and not listed. What lies under a key that is listed may
///   be anything: it was not read.
/// - A call does a bounded piece of work, so that others wait for it no longer than for a large request, and may give no key and a
///   place to go on at.
#[async_trait]
pub trait Listing: Send + Sync + Debug {
    /// Keys from a place on: 0, then what the call before gave as [`next`](Listed::next).
    ///
    /// # Errors
    /// Those of a read; [`ErrorKind::Unsupported`](crate::ErrorKind) where the user may not do this.
    async fn list(&self, namespace: &Namespace, from: u64, until: Option<Instant>) -> Result<Listed>;
}
