//! Entries that leave a bounded store, counted.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::backend::Cause;

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
