//! A ring of three of which one fails: it fails its own keys, of every cache, and nothing else; and it brings nothing back.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use larder_core::{
    Cache, ErrorKind, Key,
    backend::{Backend, Shards as _},
    key::{Namespace, StoreKey},
    layer::Deadline,
    settings::Span,
};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::{Fault, MemcachedServer, Protocol, Proxy};
use tokio::time::timeout;

const KEYS: u64 = 60;
const DOWN: u16 = 1;

fn store_of(addresses: impl IntoIterator<Item = String>) -> MemcachedBackend {
    let mut config = MemcachedConfig::new(addresses);
    config.response_timeout = Span(Duration::from_secs(1));
    MemcachedBackend::new(config).unwrap()
}

fn cache_of(store: MemcachedBackend, namespace: &str) -> Cache<u64> {
    // Far longer than anything takes here: a machine with other things to do is no server that is down.
    let store = Deadline::new(store, "ring", Duration::from_secs(4));
    Cache::builder(store).namespace(namespace).invalidation_lag(Duration::ZERO).build().unwrap()
}

struct Ring {
    servers: Vec<MemcachedServer>,
}

impl Ring {
    fn start() -> Self {
        Self { servers: (0..3).map(|_| MemcachedServer::start()).collect() }
    }

    fn down(&self) -> &MemcachedServer {
        &self.servers[usize::from(DOWN)]
    }

    fn store(&self) -> MemcachedBackend {
        store_of(self.servers.iter().map(MemcachedServer::address))
    }

    /// A cache as a process of its own would have it.
    fn cache(&self, namespace: &str) -> Cache<u64> {
        cache_of(self.store(), namespace)
    }

    /// Whether the server that fails has this key.
    fn is_down(&self, namespace: &str, n: u64) -> bool {
        let (space, key) = (Namespace::new(namespace, 0).unwrap(), Key::new(n));
        self.store().of(&StoreKey::new(&space, &key)) == DOWN
    }

