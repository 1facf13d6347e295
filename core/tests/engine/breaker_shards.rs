//! A store of several servers of which one fails: its own breaker opens, and the others' stay as they are.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::common::{self, MS, Remote, SECOND, cache, later, plain, there};
use async_trait::async_trait;
use larder_core::{
    Backend, Cache, Clock, Entry, Error, ErrorKind, Key, Result, Ttl,
    backend::{
        CircuitState, DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem, SetOptions, Shards,
        TouchItem, TouchOptions, Written,
    },
    clock::Timestamp,
    entry::{Body, Lifetime, Meta},
    error::{Operation, Origin},
    key::{Namespace, StoreKey},
    layer::{Breaker, BreakerSettings, Deadline},
};
use tokio::time::Instant;

const SERVERS: u16 = 3;
const NONE: u16 = u16::MAX;
/// So many failures open a breaker.
const MANY: usize = 4;
const DEADLINE: Duration = Duration::from_millis(50);
const FOREVER: SetOptions = SetOptions::new(Ttl::Never);

/// Three servers. One may fail, or hang; in bulk it is then given up a little before its caller gives up.
#[derive(Debug)]
struct Ring {
    inner: Arc<Remote>,
    down: AtomicU16,
    hanging: AtomicU16,
    /// Keys that reached a server.
    asked: AtomicUsize,
    /// Values that a bulk write has brought unencoded.
    unencoded: AtomicUsize,
}

impl Ring {
    fn new(clock: &Clock) -> Arc<Self> {
        let (down, hanging) = (NONE.into(), NONE.into());
        Arc::new(Self { inner: Remote::new(clock), down, hanging, asked: 0.into(), unencoded: 0.into() })
    }

    fn remote(&self) -> &Remote {
        &self.inner
    }

    /// Of these keys, those that are answered with an error.
    async fn failing(&self, keys: &[StoreKey<'_>], until: Option<Instant>) -> Vec<bool> {
        self.asked.fetch_add(keys.len(), SeqCst);
        let (down, hanging) = (self.down.load(SeqCst), self.hanging.load(SeqCst));
        let is = |server| keys.iter().map(move |key| self.of(key) == server);
        if is(hanging).any(|is| is) {
            match until {
                Some(until) if !is(hanging).all(|is| is) => tokio::time::sleep_until(until - 3 * MS).await,
                _ => std::future::pending().await,
            }
        }
        is(down).zip(is(hanging)).map(|(down, hanging)| down || hanging).collect()
    }

    async fn each<T>(
        &self,
        (operation, until): (Operation, Option<Instant>),
        keys: &[StoreKey<'_>],
        answers: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        let failing = self.failing(keys, until).await;
        let answers = answers.await.into_iter().zip(failing);
        let kind =
            if self.hanging.load(SeqCst) == NONE { ErrorKind::Unavailable } else { ErrorKind::Timeout };
        answers
            .map(|(answer, fails)| if fails { Err(Error::new(kind, operation, "down")) } else { answer })
            .collect()
    }
}

impl Shards for Ring {
    fn count(&self) -> u16 {
        SERVERS
    }

    fn of(&self, key: &StoreKey<'_>) -> u16 {
        let text = key.to_string();
        let sum: u32 = text.bytes().map(u32::from).sum();
        key.shard().unwrap_or(u16::try_from(sum % u32::from(SERVERS)).unwrap())
    }

    fn name(&self, shard: u16) -> String {
        format!("server-{shard}")
    }
}

fn keys_of<'a, I>(items: &'a [I], key: impl Fn(&'a I) -> StoreKey<'a>) -> Vec<StoreKey<'a>> {
    items.iter().map(key).collect()
}

#[async_trait]
impl Forward for Ring {
    type Inner = Remote;

    fn inner(&self) -> &Remote {
        &self.inner
    }

