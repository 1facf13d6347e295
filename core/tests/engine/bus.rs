//! What a chain and its caches make of a store that tells what happens in it: the store of these tests tells when it is told to.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use crate::common::{
    self, Act, Gate, HOUR, Keys, Local, MS, READS, Remote, SECOND, answer, asked, builder, later, plain,
    said, settled, there,
};
use async_trait::async_trait;
use larder_core::{
    Backend, Cache, Chain, Clock, Entry, ErrorKind, Key, Result,
    backend::{
        Bus, DeleteItem, DeleteOptions, Ear, Forward, Notice, NullBackend, SILENCE, SetItem, SetOptions,
        TouchItem, TouchOptions, Written,
    },
    key::{Digest, Namespace, StoreKey},
    layer::Deadline,
};
use tokio::time::Instant;

/// How long copies are served without a sign of life here.
const PATIENCE: Duration = SECOND;
/// How long the versions of what is not followed are remembered.
const LAG: Duration = Duration::from_millis(100);

/// A layer that hears of every change, and tells of it at once or when asked.
#[derive(Debug)]
struct Telling {
    inner: Arc<Remote>,
    ears: Mutex<Vec<(Namespace, Weak<dyn Ear>)>>,
    /// What was not told yet; `None`: everything is told at once.
    held: Mutex<Option<Vec<String>>>,
}

impl Telling {
    fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self { inner: Remote::new(clock), ears: Mutex::default(), held: Mutex::default() })
    }

    fn changed(&self, key: &StoreKey<'_>) {
        let text = key.to_string();
        match &mut *self.held.lock().unwrap() {
            Some(held) => held.push(text),
            None => self.tell(Notice::Changed(&text)),
        }
    }

    fn tell(&self, notice: Notice<'_>) {
        let ears: Vec<_> = self.ears.lock().unwrap().clone();
        for (namespace, ear) in ears {
            let is_meant = match notice {
                Notice::Changed(text) => {
                    let path = namespace.text().split('@').next().unwrap();
                    let above = path.split('/').next().unwrap();
                    [format!("{}:", namespace.text()), format!("{path}!v:"), format!("{above}!v:")]
                        .iter()
                        .any(|prefix| text.starts_with(prefix))
                }
                _ => true,
            };
            if let (true, Some(ear)) = (is_meant, ear.upgrade()) {
                ear.hear(notice);
            }
        }
    }

    /// A sign of life.
    fn alive(&self) {
        self.tell(Notice::Alive(Instant::now()));
    }

    /// The channel is there, after it was not.
    fn opened(&self) {
        self.tell(Notice::Gap);
        self.alive();
    }

    /// Time passes, and the channel lives.
    async fn lives(&self, clock: &Clock, by: Duration) {
        let step = SILENCE / 2;
        let mut left = by;
        while !left.is_zero() {
            let now = step.min(left);
            later(clock, now).await;
            self.alive();
            left -= now;
        }
    }

    fn hold(&self) {
        *self.held.lock().unwrap() = Some(Vec::new());
    }

    fn let_go(&self) {
        for text in self.held.lock().unwrap().take().unwrap() {
            self.tell(Notice::Changed(&text));
        }
    }

    fn ears(&self) -> usize {
        self.ears.lock().unwrap().iter().filter(|(_, ear)| ear.strong_count() > 0).count()
    }
}

#[async_trait]
impl Forward for Telling {
    type Inner = Remote;

    fn inner(&self) -> &Remote {
        &self.inner
    }

    fn bus(&self) -> Option<&dyn Bus> {
        Some(self)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let written = (*self.inner).set(key, entry, options).await;
        self.changed(key);
        written
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let written = (*self.inner).set_many(items).await;
        items.iter().for_each(|item| self.changed(&item.key));
        written
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let touched = (*self.inner).touch(key, options).await;
        self.changed(key);
        touched
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let touched = (*self.inner).touch_many(items).await;
        items.iter().for_each(|item| self.changed(&item.key));
        touched
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let removed = (*self.inner).delete(key, options).await;
        self.changed(key);
        removed
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let removed = (*self.inner).delete_many(items).await;
        items.iter().for_each(|item| self.changed(&item.key));
        removed
    }
}

