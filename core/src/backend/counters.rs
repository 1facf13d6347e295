//! Counters: an optional ability of a store.

use std::fmt::Debug;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{error::Result, key::StoreKey, ttl::Ttl};

/// How to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterOptions {
    /// What a counter that is missing becomes, instead of being changed. `None`: it stays missing.
    pub initial: Option<u64>,
    /// How long a counter that is made lives. One that is there keeps its TTL.
    pub ttl: Ttl,
    /// When the caller stops waiting; `None` for no limit of its own.
    pub until: Option<Instant>,
}

impl CounterOptions {
    /// Changes a counter that is there, and makes none.
    pub const fn new(ttl: Ttl) -> Self {
        Self { initial: None, ttl, until: None }
    }

    /// The same, and a counter that is missing becomes this.
    pub const fn with_initial(mut self, initial: Option<u64>) -> Self {
        self.initial = initial;
        self
    }

    /// The same for a caller that waits until then.
    pub const fn with_until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }
}

/// Unsigned 64-bit counters beside a store's entries. A counter's key is never an entry's.
///
/// Concurrent changes lose nothing. What happens at zero and above [`u64::MAX`] is the store's
/// [`Capabilities::counter_ends`](super::Capabilities::counter_ends).
#[async_trait]
pub trait Counters: Send + Sync + Debug {
    /// Adds `by`, which may be negative, and gives the counter's new value; `None` if it is missing and the options
    /// name no initial value.
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>>;
}