    fn shards(&self) -> Option<&dyn Shards> {
        Some(self)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        let answer = async { vec![self.remote().get(key, options).await] };
        self.each((Operation::Get, options.until), &[*key], answer).await.remove(0)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let answer = async { vec![self.remote().set(key, entry, options).await] };
        self.each((Operation::Set, options.until), &[*key], answer).await.remove(0)
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let answer = async { vec![self.remote().touch(key, options).await] };
        self.each((Operation::Touch, options.until), &[*key], answer).await.remove(0)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let answer = async { vec![self.remote().delete(key, options).await] };
        self.each((Operation::Delete, options.until), &[*key], answer).await.remove(0)
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        self.each((Operation::Get, options.until), keys, self.remote().get_many(keys, options)).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let unencoded = items.iter().filter(|item| item.entry.encoded().is_none()).count();
        self.unencoded.fetch_add(unencoded, SeqCst);
        let keys = keys_of(items, |item| item.key);
        let until = items.iter().filter_map(|item| item.options.until).min();
        self.each((Operation::Set, until), &keys, self.remote().set_many(items)).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let keys = keys_of(items, |item| item.key);
        let until = items.iter().filter_map(|item| item.options.until).min();
        self.each((Operation::Touch, until), &keys, self.remote().touch_many(items)).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let keys = keys_of(items, |item| item.key);
        let until = items.iter().filter_map(|item| item.options.until).min();
        self.each((Operation::Delete, until), &keys, self.remote().delete_many(items)).await
    }
}

fn settings() -> BreakerSettings {
    BreakerSettings::new().with_window(8)
}

/// With the deadline in the breaker, and in a layer of its own.
fn both(ring: &Arc<Ring>, clock: &Clock, settings: BreakerSettings) -> [Arc<dyn Backend>; 2] {
    let one = Breaker::new(ring.clone(), "ring", settings, clock).unwrap().with_deadline(DEADLINE).unwrap();
    let two = Breaker::new(Deadline::new(ring.clone(), "ring", DEADLINE), "ring", settings, clock).unwrap();
    [Arc::new(one), Arc::new(two)]
}

fn states(store: &dyn Backend) -> Vec<CircuitState> {
    store.circuits().iter().map(|circuit| circuit.state).collect()
}

const ONE_OPEN: [CircuitState; 3] = [CircuitState::Closed, CircuitState::Open, CircuitState::Closed];
const ALL_CLOSED: [CircuitState; 3] = [CircuitState::Closed; 3];

fn entry() -> Entry {
    let lifetime = Lifetime::until(Timestamp::NEVER);
    Entry::from_body(Body::raw("v".into(), 0), Meta::new(Timestamp::from_millis(1), lifetime))
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_server_that_is_down_are_refused_alone_and_in_bulk() {
    let clock = Clock::manual();
    let (space, keys) = (Namespace::new("s", 0).unwrap(), common::keys("k", 30));
    let keys: Vec<StoreKey<'_>> = keys.iter().map(|key| StoreKey::new(&space, key)).collect();
    let (read, delete) = (GetOptions::new(), DeleteOptions::new());
    let ring = Ring::new(&clock);
    for store in both(&ring, &clock, settings()) {
        let store: &dyn Backend = &*store;
        ring.down.store(1, SeqCst);
        for _ in 0..MANY {
            assert_eq!(states(store), ALL_CLOSED);
            for (key, one) in keys.iter().zip(store.get_many(&keys, &read).await) {
                assert_eq!(one.is_err(), ring.of(key) == 1);
            }
        }
        assert_eq!(states(store), ONE_OPEN);
        let others = keys.iter().filter(|key| ring.of(key) != 1).count();
        let is_refused = |key: &StoreKey<'_>, failed: Option<&Error>| {
            assert_eq!(failed.is_some(), ring.of(key) == 1);
            if let Some(error) = failed {
                assert_eq!((error.origin(), error.store()), (Origin::Here, Some("ring")));
                assert!(error.message().starts_with("not sent: the breaker of server-1 opened"), "{error}");
            }
        };
        let before = ring.asked.load(SeqCst);
        for (key, one) in keys.iter().zip(store.get_many(&keys, &read).await) {
            is_refused(key, one.err().as_ref());
            is_refused(key, store.get(key, &read).await.err().as_ref());
        }
        let items: Vec<_> = keys.iter().map(|key| SetItem::new(*key, entry(), FOREVER)).collect();
        for (key, one) in keys.iter().zip(store.set_many(&items).await) {
            is_refused(key, one.err().as_ref());
        }
        let touch = TouchOptions::new(Lifetime::until(Timestamp::NEVER), Ttl::Never);
        let items: Vec<_> = keys.iter().map(|key| TouchItem::new(*key, touch)).collect();
        for (key, one) in keys.iter().zip(store.touch_many(&items).await) {
            // In the order of the keys, whatever was left out.
            assert!(ring.of(key) == 1 || *one.as_ref().unwrap());
            is_refused(key, one.err().as_ref());
        }
        let items: Vec<_> = keys.iter().map(|key| DeleteItem::new(*key, delete)).collect();
        for (key, one) in keys.iter().zip(store.delete_many(&items).await) {
            assert!(ring.of(key) == 1 || *one.as_ref().unwrap());
            is_refused(key, one.err().as_ref());
        }
        assert_eq!(ring.asked.load(SeqCst) - before, 5 * others);
        // Its own probe: a call for all of them closes it.
        ring.down.store(NONE, SeqCst);
        clock.advance(SECOND);
        assert!(store.get_many(&keys, &read).await.iter().all(Result::is_ok));
        assert_eq!(states(store), ALL_CLOSED);
    }
}

/// Whether or not the caller says until when it waits.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_opens_its_own_breaker_in_bulk_as_well() {
    let clock = Clock::manual();
    let (space, keys) = (Namespace::new("s", 0).unwrap(), common::keys("k", 30));
    let keys: Vec<StoreKey<'_>> = keys.iter().map(|key| StoreKey::new(&space, key)).collect();
    let ring = Ring::new(&clock);
    for is_said in [false, true] {
        for store in both(&ring, &clock, settings().with_slow(Some(20 * MS))) {
            let store: &dyn Backend = &*store;
            ring.hanging.store(1, SeqCst);
            for _ in 0..MANY {
                let until = is_said.then(|| Instant::now() + DEADLINE);
                let options = GetOptions::new().with_until(until);
                for (key, one) in keys.iter().zip(store.get_many(&keys, &options).await) {
                    assert_eq!(one.is_err(), ring.of(key) == 1);
                }
                // Nobody knows which was slow.
                let items: Vec<_> = keys
                    .iter()
                    .filter(|key| ring.of(key) != 1 || states(store) == ALL_CLOSED)
                    .map(|key| DeleteItem::new(*key, DeleteOptions::new().with_until(until)))
                    .collect();
                store.delete_many(&items).await;
            }
            assert_eq!(states(store), ONE_OPEN);
            ring.hanging.store(NONE, SeqCst);
        }
    }
}

