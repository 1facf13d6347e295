//! What the tests of the engine share: stores whose every operation is counted and can be held up, gates, and a reader of log
//! lines. A cache on a [`Remote`] is a process of its own: caches share nothing but the store.

// Each test file uses a part of this. Clippy's exception for tests does not reach functions that tests share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc
)]

mod deed;
mod gate;
mod lines;
mod local;
mod remote;
mod rules;

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use larder_core::{
    Backend, Cache, Clock, Error, ErrorKind, Fetched, Key,
    cache::{CacheBuilder, Policy, Value},
};

#[allow(unused_imports, reason = "each test file uses a part of this")]
pub use self::{
    deed::{DEEDS, Deed, loads_in_bulk},
    gate::Gate,
    lines::{Lines, on_every_thread},
    local::Local,
    remote::{Remote, Tokens},
    rules::{Act, Keys, Op, READS, WRITES},
};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);

/// The namespace of all caches here. The versions of its tags are under `s!v`.
pub const NAMESPACE: &str = "s";

/// A policy that says nothing but how long values live.
pub fn plain() -> Policy {
    Policy::new(10 * MINUTE)
}

/// A cache on this store that asks for versions on every read.
pub fn cache<T: Value>(store: impl Backend, clock: &Clock, policy: Policy) -> Cache<T> {
    builder(store, clock, policy).build().unwrap()
}

pub fn builder<T: Value>(store: impl Backend, clock: &Clock, policy: Policy) -> CacheBuilder<T> {
    Cache::builder(store)
        .namespace(NAMESPACE)
        .clock(clock.clone())
        .policy(policy)
        .invalidation_lag(Duration::ZERO)
}

/// The kinds of stores that everything must hold for alike: in memory, shared, and shared with tokens of its own.
pub fn every_store(clock: &Clock) -> [(&'static str, Arc<dyn Backend>); 3] {
    [
        ("in memory", Local::new(clock) as Arc<dyn Backend>),
        ("shared", Remote::new(clock)),
        ("shared with tokens of its own", Remote::with_tokens(clock, Tokens::Own)),
    ]
}

/// A loader that answers this.
pub fn answer<T: Send + 'static>(value: T) -> impl FnOnce() -> Ready<Result<T, Infallible>> + Send + 'static {
    move || std::future::ready(Ok(value))
}

pub type Ready<T> = std::future::Ready<T>;

/// A loader that fails.
pub fn failing<T: Send + 'static>() -> impl FnOnce() -> Ready<Result<T, std::io::Error>> + Send + 'static {
    || std::future::ready(Err(std::io::Error::other("the database is down")))
}

/// A loader that never ends.
pub fn hanging<T: Send + 'static>()
-> impl FnOnce() -> std::future::Pending<Result<T, Infallible>> + Send + 'static {
    std::future::pending
}

/// A loader that waits at a gate and answers this.
pub fn gated<T: Send + 'static>(
    gate: &Gate,
    value: T,
) -> impl FnOnce() -> std::pin::Pin<Box<dyn Future<Output = Result<T, Infallible>> + Send>> + Send + 'static {
    let gate = gate.clone();
    move || {
        Box::pin(async move {
            gate.pass().await;
            Ok(value)
        })
    }
}

/// A counter for what loaders do.
#[derive(Clone, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&self) -> u64 {
        self.0.fetch_add(1, SeqCst)
    }

    pub fn get(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

/// Asks in a task of its own.
pub fn asked<T, L, Fut>(
    cache: &Cache<T>,
    key: &Key,
    loader: L,
) -> tokio::task::JoinHandle<Result<Fetched<T>, Error>>
where
    T: Value,
    L: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Infallible>> + Send + 'static,
{
    let (cache, key) = (cache.clone(), key.clone());
    tokio::spawn(async move { cache.get_or_load(&key, loader).await })
}

/// What an answer says, for comparisons.
pub fn said<T: Clone + Send + Sync + 'static>(answer: Result<Fetched<T>, Error>) -> Result<T, ErrorKind> {
    answer.map(|fetched| T::clone(&fetched)).map_err(|error| error.kind())
}

/// The value that is there.
pub async fn there<T: Value + Clone>(cache: &Cache<T>, key: &Key) -> Option<T> {
    cache.get(key).await.unwrap().map(|fetched| T::clone(&fetched))
}

/// Fails when this takes longer than any busy machine would need. With paused time that costs nothing.
pub async fn soon<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(3 * MINUTE, work).await.expect("it never ends")
}

/// Lets all other tasks of this thread run until they wait for something.
pub async fn settled() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Both clocks go on: the one that lives are counted by, and the runtime's paused one.
pub async fn later(clock: &Clock, by: Duration) {
    tokio::time::sleep(by).await;
    clock.advance(by);
}

pub fn keys(name: &str, count: u64) -> Vec<Key> {
    (0..count).map(|n| Key::new(name).part(n)).collect()
}
