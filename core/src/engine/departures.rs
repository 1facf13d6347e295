//! Entries that leave a bounded store, counted and told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::events::{Event, Events};
use crate::{
    backend::{Cause, Observer},
    clock::Clock,
    entry::Entry,
};

/// How many have left, by cause.
#[derive(Debug, Default)]
pub(super) struct Departures {
    pub(super) evictions: AtomicU64,
    pub(super) evicted_age_millis: AtomicU64,
    pub(super) expirations: AtomicU64,
    pub(super) replacements: AtomicU64,
}

impl Departures {
    pub(super) fn count(&self, cause: Cause, age: Duration) {
        match cause {
            Cause::Evicted => {
                self.evictions.fetch_add(1, Relaxed);
                let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                self.evicted_age_millis.fetch_add(age, Relaxed);
            }
            Cause::Expired => drop(self.expirations.fetch_add(1, Relaxed)),
            Cause::Replaced => drop(self.replacements.fetch_add(1, Relaxed)),
        }
    }
}

/// What a cache has its store tell, as long as there is the cache.
pub(crate) struct Watcher {
    pub(crate) events: Arc<Events>,
    /// By which the entries were written.
    pub(crate) clock: Clock,
}

impl Observer for Watcher {
    fn left(&self, key: &str, entry: &Entry, cause: Cause) {
        let age = self.clock.now().since(entry.meta().created);
        self.events.happened(&Event::Left { key, cause, age });
    }
}
