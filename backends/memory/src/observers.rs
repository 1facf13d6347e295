//! Who hears of what leaves the store.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use larder_core::{
    backend::{Cause, Observer},
    clock::Timestamp,
};

use crate::gone::{Departed, Gone};

/// An observer that somebody else holds.
type Known = Weak<dyn Observer>;
/// One that exists.
type Held = Arc<dyn Observer>;

/// Observers by the text of their namespace.
#[derive(Default)]
pub(crate) struct Observers {
    /// Whether there is anybody.
    any: AtomicBool,
    by_namespace: RwLock<HashMap<Box<str>, Vec<Known>>>,
}

impl Observers {
    pub(crate) fn add(&self, namespace: &str, observer: Known) {
        // Nothing in here can panic half-way through a change.
        let mut all = self.by_namespace.write().unwrap_or_else(PoisonError::into_inner);
        // Here, so that a program which makes caches over and over does not grow.
        all.retain(|_, observers| {
            observers.retain(|observer| observer.strong_count() > 0);
            !observers.is_empty()
        });
        all.entry(namespace.into()).or_default().push(observer);
        self.any.store(true, Ordering::Release);
    }

    /// Tells what has left at this time, if it was worth telling. What was replaced by another form of itself is not.
    pub(crate) fn tell(&self, gone: &Gone, now: Timestamp, replaced: bool) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        for Departed { key, slot, cause } in gone.departed() {
            let cause = match cause {
                Cause::Replaced if !replaced => continue,
                Cause::Evicted | Cause::Replaced if !slot.is_live(now) => Cause::Expired,
                cause => *cause,
            };
            let (namespace, key) = key.split();
            let (one, others) = self.of(namespace);
            for observer in one.iter().chain(&others) {
                observer.left(key, &slot.entry, cause);
            }
        }
    }

    /// No observer is called under the lock: an observer may drop a cache, or make one.
    /// There is one cache to a namespace as a rule, which costs no allocation.
    fn of(&self, namespace: &str) -> (Option<Held>, Vec<Held>) {
        let all = self.by_namespace.read().unwrap_or_else(PoisonError::into_inner);
        let Some(of) = all.get(namespace) else { return (None, Vec::new()) };
        let mut of = of.iter().filter_map(Weak::upgrade);
        (of.next(), of.collect())
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").finish_non_exhaustive()
    }
}