/// Versions of tags are on each server: an invalidation names the one that was not reached, and holds for the others.
#[tokio::test(start_paused = true)]
async fn an_invalidation_is_refused_by_one_server_and_made_up_for() {
    let clock = Clock::manual();
    let ring = Ring::new(&clock);
    let [store, _] = both(&ring, &clock, settings());
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let keys = common::keys("k", 30);
    for key in &keys {
        cache.at(key).tag("t").set(1).await.unwrap();
    }
    ring.down.store(1, SeqCst);
    let space = Namespace::new(common::NAMESPACE, 0).unwrap();
    let is_down = |key: &Key| ring.of(&StoreKey::new(&space, key)) == 1;
    let down = keys.iter().find(|key| is_down(key)).unwrap();
    while states(&*store) == ALL_CLOSED {
        cache.get(down).await.unwrap_err();
    }
    let error = cache.invalidate_tag("t").await.unwrap_err();
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Unavailable, Origin::Here));
    assert!(error.message().starts_with("1 of 3 servers were not reached"), "{error}");
    for key in &keys {
        if is_down(key) {
            cache.get(key).await.unwrap_err();
        } else {
            assert_eq!(there(&cache, key).await, None);
        }
    }
    ring.down.store(NONE, SeqCst);
    later(&clock, 2 * SECOND).await;
    for key in &keys {
        assert_eq!(there(&cache, key).await, None);
    }
    assert_eq!(states(&*store), ALL_CLOSED);
}

/// Encoding is the caller's time and no server's, for those that are asked as well as for one that is tried.
#[tokio::test(start_paused = true)]
async fn a_bulk_write_is_encoded_before_time_is_taken_whatever_else_is_open() {
    let clock = Clock::manual();
    let ring = Ring::new(&clock);
    let [store, _] = both(&ring, &clock, settings());
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let keys = common::keys("k", 30);
    ring.down.store(1, SeqCst);
    while states(&*store) == ALL_CLOSED {
        let _ = cache.get_many(&keys).await.unwrap();
    }
    for _ in 0..2 {
        let written = cache.set_many(keys.iter().map(|key| (key.clone(), 1))).await.unwrap();
        assert!(written.iter().any(Result::is_ok));
        assert_eq!(ring.unencoded.load(SeqCst), 0);
        ring.down.store(NONE, SeqCst);
        clock.advance(SECOND);
    }
    assert!(cache.get_many(&keys).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(states(&*store), ALL_CLOSED);
}
