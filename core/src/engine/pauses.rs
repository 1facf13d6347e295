//! What is left alone for a while: loaders that failed, entries whose TTL could not be extended.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::clock::Timestamp;

/// How many pauses are remembered at once. With that many, the rest are tried again sooner.
const MOST: usize = 16_384;

/// Until when the keys of these hashes are left alone. That two keys may share a hash costs a delay.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<HashMap<u64, Timestamp>>);

impl Pauses {
    /// Begins a pause, unless there is one: `true` if it begins now.
    pub(crate) fn begin(&self, key: u64, now: Timestamp, pause: Duration) -> bool {
        let mut pauses = self.lock();
        if pauses.get(&key).is_some_and(|until| now < *until) {
            return false;
        }
        if pauses.len() >= MOST {
            pauses.retain(|_, until| now < *until);
        }
        if !pause.is_zero() && pauses.len() < MOST {
            pauses.insert(key, now.plus(pause));
        }
        true
    }

    /// Ends a pause.
    pub(crate) fn end(&self, key: u64) {
        self.lock().remove(&key);
    }

    pub(crate) fn is_paused(&self, key: u64, now: Timestamp) -> bool {
        let pauses = self.lock();
        !pauses.is_empty() && pauses.get(&key).is_some_and(|until| now < *until)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Timestamp>> {
        // Nothing in here can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
