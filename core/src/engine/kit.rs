//! The parts of one cache's engine, for those who put them together.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use tokio::sync::Semaphore;

use super::{
    encoding::Encoding, events::Events, fetched::Fetched, flight::Flights, pauses::Pauses, store::Store,
    throttle::Throttle, watcher::Watcher,
};
use crate::{backend::Ear, clock::Clock, error::Result, key::Namespace, policy::Policy};

/// What a load comes to: a value, or that its loader, which was asked for several, left this one out.
pub(crate) type Outcome<T> = Result<Option<Fetched<T>>>;

/// The parts of one cache.
pub(crate) struct Kit<T> {
    pub(crate) name: Arc<str>,
    pub(crate) namespace: Namespace,
    pub(crate) policy: Policy,
    pub(crate) store: Store,
    pub(crate) encoding: Arc<Encoding<T>>,
    pub(crate) clock: Clock,
    pub(crate) events: Arc<Events>,
    /// Whom the store tells what leaves it, as long as there is the cache.
    #[allow(dead_code, reason = "the store holds it weakly, and this is who holds it")]
    pub(crate) watcher: Arc<Watcher>,
    /// Who hears of what others change in the store, as long as there is the cache.
    #[allow(dead_code, reason = "the store holds it weakly, and this is who holds it")]
    pub(crate) ear: Option<Arc<dyn Ear>>,
    pub(crate) flights: Flights<Outcome<T>>,
    /// A permit for each loader that may run at once.
    pub(crate) permits: Semaphore,
    /// Loaders that failed while there was something else to serve.
    pub(crate) resting: Pauses,
    /// Entries whose TTL is being extended, or could not be.
    pub(crate) touching: Pauses,
    /// Held while an add writes over bytes that cannot be read.
    pub(crate) repairs: tokio::sync::Mutex<()>,
    pub(crate) warnings: Throttle,
    /// Whether somebody was told that this cache cannot read what this process has written.
    pub(crate) told_unreadable: AtomicBool,
}

impl<T> fmt::Debug for Kit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("name", &self.name).field("store", &self.store).finish_non_exhaustive()
    }
}