    /// Waits until the server that was away answers.
    async fn recovered(&self, cache: &Cache<u64>, namespace: &str) {
        let key = (0..KEYS).find(|n| self.is_down(namespace, *n)).unwrap();
        let begun = Instant::now();
        while let Err(why) = cache.get(&Key::new(key)).await {
            assert!(begun.elapsed() < Duration::from_secs(10), "{why}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn fill(cache: &Cache<u64>, tag: Option<&str>) {
    for n in 0..KEYS {
        let key = Key::new(n);
        match tag {
            Some(tag) => cache.at(&key).tag(tag).set(n).await.unwrap(),
            None => cache.set(&key, n).await.unwrap(),
        }
    }
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Hit,
    Miss,
    Failed,
}

async fn read(cache: &Cache<u64>, n: u64) -> Read {
    match cache.get(&Key::new(n)).await {
        Ok(Some(found)) => {
            assert_eq!(*found, n);
            Read::Hit
        }
        Ok(None) => Read::Miss,
        Err(_) => Read::Failed,
    }
}

#[tokio::test]
async fn the_store_says_which_server_has_a_key() {
    let ring = Ring::start();
    let store = ring.store();
    assert_eq!(store.count(), 3);
    assert_eq!(store.name(DOWN), ring.down().address());
    let (space, key) = (Namespace::new("n", 0).unwrap(), Key::new("k"));
    for shard in 0..3 {
        let key = StoreKey::new(&space, &key).on_shard(shard);
        assert_eq!(store.of(&key), shard);
        let entry = common::entry(shard.to_string());
        let options = larder_core::backend::SetOptions::new(larder_core::Ttl::Never);
        store.set(&key, &entry, &options).await.unwrap();
    }
    for (shard, server) in ring.servers.iter().enumerate() {
        let answer = server.command("mg n:k v");
        assert!(answer.contains(&shard.to_string()), "{answer}");
    }
    // One server does not fail in parts.
    assert!(common::store(ring.down()).shards().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_down_fails_its_own_keys_of_every_cache_and_comes_back_empty() {
    let ring = Ring::start();
    let names: Vec<String> = (0..12).map(|n| format!("cache{n}")).collect();
    let caches: Vec<_> = names.iter().map(|name| ring.cache(name)).collect();
    for cache in &caches {
        fill(cache, Some("all")).await;
    }
    ring.down().stop();
    let mut failed = 0;
    for (cache, name) in caches.iter().zip(&names) {
        for n in 0..KEYS {
            let expected = if ring.is_down(name, n) { Read::Failed } else { Read::Hit };
            failed += u64::from(expected == Read::Failed);
            // The first may be lost with its connection and be tried again.
            assert_eq!(read(cache, n).await, expected, "{name} {n}");
        }
        let keys: Vec<Key> = (0..KEYS).map(Key::new).collect();
        let found = cache.get_many(&keys).await.unwrap();
        for (n, found) in (0..).zip(found.iter()) {
            assert_eq!(found.is_err(), ring.is_down(name, n), "{name} {n}: {found:?}");
        }
    }
    assert!(failed > 0 && failed < 12 * KEYS);

    ring.down().restart();
    for (cache, name) in caches.iter().zip(&names) {
        ring.recovered(cache, name).await;
        for n in 0..KEYS {
            let expected = if ring.is_down(name, n) { Read::Miss } else { Read::Hit };
            assert_eq!(read(cache, n).await, expected, "{name} {n}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_go_on_around_one_that_is_down() {
    let ring = Ring::start();
    let cache = ring.cache("loads");
    ring.down().stop();
    let keys: Vec<Key> = (0..KEYS).map(Key::new).collect();
    let loaded = Arc::new(AtomicU32::new(0));
    for round in 0..2 {
        let (loaded, known) = (Arc::clone(&loaded), keys.clone());
        let found = cache
            .get_or_load_many(&keys, move |missing| {
                loaded.fetch_add(u32::try_from(missing.len()).unwrap(), Ordering::Relaxed);
                let number = |key: &Key| (0..).zip(&known).find(|(_, known)| *known == key).unwrap().0;
                let values: Vec<(Key, u64)> =
                    missing.into_iter().map(|key| (key.clone(), number(&key))).collect();
                async move { Ok::<_, std::io::Error>(values) }
            })
            .await
            .unwrap();
        for (n, found) in (0..).zip(found.values().unwrap()) {
            assert_eq!(*found.unwrap(), n, "round {round}");
        }
    }
    let on_it = (0..KEYS).filter(|n| ring.is_down("loads", *n)).count();
    // What the others have was stored the first time.
    assert_eq!(loaded.load(Ordering::Relaxed) as usize, keys.len() + on_it);
    let items = (0..KEYS).map(|n| (Key::new(n), n));
    for (n, written) in (0..).zip(cache.set_many(items).await.unwrap()) {
        assert_eq!(written.is_err(), ring.is_down("loads", n), "{n}: {written:?}");
    }
}

/// Does something while one server is frozen, which then comes back with its memory. What is sent while the connection is still
/// taken for good waits in the server's socket and is done when it wakes up; so the connection is given up first.
async fn frozen_meanwhile(ring: &Ring, (cache, namespace): (&Cache<u64>, &str), work: impl AsyncFnOnce()) {
    ring.down().pause();
    let key = Key::new((0..KEYS).find(|n| ring.is_down(namespace, *n)).unwrap());
    let begun = Instant::now();
    while cache.get(&key).await.unwrap_err().kind() != ErrorKind::Unavailable {
        assert!(begun.elapsed() < Duration::from_secs(10), "the frozen server is never given up");
    }
    work().await;
    ring.down().resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cleared_while_one_was_frozen_does_not_come_back_with_it() {
    let ring = Ring::start();
    let (cache, beside) = (ring.cache("shop"), ring.cache("shopping"));
    fill(&cache, None).await;
    fill(&beside, None).await;
    frozen_meanwhile(&ring, (&cache, "shop"), async || {
        let why = cache.clear().await.unwrap_err();
        assert_eq!(why.kind(), ErrorKind::Unavailable, "{why}");
        let (down, others) = (ring.down().address(), [&ring.servers[0], &ring.servers[2]]);
        assert!(why.message().contains(&down), "{why}");
        assert!(others.iter().all(|other| !why.message().contains(&other.address())), "{why}");
        for n in 0..KEYS {
            let expected = if ring.is_down("shop", n) { Read::Failed } else { Read::Miss };
            assert_eq!(read(&cache, n).await, expected, "{n}");
        }
    })
    .await;
    // From the first answer on: nothing is served that was to be cleared.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        for n in 0..KEYS {
            assert_ne!(read(&cache, n).await, Read::Hit, "{n}");
        }
    }
    ring.recovered(&cache, "shop").await;
    // Another process has not cleared anything, and serves nothing of it either.
    let other = ring.cache("shop");
    for n in 0..KEYS {
        assert_eq!(read(&other, n).await, Read::Miss, "{n}");
    }
    fill(&cache, None).await;
    for n in 0..KEYS {
        assert_eq!(read(&other, n).await, Read::Hit, "{n}");
        assert_eq!(read(&beside, n).await, Read::Hit, "{n}: another namespace was not cleared");
    }
}

/// The caller of a clear goes away before one server has been sent it: the others have cleared, and that one is owed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clear_that_is_given_up_half_way_is_made_up_for() {
    let ring = Ring::start();
    let proxy = Proxy::start(Protocol::Meta, ring.down().port().unwrap());
    let addresses = || [ring.servers[0].address(), proxy.address(), ring.servers[2].address()];
    let cache = cache_of(store_of(addresses()), "shop");
    fill(&cache, None).await;
    proxy.set(Fault::BlackHole);
    timeout(Duration::from_millis(100), cache.clear()).await.unwrap_err();
    // What was on its way is lost, as when a network forgets a connection.
    proxy.reset();
    proxy.heal();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        for n in 0..KEYS {
            assert_ne!(read(&cache, n).await, Read::Hit, "{n}");
        }
    }
    let other = cache_of(store_of(addresses()), "shop");
    for n in 0..KEYS {
        assert_eq!(read(&other, n).await, Read::Miss, "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_was_invalidated_while_one_was_frozen_stays_so_though_nobody_reads() {
    let ring = Ring::start();
    let cache = ring.cache("shop");
    fill(&cache, Some("red")).await;
    cache.at(&Key::new("blue")).tag("blue").set(7).await.unwrap();
    frozen_meanwhile(&ring, (&cache, "shop"), async || {
        cache.invalidate_tag("red").await.unwrap_err();
    })
    .await;
    // The process makes up for it automatically, so that others are served nothing of it.
    let other = ring.cache("shop");
    let begun = Instant::now();
    loop {
        let mut reads = Vec::new();
        for n in 0..KEYS {
            reads.push(read(&other, n).await);
        }
        if reads.iter().all(|read| *read == Read::Miss) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{reads:?}");
    }
    assert_eq!(*other.get(&Key::new("blue")).await.unwrap().unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_on_one_server_each_and_cleared_on_all() {
    let ring = Ring::start();
    let cache = ring.cache("counts");
    for n in 0..KEYS {
        let counted = cache.increment(&Key::new(n), 1, Some(5), Duration::from_mins(1)).await;
        assert_eq!(counted.unwrap(), Some(5));
    }
    ring.down().stop();
    for n in 0..KEYS {
        let counted = cache.increment(&Key::new(n), 1, None, Duration::from_mins(1)).await;
        assert_eq!(counted.is_err(), ring.is_down("counts", n), "{n}: {counted:?}");
    }
    ring.down().restart();
    ring.recovered(&cache, "counts").await;
    cache.clear().await.unwrap();
    for n in 0..KEYS {
        let counted = cache.increment(&Key::new(n), 1, None, Duration::from_mins(1)).await;
        assert_eq!(counted.unwrap(), None, "{n}");
    }
}
