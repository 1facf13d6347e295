//! What a case is given: caches on the store, time, and a record of what it does.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    disturbance::Disturbance,
    failure::{Failure, Verdict},
    hooks::Trouble,
    probe::{Direct, Probe},
    stacks::{Chained, FailingOver},
    store::{Breaker, Peer, Store, Time},
    value::Value,
};
use larder_core::{
    Backend, Cache, Clock, Format,
    backend::{Bound, Capabilities},
    cache::{CacheBuilder, Value as CacheValue},
    codec::Compression,
};

/// The record of what a case did, as code.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// All of it, or how it began and how it ended.
    pub(crate) fn lines(&self) -> Vec<String> {
        const BEGINNING: usize = 12;
        const END: usize = 36;
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(between) = lines.len().checked_sub(BEGINNING + END).filter(|between| *between > 1) {
            let note = format!("// … {between} more …");
            lines.splice(BEGINNING..BEGINNING + between, [note]);
        }
        lines
    }
}

/// How caches write, unless a case says otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writing {
    pub(crate) format: Option<Arc<dyn Format>>,
    pub(crate) compression: Option<Compression>,
}

/// What a case is given.
pub(crate) struct Context {
    store: Store,
    time: Time,
    clock: Clock,
    namespace: String,
    writing: Writing,
    /// How many ticks a hook may take.
    patience: u32,
    /// What went wrong in the hooks.
    trouble: Trouble,
    /// Where random choices begin, if not each time elsewhere.
    seed: Option<u64>,
    pub(crate) log: Log,
}

impl Context {
    pub(crate) fn new(store: Store, time: Time, clock: Clock, namespace: String, log: Log) -> Self {
        let (writing, trouble) = (Writing::default(), Trouble::default());
        let patience = crate::suite::PATIENCE;
        Self { store, time, clock, namespace, writing, patience, trouble, seed: None, log }
    }

    /// The same with random choices that begin here each time.
    pub(crate) fn seeded(self, seed: Option<u64>) -> Self {
        Self { seed, ..self }
    }

    /// The same with hooks that may take this many ticks, and whose failures are told to this.
    pub(crate) fn watched(self, patience: u32, trouble: Trouble) -> Self {
        Self { patience, trouble, ..self }
    }

    /// The same with caches that write in this way.
    pub(crate) fn writing(mut self, writing: Writing) -> Self {
        self.writing = writing;
        self
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
        let namespace = self.namespace_of(name);
        self.cache_with(name, |builder| builder.namespace(namespace))
    }

    /// A cache in the case's own namespace that sees at once what others clear, on every store.
    pub(crate) fn prompt(&self, name: &str) -> Probe {
        self.cache_with(name, |builder| builder.invalidation_lag(Duration::ZERO))
    }

    /// The text of a namespace of this name in the case's own, as [`cache_in`](Self::cache_in) has it.
    pub(crate) fn namespace_of(&self, name: &str) -> String {
        format!("{}-{name}", self.namespace)
    }

    /// A cache of another type, without record.
    pub(crate) fn typed<T: CacheValue>(&self) -> Cache<T> {
        self.typed_with(|builder| builder)
    }

    /// A cache of another type made in this way, without record.
    pub(crate) fn typed_with<T: CacheValue>(
        &self,
        with: impl FnOnce(CacheBuilder<T>) -> CacheBuilder<T>,
    ) -> Cache<T> {
        self.build(Arc::clone(&self.store.backend), with)
    }

    /// A cache in the case's own namespace on a store of the case's own making, around the real one as a rule.
    pub(crate) fn cache_on(
        &self,
        name: &str,
        backend: impl Backend,
        with: impl FnOnce(CacheBuilder<Value>) -> CacheBuilder<Value>,
    ) -> Probe {
        let cache = self.build(Arc::new(backend), with);
        Probe::new(name, cache, self.log.clone())
    }

    /// The same cache as another process would have it, on a connection of its own. Only for cases that need
    /// [`Sharing`](crate::Ability::Sharing).
    pub(crate) fn peer(&self, with: impl FnOnce(CacheBuilder<Value>) -> CacheBuilder<Value>) -> Probe {
        let cache = self.build(self.connect(), with);
        Probe::new("peer", cache, self.log.clone())
    }

    /// A connection of its own to the same store.
    fn connect(&self) -> Arc<dyn Backend> {
        let Some(peer) = &self.store.peer else { unreachable!("the case needs Sharing") };
        self.connect_to("the peer", peer)
    }

    /// A connection of its own, as this hook makes it.
    pub(crate) fn connect_to(&self, what: &str, peer: &Peer) -> Arc<dyn Backend> {
        let (peer, clock) = (Arc::clone(peer), self.clock.clone());
        self.trouble.call_here(what, self.patience, move || peer(clock))
    }

