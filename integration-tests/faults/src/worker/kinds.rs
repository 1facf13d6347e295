//! What the cache tells its listener: how its store fails, and what was found under other keys.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use larder_core::{
    Miss,
    cache::{Event, Listener},
    error::Origin,
};

/// Counts failures of the store by kind.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    failures: Mutex<BTreeMap<String, u64>>,
    foreign: AtomicU64,
}

impl Kinds {
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        self.lock().clone()
    }

    /// How many entries were found that were another key's. Never forgotten.
    pub(crate) fn foreign(&self) -> u64 {
        self.foreign.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Kinds {
    fn on_event(&self, _: &str, event: &Event<'_>) {
        match event {
            Event::StoreFailed { error } => {
                let kind = match error.origin() {
                    // What arises here usually, and does so there now, is worth to be seen.
                    Origin::Store if error.kind().origin() == Origin::Here => {
                        format!("{} (there)", error.kind())
                    }
                    Origin::Here if error.kind().origin() == Origin::Store => {
                        format!("{} (here)", error.kind())
                    }
                    _ => error.kind().to_string(),
                };
                *self.lock().entry(kind).or_default() += 1;
            }
            Event::Miss { reason: Miss::OtherKey } => {
                self.foreign.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}
