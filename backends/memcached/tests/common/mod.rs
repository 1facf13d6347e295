//! What the tests share: keys, entries, stores on real servers, and servers that misbehave.

// Each test file uses its part, and Clippy's exception for tests does not reach the functions that tests share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)]

pub mod impostor;

use std::time::{Duration, Instant};

use bytes::Bytes;
use larder_core::{
    Backend, Clock, Entry, Key, Miss, Result, Ttl,
    backend::{Condition, DeleteItem, DeleteOptions, GetOptions, Lookup, SetOptions, Written},
    clock::Timestamp,
    entry::{Body, Lifetime, Meta},
    key::{Namespace, StoreKey},
};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::MemcachedServer;

/// A key in the namespace `t`: `plum` is `t:plum` on the wire.
pub struct TestKey {
    namespace: Namespace,
    key: Key,
}

pub fn key(name: impl larder_core::key::KeyPart) -> TestKey {
    TestKey { namespace: Namespace::new("t", 0).unwrap(), key: Key::new(name) }
}

impl TestKey {
    pub fn get(&self) -> StoreKey<'_> {
        StoreKey::new(&self.namespace, &self.key)
    }
}

/// Without a limit.
pub const GET: GetOptions = GetOptions::new();
/// Whatever is there.
pub const ANY: DeleteOptions = DeleteOptions::new();

/// Whether the writes took place.
pub fn done(written: Vec<Result<Written>>) -> Vec<Result<bool>> {
    written.into_iter().map(|written| written.map(Written::took_place)).collect()
}

/// The removal of whatever is under each of these.
pub fn removals<'a>(keys: &[StoreKey<'a>]) -> Vec<DeleteItem<'a>> {
    keys.iter().map(|key| DeleteItem::new(*key, ANY)).collect()
}

/// An entry that lives until it is removed.
pub fn entry(value: impl Into<Bytes>) -> Entry {
    entry_until(value, Timestamp::NEVER)
}

pub fn entry_until(value: impl Into<Bytes>, expires: Timestamp) -> Entry {
    let bytes: Bytes = value.into();
    let body = Body::raw(bytes, 0);
    Entry::from_body(body, Meta::new(Clock::system().now(), Lifetime::until(expires)))
}

pub fn config(server: &MemcachedServer) -> MemcachedConfig {
    let scheme = if server.socket().is_some() { "unix://" } else { "" };
    MemcachedConfig::new([format!("{scheme}{}", server.address())])
}

pub fn store(server: &MemcachedServer) -> MemcachedBackend {
    MemcachedBackend::new(config(server)).unwrap()
}

pub async fn set(store: &impl Backend, name: &str, value: impl Into<Bytes>) -> Result<bool> {
    set_when(store, name, value, Condition::Always).await
}

pub async fn set_when(
    store: &impl Backend,
    name: &str,
    value: impl Into<Bytes>,
    condition: Condition,
) -> Result<bool> {
    store
        .set(&key(name).get(), &entry(value), &SetOptions::new(Ttl::Never).when(condition))
        .await
        .map(Written::took_place)
}

pub async fn look_up(store: &impl Backend, name: &str) -> Result<Lookup> {
    store.get(&key(name).get(), &GET).await
}

/// The value, if there is one.
pub async fn get(store: &impl Backend, name: &str) -> Option<Bytes> {
    look_up(store, name).await.unwrap().entry().map(|entry| value(&entry))
}

pub async fn hit(store: &impl Backend, name: &str) -> Entry {
    look_up(store, name).await.unwrap().entry().unwrap()
}

pub async fn miss(store: &impl Backend, name: &str) -> Miss {
    match look_up(store, name).await.unwrap() {
        Lookup::Miss(miss) => miss,
        Lookup::Hit(entry) => panic!("{entry:?}"),
    }
}

pub fn value(entry: &Entry) -> Bytes {
    entry.encoded().unwrap().bytes.clone()
}

/// Until it works again. How long that took.
pub async fn recovery(store: &impl Backend) -> Duration {
    let begun = Instant::now();
    while let Err(why) = look_up(store, "anything").await {
        assert!(begun.elapsed() < Duration::from_secs(10), "{why}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

/// How many connections the server has had. Every question of the test's own, such as this, is another one.
pub fn connections(server: &MemcachedServer) -> u64 {
    statistic(server, "stats", "total_connections")
}

pub fn statistic(server: &MemcachedServer, command: &str, name: &str) -> u64 {
    let answer = server.command(command);
    let line = answer.lines().find_map(|line| line.strip_prefix(&format!("STAT {name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {answer}")).parse().unwrap()
}

/// Numbers that look random and are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
