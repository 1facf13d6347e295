//! Locks for writers, so that a condition and the write that depends on it are one step.

use std::sync::{Mutex, MutexGuard, PoisonError};

const STRIPES: usize = 64;

/// One lock for each 64th of the keys. All writers of a key pass through its lock; readers never do. Within
/// it the map only changes by eviction, which may happen at any time anyway.
#[derive(Debug)]
pub(crate) struct Stripes([Stripe; STRIPES]);

/// Alone on its cache lines, so that writers of different stripes do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(Mutex<()>);

impl Default for Stripes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Stripe::default()))
    }
}

impl Stripes {
    /// Returns when every writer who has one of the locks now has let go of it.
    pub(crate) fn wait_for_all(&self) {
        for Stripe(stripe) in &self.0 {
            drop(stripe.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Held for some hundred nanoseconds; nothing is dropped, encoded or waited for meanwhile.
    pub(crate) fn lock(&self, hash: u64) -> MutexGuard<'_, ()> {
        // Bits that the map does not choose its shards by: keys of one shard need not wait for each other here.
        let stripe = (hash >> 48) as usize % STRIPES;
        // It guards no data that a panic could leave half changed.
        self.0[stripe].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