impl Bus for Telling {
    fn listen(&self, namespace: &Namespace, ear: Weak<dyn Ear>) {
        self.ears.lock().unwrap().push((namespace.clone(), ear));
    }
}

/// A process whose near tier listens.
fn process(store: &Arc<Telling>, clock: &Clock) -> Cache<u64> {
    let chain = Chain::new(Arc::clone(store), clock).near(Local::new(clock)).unwrap();
    builder(chain.ttl_without_bus(PATIENCE), clock, plain()).invalidation_lag(LAG).build().unwrap()
}

/// One without near tiers, which tells all the same.
fn other(store: &Arc<Telling>, clock: &Clock) -> Cache<u64> {
    common::cache(Arc::clone(store), clock, plain())
}

/// A store with this entry, a process that has read it near while the channel lives, and another process.
async fn read_once() -> (Clock, Arc<Telling>, Cache<u64>, Cache<u64>, Key) {
    let clock = Clock::manual();
    let store = Telling::new(&clock);
    let (near, outside, key) = (process(&store, &clock), other(&store, &clock), Key::new("k"));
    store.opened();
    outside.at(&key).tag("t").ttl(HOUR).set(1).await.unwrap();
    // The first read asks for versions, the second for what was heard to have changed meanwhile.
    for _ in 0..3 {
        assert_eq!(there(&near, &key).await, Some(1));
    }
    (clock, store, near, outside, key)
}

/// The round trips of these reads, which give this.
async fn round_trips(store: &Telling, near: &Cache<u64>, key: &Key, expected: Option<u64>) -> usize {
    let before = store.inner.round_trips();
    assert_eq!(there(near, key).await, expected);
    store.inner.round_trips() - before
}

#[tokio::test(start_paused = true)]
async fn while_the_bus_is_alive_a_near_hit_asks_nobody_for_as_long_as_the_entry_lives() {
    let (clock, store, near, _, key) = read_once().await;
    for _ in 0..20 {
        store.lives(&clock, 2 * SECOND).await;
        assert_eq!(round_trips(&store, &near, &key, Some(1)).await, 0);
        assert_eq!(said(near.get_or_load(&key, answer(2)).await), Ok(1));
    }
    store.lives(&clock, HOUR).await;
    assert_eq!(there(&near, &key).await, None, "it is no new life");
}

#[tokio::test(start_paused = true)]
async fn what_others_change_is_seen_with_the_notice() {
    let (_clock, store, near, outside, key) = read_once().await;
    for change in 0..6 {
        let expected = match change {
            0 => {
                outside.set(&key, 2).await.unwrap();
                Some(2)
            }
            1 => {
                outside.delete(&key).await.unwrap();
                None
            }
            2 => {
                outside.at(&key).tag("t").set(3).await.unwrap();
                assert_eq!(there(&near, &key).await, Some(3));
                outside.invalidate_tag("t").await.unwrap();
                None
            }
            3 => {
                outside.at(&key).tag("t").set(4).await.unwrap();
                assert_eq!(there(&near, &key).await, Some(4));
                outside.clear().await.unwrap();
                None
            }
            4 => {
                outside.set(&key, 5).await.unwrap();
                assert_eq!(there(&near, &key).await, Some(5));
                // Another program, or the server itself.
                store.inner.evict(Keys::With("s:k"));
                store.tell(Notice::Changed("s:k"));
                None
            }
            _ => {
                outside.get_or_load(&key, answer(6)).await.unwrap();
                Some(6)
            }
        };
        assert_eq!(there(&near, &key).await, expected, "{change}");
        assert_eq!(there(&near, &key).await, expected, "{change}");
    }
}

