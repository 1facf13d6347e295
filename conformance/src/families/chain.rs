//! Chains: near copies in front of a store. Each chain of these cases is a process of its own, with something between it and its
//! store that counts, holds and fails.

mod copies;
mod others;
mod races;

use std::{sync::Arc, time::Duration};

use larder_core::{
    Backend, Cache, Key, Result,
    backend::{GetOptions, Lookup},
    cache::CacheBuilder,
    key::StoreKey,
};
use tokio::task::JoinHandle;

use crate::{
    between::{Between, Calls},
    case::Case,
    context::Context,
    failure::{Failure, Verdict, same},
    patience::patiently,
    probe::{Direct, Probe},
    stacks::NearCopies,
    task,
    value::Value,
};

pub(crate) fn cases() -> Vec<Case> {
    [copies::CASES, races::CASES, others::CASES].concat()
}

/// Longer than any case takes.
const LONG: Duration = Duration::from_hours(1);

/// Copies that nothing ends but what happens to their entries.
const STEADY: NearCopies = NearCopies { ttl: Some(LONG), ttl_without_bus: LONG, listens: false };

/// Copies of a chain that listens, and trusts them for long.
const LISTENING: NearCopies = NearCopies { ttl: None, ttl_without_bus: LONG, listens: true };

/// A chain, as one process has it.
#[derive(Clone)]
struct Process {
    backend: Arc<dyn Backend>,
    store: Direct,
    /// What is between it and the store behind.
    far: Between,
}

impl Process {
    fn new(t: &Context, name: &str, copies: NearCopies) -> Self {
        let parts = t.chained();
        let far = Between::new(t.connect_to("the store behind", &parts.far));
        let backend = (parts.make)(Arc::new(far.clone()), copies, t.clock().clone());
        t.log.add(format!("let {name} = chain({copies:?});"));
        let store = t.direct_to(name, Arc::clone(&backend));
        Self { backend, store, far }
    }

    /// Its cache.
    fn cache(&self, t: &Context, with: impl FnOnce(CacheBuilder<Value>) -> CacheBuilder<Value>) -> Probe {
        t.cache_on("cache", Arc::clone(&self.backend), with)
    }

    fn text(&self, key: &str) -> String {
        self.store.text_of(&key.into())
    }

    /// How often the store behind was asked for this key.
    fn asked(&self, key: &str) -> usize {
        self.far.asked(Calls::Reads, &self.text(key))
    }

    async fn has(&self, key: &str, expected: &str) -> Verdict {
        same(self.store.get(key).await?.as_deref(), Some(expected))
    }

    async fn lacks(&self, key: &str) -> Verdict {
        same(self.store.get(key).await?, None)
    }

    /// It has this, and need not ask for it.
    async fn has_near(&self, key: &str, expected: &str) -> Verdict {
        let before = self.asked(key);
        self.has(key, expected).await?;
        same(self.asked(key) - before, 0)
    }

    /// Reads past near copies.
    async fn far_get(&self, key: &str) -> Result<Option<String>> {
        let owned = Key::new(key);
        let places = [StoreKey::new(self.store.namespace(), &owned)];
        let found = self.backend.get(&places[0], &GetOptions::new().with_far(true)).await;
        text_of(found)
    }

    /// The same as one of many.
    async fn far_get_many(&self, key: &str) -> Result<Option<String>> {
        let owned = [Key::new(key), Key::new("beside")];
        let places = owned.each_ref().map(|key| StoreKey::new(self.store.namespace(), key));
        let mut found = self.backend.get_many(&places, &GetOptions::new().with_far(true)).await;
        text_of(found.swap_remove(0))
    }

    /// Begins to do something in a task of its own.
    fn begin<T: Send + 'static, F>(&self, work: impl FnOnce(Direct) -> F) -> JoinHandle<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        task::spawn(work(self.store.clone()))
    }
}

fn text_of(found: Result<Lookup>) -> Result<Option<String>> {
    let bytes = found?.entry().and_then(|entry| entry.encoded().map(|body| body.bytes.clone()));
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The store behind, as others have it who have no copies.
fn outside(t: &Context) -> Direct {
    t.direct_to("outside", t.connect_to("the store behind", &t.chained().far))
}

/// A cache of theirs.
fn outside_cache(t: &Context, with: impl FnOnce(CacheBuilder<Value>) -> CacheBuilder<Value>) -> Cache<Value> {
    t.cache_on("outside", t.connect_to("the store behind", &t.chained().far), with).cache().clone()
}

/// How a task has ended.
async fn ended<T>(task: JoinHandle<T>) -> Result<T, Failure> {
    patiently("an end", task).await?.map_err(|panic| Failure::new("an end", panic))
}