    /// The store itself.
    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.store.backend
    }

    /// The store itself, recorded, with keys in the case's own namespace.
    pub(crate) fn direct(&self) -> Direct {
        self.direct_to("store", Arc::clone(&self.store.backend))
    }

    /// The store itself without record, for very many operations.
    pub(crate) fn silent_direct(&self) -> Direct {
        self.direct().silent()
    }

    /// The store itself, recorded, with keys in a namespace of this name, in the case's own.
    pub(crate) fn direct_in(&self, name: &str) -> Direct {
        let backend = Arc::clone(&self.store.backend);
        Direct::new(name, backend, &self.namespace_of(name), self.clock.clone(), self.log.clone())
    }

    /// The same as another process would have it. Only for cases that need [`Sharing`](crate::Ability::Sharing).
    pub(crate) fn direct_peer(&self) -> Direct {
        self.direct_to("peer", self.connect())
    }

    /// A store of the case's own making, recorded, with keys in the case's own namespace.
    pub(crate) fn direct_to(&self, name: &str, backend: Arc<dyn Backend>) -> Direct {
        Direct::new(name, backend, &self.namespace, self.clock.clone(), self.log.clone())
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

    /// Does something that must be over before a life of this length is, and says what came of it. What took longer
    /// says nothing about the store, and is done again, for as long as the case may last.
    pub(crate) async fn within<T, F>(&self, life: Duration, work: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        // The clock of the entries may be a tick, 10 ms at most, behind the one that is looked at here.
        let enough = life.saturating_sub(Duration::from_millis(20));
        loop {
            let begun = Instant::now();
            let result = work().await;
            if self.time == Time::Injected || begun.elapsed() < enough {
                return result;
            }
            self.log.add(format!("// that took longer than {enough:?}: once more"));
        }
    }

    /// Does something that keeps real time, on the scale of this span. A failure counts if nothing was held up meanwhile
    /// for an eighth of the span; otherwise it says nothing about the store, and the same is done with twice the span,
    /// for as long as the case may last.
    pub(crate) async fn undisturbed<F>(&self, span: Duration, work: impl Fn(Duration) -> F) -> Verdict
    where
        F: Future<Output = Verdict>,
    {
        let mut span = span;
        loop {
            let every = (span / 64).clamp(Duration::from_millis(1), Duration::from_millis(20));
            let store = Arc::clone(&self.store.backend);
            let disturbance = Disturbance::watch(store, self.direct().namespace().clone(), every);
            let verdict = work(span).await;
            let longest = disturbance.longest();
            if verdict.is_ok() || longest < span / 8 {
                return verdict;
            }
            self.log.add(format!("// nothing went on for {longest:?}: once more, at half the speed"));
            span *= 2;
        }
    }

    /// Puts bytes under a key behind the backend's back.
    pub(crate) async fn vandalize(&self, key: &str, bytes: &[u8]) {
        self.log.add(format!("// something else writes {} bytes under {key}", bytes.len()));
        let Some(vandal) = self.store.vandal.clone() else { unreachable!("the case needs ForeignBytes") };
        let (key, bytes) = (key.to_owned(), bytes.to_vec());
        self.trouble.call("the vandal", self.patience, move || vandal(&key, &bytes)).await;
    }

    /// The bytes under a key as the store has them, if the store's author said how to see them.
    pub(crate) async fn stored_bytes(&self, key: &str) -> Option<Vec<u8>> {
        let spy = self.store.spy.clone()?;
        let key = key.to_owned();
        self.trouble.call("the spy", self.patience, move || spy(&key)).await
    }

    /// A small store of the same kind, apart from the real one. Only for cases that need
    /// [`BoundedByEntries`](crate::Ability::BoundedByEntries) or [`BoundedByBytes`](crate::Ability::BoundedByBytes).
    pub(crate) fn bounded(&self, bound: Bound) -> Option<Arc<dyn Backend>> {
        self.log.add(format!("let store = small({bound:?});"));
        self.store.small.as_ref().and_then(|small| small(bound, self.clock.clone()))
    }

    /// How the store is made to fail. Only for cases that need [`Breaking`](crate::Ability::Breaking).
    pub(crate) fn breaker(&self) -> Breaker {
        let Some(breaker) = &self.store.breaker else { unreachable!("the case needs Breaking") };
        breaker.clone()
    }

    /// The parts of a chain. Only for cases that need [`Chained`](crate::Ability::Chained).
    pub(crate) fn chained(&self) -> Chained {
        let Some(chain) = &self.store.chain else { unreachable!("the case needs Chained") };
        chain.clone()
    }

    /// The parts of a failover. Only for cases that need [`FailingOver`](crate::Ability::FailingOver).
    pub(crate) fn failing_over(&self) -> FailingOver {
        let Some(failover) = &self.store.failover else { unreachable!("the case needs FailingOver") };
        failover.clone()
    }

    /// Whether hits need no future, and nobody but this process sees the entries.
    pub(crate) fn in_process(&self) -> bool {
        self.store.backend.invalidation().here().is_some()
    }

    /// A cache whose operations are not recorded, for cases with very many of them.
    pub(crate) fn silent_cache(
        &self,
        with: impl FnOnce(CacheBuilder<Value>) -> CacheBuilder<Value>,
    ) -> Probe {
        Probe::new("cache", self.typed_with(with), Log::default())
    }

    /// Where random choices begin: `LARDER_CONFORMANCE_SEED`, or the suite's seed, or another number each time.
    pub(crate) fn seed(&self) -> u64 {
        let given = std::env::var("LARDER_CONFORMANCE_SEED").ok().and_then(|seed| seed.parse().ok());
        given.or(self.seed).unwrap_or_else(|| Clock::system().now().as_millis())
    }

    fn build<T: CacheValue>(
        &self,
        backend: Arc<dyn Backend>,
        with: impl FnOnce(CacheBuilder<T>) -> CacheBuilder<T>,
    ) -> Cache<T> {
        let Writing { format, compression } = self.writing.clone();
        let mut builder = Cache::builder(backend)
            .clock(self.clock.clone())
            .namespace(&self.namespace)
            .compression(compression);
        if let Some(format) = format {
            builder = builder.shared_format(format);
        }
        match with(builder).build() {
            Ok(cache) => cache,
            // The suite's own namespaces are short.
            Err(error) => unreachable!("{error}"),
        }
    }

    /// Adds to the record.
    pub(crate) fn note(&self, done: &str, seen: impl Debug) {
        self.log.add(format!("{done}  // {seen:?}"));
    }
}
