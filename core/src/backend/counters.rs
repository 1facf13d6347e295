//! Counters: an optional ability of a store.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    clock::Timestamp,
    entry::{Body, Entry, Lifetime, Meta},
    error::Result,
    key::StoreKey,
    ttl::Ttl,
};

/// How to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
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

    /// One step of a store that keeps counters as entries, and stops at both [ends](super::CounterEnds): what it keeps
    /// instead of this live entry, or of none, and the counter's new value. `None` if there is nothing to change.
    ///
    /// ```
    /// # use larder_core::{Clock, Ttl, backend::CounterOptions};
    /// let now = Clock::system().now();
    /// let options = CounterOptions::new(Ttl::Never).with_initial(Some(1));
    /// let (first, entry) = options.step(None, 5, now).unwrap();
    /// let (second, _) = options.step(Some(&entry), 5, now).unwrap();
    /// assert_eq!((first, second), (1, 6));
    /// ```
    pub fn step(&self, live: Option<&Entry>, by: i64, now: Timestamp) -> Option<(u64, Entry)> {
        let kept = live.and_then(|entry| Some((number(entry)?, entry.meta().lifetime)));
        let (value, lifetime) = match kept {
            Some((value, lifetime)) => (value.saturating_add_signed(by), lifetime),
            None => (self.initial?, Lifetime::until(self.ttl.expires(now))),
        };
        let body = Body::raw(Bytes::copy_from_slice(&value.to_le_bytes()), 0);
        Some((value, Entry::from_body(body, Meta::new(now, lifetime))))
    }
}

/// The number in a counter's entry.
fn number(entry: &Entry) -> Option<u64> {
    entry.encoded()?.bytes.as_ref().try_into().ok().map(u64::from_le_bytes)
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