/// A version that is read before the notice of its change is not remembered for longer than without a bus.
#[tokio::test(start_paused = true)]
async fn an_answer_that_a_notice_has_overtaken_is_not_followed() {
    let clock = Clock::manual();
    let store = Telling::new(&clock);
    let (near, outside, key) = (process(&store, &clock), other(&store, &clock), Key::new("k"));
    store.opened();
    outside.at(&key).tag("t").ttl(HOUR).set(1).await.unwrap();
    let gate = Gate::new();
    store.inner.on(READS, Keys::With("s!v:"), Act::HoldAnswer(gate.clone()));
    let reading = asked(&near, &key, answer(9));
    gate.reached_by(1).await;
    store.inner.heal();
    outside.invalidate_tag("t").await.unwrap();
    gate.open();
    reading.await.unwrap().unwrap();
    settled().await;
    // What the answer said is believed for the lag, and no longer.
    store.lives(&clock, SECOND).await;
    assert_ne!(there(&near, &key).await, Some(1));
}

/// Nor does one bring back what this process has invalidated, when the notice of that has come in between.
#[tokio::test(start_paused = true)]
async fn an_answer_from_before_ones_own_invalidation_is_not_believed_after_its_notice() {
    for by_tag in [false, true] {
        let (clock, store, near, _outside, key) = read_once().await;
        // Somebody else's change has this process ask again.
        store.tell(Notice::Changed("s!v:generation"));
        store.tell(Notice::Changed("s!v:tag:t"));
        let hold = |gate: &Gate| {
            store.inner.heal();
            store.inner.on(READS, Keys::With("s!v:"), Act::HoldAnswer(gate.clone()));
        };
        let (first, second) = (Gate::new(), Gate::new());
        hold(&first);
        let read = || {
            let (near, key) = (near.clone(), key.clone());
            tokio::spawn(async move { there(&near, &key).await })
        };
        let reading = read();
        first.reached_by(1).await;
        // Whatever is asked from here on is answered later.
        hold(&second);
        later(&clock, MS).await;
        store.hold();
        if by_tag {
            near.invalidate_tag("t").await.unwrap();
        } else {
            near.clear().await.unwrap();
        }
        store.let_go();
        first.open();
        settled().await;
        let again = read();
        settled().await;
        second.open();
        assert_eq!(again.await.unwrap(), None, "{by_tag}");
        drop(reading);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_notice_is_no_copy() {
    let (_clock, store, near, outside, key) = read_once().await;
    near.delete(&key).await.unwrap();
    outside.set(&key, 1).await.unwrap();
    let gate = Gate::new();
    store.inner.on(READS, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
    let reading = asked(&near, &key, answer(9));
    gate.reached_by(1).await;
    store.inner.heal();
    outside.set(&key, 2).await.unwrap();
    gate.open();
    assert_eq!(said(reading.await.unwrap()), Ok(1), "it began before");
    assert_eq!(there(&near, &key).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_nothing_from_before_is_near() {
    let (clock, store, near, outside, key) = read_once().await;
    store.hold();
    outside.set(&key, 2).await.unwrap();
    assert_eq!(there(&near, &key).await, Some(1), "it has not heard");
    store.held.lock().unwrap().take();
    store.opened();
    assert_eq!(there(&near, &key).await, Some(2));
    // What was asked for before the gap is no copy after it.
    near.delete(&key).await.unwrap();
    outside.set(&key, 3).await.unwrap();
    let gate = Gate::new();
    store.inner.on(READS, Keys::With("s:k"), Act::HoldAnswer(gate.clone()));
    let reading = asked(&near, &key, answer(9));
    gate.reached_by(1).await;
    store.inner.heal();
    store.opened();
    gate.open();
    reading.await.unwrap().unwrap();
    assert_ne!(round_trips(&store, &near, &key, Some(3)).await, 0);
    assert_eq!(round_trips(&store, &near, &key, Some(3)).await, 0);
    // Nor is a version.
    store.hold();
    outside.clear().await.unwrap();
    store.held.lock().unwrap().take();
    store.opened();
    later(&clock, 100 * MS).await;
    store.alive();
    later(&clock, MS).await;
    assert_eq!(there(&near, &key).await, None);
}

/// A copy was right at the last sign of life, and is served for as long after it as a copy without a bus: where the store
/// answers, as long as the versions of its tags and namespace are known, and where it fails, to the end.
#[tokio::test(start_paused = true)]
async fn while_the_bus_is_silent_copies_live_as_without_one() {
    for fails in [false, true] {
        let (clock, store, near, outside, key) = read_once().await;
        store.hold();
        store.alive();
        outside.set(&key, 2).await.unwrap();
        later(&clock, SILENCE.saturating_sub(MS)).await;
        assert_eq!(round_trips(&store, &near, &key, Some(1)).await, 0);
        if fails {
            store.inner.on_all(&Act::Fail(ErrorKind::Unavailable));
            later(&clock, MS).await;
            // One call finds out.
            near.get(&key).await.unwrap_err();
            later(&clock, PATIENCE.saturating_sub(SILENCE + MS)).await;
            assert_eq!(there(&near, &key).await, Some(1));
            later(&clock, MS).await;
            near.get(&key).await.unwrap_err();
            store.inner.heal();
        } else {
            later(&clock, MS).await;
        }
        // Who asks for a version asks for the value as well.
        assert_eq!(there(&near, &key).await, Some(2), "{fails}");
        // What is copied now lives for a short time.
        outside.set(&key, 3).await.unwrap();
        assert_eq!(there(&near, &key).await, Some(2));
        later(&clock, PATIENCE).await;
        assert_eq!(there(&near, &key).await, Some(3));
        // The channel was there all the time, and what waited in it is heard.
        store.let_go();
        store.alive();
        assert_eq!(there(&near, &key).await, Some(3));
        store.lives(&clock, SECOND).await;
        assert_eq!(there(&near, &key).await, Some(3));
        store.lives(&clock, 5 * SECOND).await;
        assert_eq!(round_trips(&store, &near, &key, Some(3)).await, 0);
    }
}

/// A process that was stopped finds notices that wait, and the answer to a question from before.
#[tokio::test(start_paused = true)]
async fn a_notice_is_no_sign_of_life() {
    let (clock, store, near, outside, key) = read_once().await;
    store.hold();
    let asked = Instant::now();
    store.alive();
    outside.set(&key, 2).await.unwrap();
    later(&clock, 10 * SECOND).await;
    store.tell(Notice::Changed("s:another"));
    store.tell(Notice::Alive(asked));
    assert_eq!(there(&near, &key).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_process_sees_its_own_changes_whatever_it_hears() {
    let (clock, store, near, _, key) = read_once().await;
    for (value, is_silent) in [(2, false), (3, true), (4, false)] {
        if is_silent {
            later(&clock, SILENCE).await;
        } else {
            store.alive();
        }
        near.set(&key, value).await.unwrap();
        assert_eq!(there(&near, &key).await, Some(value));
        near.delete(&key).await.unwrap();
        assert_eq!(there(&near, &key).await, None);
        near.set(&key, value).await.unwrap();
        assert_eq!(there(&near, &key).await, Some(value));
    }
}

/// What one cache of a chain listens to is not heard for another one.
#[tokio::test(start_paused = true)]
async fn a_cache_that_comes_later_trusts_nothing_before_it_is_heard() {
    let clock = Clock::manual();
    let store = Telling::new(&clock);
    let near = Local::new(&clock);
    let chain =
        Arc::new(Chain::new(Arc::clone(&store), &clock).near(near).unwrap().ttl_without_bus(PATIENCE));
    let cache = |namespace: &str| {
        let builder = Cache::builder(Arc::clone(&chain)).namespace(namespace).policy(plain());
        builder.clock(clock.clone()).invalidation_lag(LAG).build().unwrap()
    };
    let first: Cache<u64> = cache("first");
    store.opened();
    let second: Cache<u64> = cache("second");
    let key = Key::new("k");
    second.set(&key, 1).await.unwrap();
    // Only the first is told that the channel lives.
    let first_ear = store.ears.lock().unwrap()[0].1.upgrade().unwrap();
    for _ in 0..4 {
        later(&clock, PATIENCE / 4).await;
        first_ear.hear(Notice::Alive(Instant::now()));
    }
    assert_ne!(round_trips(&store, &second, &key, Some(1)).await, 0);
    store.opened();
    store.lives(&clock, 2 * LAG).await;
    assert_eq!(there(&second, &key).await, Some(1));
    assert_eq!(there(&second, &key).await, Some(1));
    store.lives(&clock, 5 * SECOND).await;
    assert_eq!(round_trips(&store, &second, &key, Some(1)).await, 0);
    assert_eq!(store.ears(), 2);
    drop((first, first_ear));
    store.alive();
    assert_eq!(store.ears(), 1, "who is gone listens no longer");
    assert_eq!(round_trips(&store, &second, &key, Some(1)).await, 0);
}

/// Its text does not say which of the keys it is, and is all that is heard.
#[tokio::test(start_paused = true)]
async fn a_key_of_an_ambiguous_text_is_heard_as_well() {
    let (_clock, store, near, outside, _) = read_once().await;
    for key in [Key::new("k".repeat(500)).digest(Digest::Sha1), Key::new("k".repeat(500))] {
        outside.set(&key, 1).await.unwrap();
        assert_eq!(there(&near, &key).await, Some(1));
        outside.set(&key, 2).await.unwrap();
        assert_eq!(there(&near, &key).await, Some(2));
    }
    drop(store);
}

/// Zero is strict, as without a bus.
#[tokio::test(start_paused = true)]
async fn who_allows_no_lag_asks_for_versions_all_the_same() {
    let clock = Clock::manual();
    let store = Telling::new(&clock);
    let chain = Chain::new(Arc::clone(&store), &clock).near(Local::new(&clock)).unwrap();
    let near: Cache<u64> = builder(chain, &clock, plain()).invalidation_lag(Duration::ZERO).build().unwrap();
    let key = Key::new("k");
    store.opened();
    near.set(&key, 1).await.unwrap();
    for _ in 0..3 {
        later(&clock, MS).await;
        store.alive();
        assert_ne!(round_trips(&store, &near, &key, Some(1)).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_shall_not_listen_does_not() {
    let clock = Clock::manual();
    let store = Telling::new(&clock);
    let chain = Chain::new(Arc::clone(&store), &clock).near(Local::new(&clock)).unwrap().without_bus();
    let near: Cache<u64> = builder(chain, &clock, plain()).invalidation_lag(LAG).build().unwrap();
    let (outside, key) = (other(&store, &clock), Key::new("k"));
    assert_eq!(store.ears(), 0);
    outside.set(&key, 1).await.unwrap();
    assert_eq!(there(&near, &key).await, Some(1));
    outside.set(&key, 2).await.unwrap();
    assert_eq!(there(&near, &key).await, Some(1));
    later(&clock, SECOND).await;
    assert_eq!(there(&near, &key).await, Some(2));
}

#[tokio::test]
async fn who_has_no_near_tiers_does_not_listen_and_layers_hand_the_ability_on() {
    let clock = Clock::manual();
    let store = Telling::new(&clock);
    let _cache = other(&store, &clock);
    let _chain: Cache<u64> =
        builder(Chain::new(Arc::clone(&store), &clock), &clock, plain()).build().unwrap();
    assert_eq!(store.ears(), 0);
    let layered = Deadline::new(Arc::clone(&store), "store", SECOND);
    assert!(Backend::bus(&layered).is_some());
    assert!(Backend::bus(&NullBackend::new()).is_none());
    assert!(Backend::bus(&Deadline::new(NullBackend::new(), "null", SECOND)).is_none());
}
