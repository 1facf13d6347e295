//! What a case is given: caches on the store, time, and a record of what it does.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use larder_core::{
    Backend, Cache, Clock,
    backend::Capabilities,
    cache::{CacheBuilder, Value as CacheValue},
};

use crate::{
    probe::Probe,
    store::{Store, Time},
    value::Value,
};

/// The record of what a case did, as code.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a case is given.
pub(crate) struct Context {
    store: Store,
    time: Time,
    clock: Clock,
    namespace: String,
    pub(crate) log: Log,
}

impl Context {
    pub(crate) fn new(store: Store, time: Time, clock: Clock, namespace: String, log: Log) -> Self {
        Self { store, time, clock, namespace, log }
    }

    /// A cache in the case's own namespace.
    pub(crate) fn cache(&self) -> Probe {
        self.cache_with("cache", |builder| builder)
    }

    /// A cache in the case's own namespace, made in this way.
    pub(crate) fn cache_with(
        &self,
        name: &str,
        with: impl FnOnce(CacheBuilder<Value>) -> CacheBuilder<Value>,
    ) -> Probe {
        Probe::new(name, self.typed_with(with), self.log.clone())
    }

    /// A cache in a namespace of this name, in the case's own: a name like `a/b` is two levels.
    pub(crate) fn cache_in(&self, name: &str) -> Probe {
        let namespace = format!("{}-{name}", self.namespace);
        self.cache_with(name, |builder| builder.namespace(namespace))
    }

    /// A cache of another type, without record.
    pub(crate) fn typed<T: CacheValue>(&self) -> Cache<T> {
        self.typed_with(|builder| builder)
    }

    fn typed_with<T: CacheValue>(&self, with: impl FnOnce(CacheBuilder<T>) -> CacheBuilder<T>) -> Cache<T> {
        build(Arc::clone(&self.store.backend), self.clock.clone(), &self.namespace, with)
    }

    /// The same cache as another process would have it, on a connection of its own. Only for cases that need
    /// [`Sharing`](crate::Ability::Sharing).
    pub(crate) fn peer(&self, with: impl FnOnce(CacheBuilder<Value>) -> CacheBuilder<Value>) -> Probe {
        let Some(peer) = &self.store.peer else { unreachable!("the case needs Sharing") };
        let cache = build(peer(self.clock.clone()), self.clock.clone(), &self.namespace, with);
        Probe::new("peer", cache, self.log.clone())
    }

    /// The store itself.
    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.store.backend
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.store.backend.capabilities()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The namespace of [`cache`](Self::cache).
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A short life: long enough that what has it is still there directly afterwards.
    pub(crate) fn short(&self) -> Duration {
        match self.time {
            Time::Injected => Duration::from_secs(10),
            // A loaded machine may take some hundred milliseconds for two operations.
            Time::Real => Duration::from_millis(700),
        }
    }

    /// Lets time pass until a life of this length that began before is over, by the store's own reckoning.
    pub(crate) async fn outlive(&self, life: Duration) {
        let resolution = self.capabilities().ttl_resolution;
        let steps = u32::try_from(life.as_nanos().div_ceil(resolution.as_nanos().max(1))).unwrap_or(u32::MAX);
        let rounded = resolution.saturating_mul(steps);
        self.pass(rounded + resolution + Duration::from_millis(60)).await;
    }

    /// Lets so much time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        self.log.add(format!("// {time:?} pass"));
        match self.time {
            Time::Injected => {
                self.clock.advance(time);
                tokio::task::yield_now().await;
            }
            Time::Real => tokio::time::sleep(time).await,
        }
    }

    /// Puts bytes under a key behind the backend's back.
    pub(crate) async fn vandalize(&self, key: &str, bytes: &[u8]) {
        self.log.add(format!("// something else writes {} bytes under {key}", bytes.len()));
        let Some(vandal) = self.store.vandal.clone() else { unreachable!("the case needs ForeignBytes") };
        let (key, bytes) = (key.to_owned(), bytes.to_vec());
        let _ = tokio::task::spawn_blocking(move || vandal(&key, &bytes)).await;
    }

    /// The bytes under a key as the store has them, if the store's author said how to see them.
    pub(crate) async fn stored_bytes(&self, key: &str) -> Option<Vec<u8>> {
        let spy = self.store.spy.clone()?;
        let key = key.to_owned();
        tokio::task::spawn_blocking(move || spy(&key)).await.ok().flatten()
    }

    /// Whether hits need no future, and nobody but this process sees the entries.
    pub(crate) fn in_process(&self) -> bool {
        self.store.backend.versions().is_some()
    }

    /// A cache whose operations are not recorded, for cases with very many of them.
    pub(crate) fn silent_cache(
        &self,
        with: impl FnOnce(CacheBuilder<Value>) -> CacheBuilder<Value>,
    ) -> Probe {
        Probe::new("cache", self.typed_with(with), Log::default())
    }

    /// Where random choices begin: `LARDER_CONFORMANCE_SEED`, or another number each time.
    #[allow(clippy::unused_self, reason = "a case asks its context")]
    pub(crate) fn seed(&self) -> u64 {
        let given = std::env::var("LARDER_CONFORMANCE_SEED").ok().and_then(|seed| seed.parse().ok());
        given.unwrap_or_else(|| Clock::system().now().as_millis())
    }

    /// Adds to the record.
    pub(crate) fn note(&self, done: &str, seen: impl Debug) {
        self.log.add(format!("{done}  // {seen:?}"));
    }
}

fn build<T: CacheValue>(
    backend: Arc<dyn Backend>,
    clock: Clock,
    namespace: &str,
    with: impl FnOnce(CacheBuilder<T>) -> CacheBuilder<T>,
) -> Cache<T> {
    let builder = Cache::builder(backend).clock(clock).namespace(namespace);
    match with(builder).build() {
        Ok(cache) => cache,
        // The suite's own namespaces are short.
        Err(error) => unreachable!("{error}"),
    }
}
