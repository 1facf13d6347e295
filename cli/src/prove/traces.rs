//! A layer that remembers which keys were written through it, so that they can be removed afterwards, although no store lists
//! its keys.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use larder::{
    Backend, Entry, Key, Result, Ttl,
    backend::{CounterOptions, Counters, DeleteItem, DeleteOptions, Forward, SetItem, SetOptions, Written},
    key::{Namespace, StoreKey},
};

/// A counter cannot be removed, so none outlives the run for longer than this.
const COUNTER_TTL: Duration = Duration::from_mins(1);
/// So many keys are removed at once.
const AT_ONCE: usize = 500;

/// The keys that were written, by their text.
#[derive(Debug, Clone, Default)]
pub(super) struct Traces(Arc<Mutex<HashMap<String, (Namespace, Key)>>>);

impl Traces {
    fn note(&self, key: &StoreKey<'_>) {
        // What is in it is whole at any time.
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.entry(key.to_string()).or_insert_with(|| (key.namespace().clone(), key.key().clone()));
    }

    /// Removes everything that was written. Gives how many keys that were, and how many could not be removed.
    pub(super) async fn remove(&self, store: &dyn Backend) -> (usize, usize) {
        let keys = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let all: Vec<(Namespace, Key)> = keys.into_values().collect();
        let mut left = 0;
        for some in all.chunks(AT_ONCE) {
            let items: Vec<DeleteItem<'_>> = some
                .iter()
                .map(|(namespace, key)| DeleteItem::new(StoreKey::new(namespace, key), DeleteOptions::new()))
                .collect();
            left += store.delete_many(&items).await.iter().filter(|removed| removed.is_err()).count();
        }
        (all.len(), left)
    }
}

/// A store that leaves traces.
#[derive(Debug)]
pub(super) struct Traced {
    inner: Arc<dyn Backend>,
    traces: Traces,
    counters: TracedCounters,
}

impl Traced {
    pub(super) fn new(inner: Arc<dyn Backend>, traces: &Traces) -> Self {
        Self { counters: TracedCounters(Arc::clone(&inner)), inner, traces: traces.clone() }
    }
}

#[async_trait]
impl Forward for Traced {
    type Inner = dyn Backend;

    fn inner(&self) -> &Self::Inner {
        &*self.inner
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.inner().counters().map(|_| &self.counters as &dyn Counters)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.traces.note(key);
        self.inner().set(key, entry, options).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        items.iter().for_each(|item| self.traces.note(&item.key));
        self.inner().set_many(items).await
    }
}

/// Counters that end soon after the run.
#[derive(Debug)]
struct TracedCounters(Arc<dyn Backend>);

#[async_trait]
impl Counters for TracedCounters {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let mut options = *options;
        options.ttl = match options.ttl {
            Ttl::After(ttl) => Ttl::After(ttl.min(COUNTER_TTL)),
            Ttl::Never => Ttl::After(COUNTER_TTL),
        };
        match Backend::counters(&*self.0) {
            Some(counters) => counters.increment(key, by, &options).await,
            None => Ok(None),
        }
    }
}
