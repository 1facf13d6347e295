//! What happens to a cache, told to whoever listens: for metrics, and for hooks of a program's own.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::stats::{Count, Counters, Stats};
use crate::{
    backend::{Cause, Circuit},
    error::Error,
    miss::Miss,
};

/// Something that has happened to a cache.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A read was answered from the store.
    Hit {
        /// What the value's load had cost; zero when it was not loaded.
        saved: Duration,
    },
    /// A read found nothing in the store, or nothing usable.
    Miss {
        /// Why.
        reason: &'a Miss,
    },
    /// A stale value was served. The miss that it was has been told before.
    Stale,
    /// A caller waits for a load that another one had begun.
    Joined,
    /// A load waits for the lease of another process.
    LeaseAwaited,
    /// A loader begins.
    LoadBegun,
    /// A loader has made its value, or its values.
    Loaded {
        /// How long that took.
        took: Duration,
    },
    /// A loader has failed, or panicked.
    LoadFailed {
        /// How it ended.
        error: &'a Error,
        /// How long that took.
        took: Duration,
    },
    /// A loaded value is not stored, because its key was written or invalidated meanwhile.
    Fenced,
    /// An entry was written.
    Stored {
        /// The value's bytes before compression and as they are stored, if it was encoded.
        bytes: Option<(u64, u64)>,
    },
    /// A live entry was removed.
    Deleted,
    /// A tag was invalidated.
    Invalidated {
        /// The tag.
        tag: &'a str,
    },
    /// The cache's namespace was cleared.
    Cleared,
    /// The store has failed. A reader with a loader does not see this error.
    StoreFailed {
        /// The error.
        error: &'a Error,
    },
    /// An entry has left a store that is [bounded](crate::backend::Bounded) in this process's memory, and nobody has removed
    /// it.
    Left {
        /// Its key, as [`Key::text`](crate::Key::text) writes it.
        key: &'a str,
        /// Why.
        cause: Cause,
        /// How old its value was.
        age: Duration,
    },
}

/// Is told what happens to caches, on the threads on which it happens: it must neither block nor take long. One that
/// panics is not told of it, and harms nobody.
pub trait Listener: Send + Sync + 'static {
    /// Something has happened to the cache of this name.
    fn on_event(&self, cache: &str, event: &Event<'_>);

    /// Who hears in place of this listener what happens to the cache of this name, if somebody else is. Asked once, when the
    /// cache is made: for what is looked up by name and then kept at hand, since a hit takes no longer than such a look-up.
    /// Default: nobody.
    fn for_cache(&self, cache: &str) -> Option<Arc<dyn Listener>> {
        let _ = cache;
        None
    }

    /// The [breaker](crate::layer::Breaker) of this store, or of one of its servers, has opened or closed. Default: nothing.
    fn on_circuit(&self, store: &str, circuit: &Circuit) {
        let _ = (store, circuit);
    }
}

impl<L: Listener + ?Sized> Listener for Arc<L> {
    fn on_event(&self, cache: &str, event: &Event<'_>) {
        L::on_event(self, cache, event);
    }

    fn for_cache(&self, cache: &str) -> Option<Arc<dyn Listener>> {
        L::for_cache(self, cache)
    }
}

/// Counts what happens to a cache, and tells who listens.
pub(crate) struct Events {
    cache: Arc<str>,
    pub(crate) counters: Counters,
    listener: Option<Arc<dyn Listener>>,
}

impl Events {
    pub(crate) fn new(cache: Arc<str>, listener: Option<Arc<dyn Listener>>) -> Self {
        let own = listener.as_ref().and_then(|listener| listener.for_cache(&cache));
        Self { cache, counters: Counters::default(), listener: own.or(listener) }
    }

    /// The cache's name.
    pub(crate) fn cache(&self) -> &str {
        &self.cache
    }

    /// What has happened so far.
    pub(crate) fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// A hit of a value whose load had cost so many microseconds: what a cache does most.
    #[inline]
    pub(crate) fn hit(&self, saved: u64) {
        self.counters.hit(saved);
        if self.listener.is_some() {
            self.tell(&Event::Hit { saved: Duration::from_micros(saved) });
        }
    }

    /// Anything else.
    pub(crate) fn happened(&self, event: &Event<'_>) {
        self.count(event);
        self.tell(event);
    }

    fn count(&self, event: &Event<'_>) {
        let counters = &self.counters;
        match event {
            Event::Hit { saved } => counters.hit(u64::try_from(saved.as_micros()).unwrap_or(u64::MAX)),
            Event::Miss { reason } => counters.miss(reason),
            Event::Stale => counters.count(Count::Stale),
            Event::Joined => counters.count(Count::Joined),
            Event::LeaseAwaited => counters.count(Count::LeaseAwaited),
            Event::LoadBegun => counters.count(Count::Load),
            Event::Loaded { took } => counters.loaded(*took),
            Event::LoadFailed { .. } => counters.count(Count::LoadFailure),
            Event::Fenced => counters.count(Count::Fenced),
            Event::Stored { .. } => counters.count(Count::Stored),
            Event::Deleted => counters.count(Count::Deleted),
            Event::Invalidated { .. } | Event::Cleared => {}
            Event::StoreFailed { .. } => counters.count(Count::Error),
            Event::Left { cause, age, .. } => counters.left(*cause, *age),
        }
    }

    fn tell(&self, event: &Event<'_>) {
        let Some(listener) = &self.listener else { return };
        // Whatever state the listener is left in is its own.
        let told = catch_unwind(AssertUnwindSafe(|| listener.on_event(&self.cache, event)));
        if told.is_err() {
            tracing::error!(cache = %self.cache, ?event, "a listener panicked");
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("counters", &self.counters).finish_non_exhaustive()
    }
}
