//! Conditions of removing and touching, tokens, counters: what the store does beside reading and writing.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{ANY, KEYS, alive, entry, store, value, weighing};
use larder_core::{
    Backend, Clock, ErrorKind, Key, Ttl,
    backend::{
        Condition, CounterEnds, CounterOptions, DeleteItem, DeleteOptions, SetOptions, TouchItem,
        TouchOptions, Written,
    },
    entry::{Lifetime, Token},
    key::StoreKey,
};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};

const MINUTE: Ttl = Ttl::After(Duration::from_secs(60));
const ALWAYS: SetOptions = SetOptions::new(MINUTE);

fn token(store: &impl Backend, key: &StoreKey<'_>) -> Token {
    store.get_now(key).unwrap().entry().unwrap().token()
}

async fn put(store: &impl Backend, key: &StoreKey<'_>, clock: &Clock, text: &str) -> Token {
    match store.set(key, &entry(clock, text, MINUTE), &ALWAYS).await.unwrap() {
        Written::Yes(token) => token,
        Written::No => unreachable!("without a condition"),
    }
}

#[tokio::test]
async fn removing_and_touching_mean_the_entry_of_the_token() {
    let (store, clock) = store(QuickCacheConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let touch = TouchOptions::new(Lifetime::until(clock.now().plus(Duration::from_secs(90))), MINUTE);

    let first = put(&store, &key, &clock, "first").await;
    assert_eq!(first, token(&store, &key));
    let second = put(&store, &key, &clock, "second").await;
    for stale in [Condition::Unchanged(first), Condition::Absent] {
        assert!(!store.delete(&key, &ANY.when(stale)).await.unwrap(), "{stale:?}");
        assert!(!store.touch(&key, &touch.when(stale)).await.unwrap(), "{stale:?}");
    }
    assert_eq!(value(&store, &key).as_deref(), Some("second"));
    assert!(store.touch(&key, &touch.when(Condition::Unchanged(second))).await.unwrap());
    assert!(store.touch(&key, &touch.when(Condition::Present)).await.unwrap());
    assert_eq!(token(&store, &key), second, "touching changes no token");
    clock.advance(Duration::from_secs(89));
    assert!(store.delete(&key, &ANY.when(Condition::Unchanged(second))).await.unwrap());
    assert!(!alive(&store, &key));
    assert!(!store.delete(&key, &ANY.when(Condition::Unchanged(second))).await.unwrap());

    let third = put(&store, &key, &clock, "third").await;
    clock.advance(Duration::from_secs(60));
    for expired in [Condition::Unchanged(third), Condition::Present] {
        assert!(!store.touch(&key, &touch.when(expired)).await.unwrap(), "{expired:?}");
        assert!(!store.delete(&key, &ANY.when(expired)).await.unwrap(), "{expired:?}");
    }
}

#[tokio::test]
async fn many_are_touched_and_removed_under_their_own_conditions() {
    let (store, clock) = store(QuickCacheConfig::default());
    let keys: Vec<Key> = (0..3).map(|n| Key::new("k").part(n)).collect();
    let keys: Vec<StoreKey<'_>> = keys.iter().map(|key| StoreKey::new(&KEYS, key)).collect();
    let (a, b) = (put(&store, &keys[0], &clock, "a").await, put(&store, &keys[1], &clock, "b").await);
    let touch = TouchOptions::new(Lifetime::until(clock.now().plus(Duration::from_secs(90))), MINUTE);
    let touch = |key: usize, token| TouchItem::new(keys[key], touch.when(Condition::Unchanged(token)));
    let touched = store.touch_many(&[touch(0, a), touch(1, a), touch(2, a), touch(0, b)]).await;
    assert_eq!(touched.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [true, false, false, false]);
    clock.advance(Duration::from_secs(60));
    assert_eq!((alive(&store, &keys[0]), alive(&store, &keys[1])), (true, false));

    let remove = |key: usize, condition| DeleteItem::new(keys[key], DeleteOptions::new().when(condition));
    let removed = store
        .delete_many(&[
            remove(0, Condition::Unchanged(b)),
            remove(0, Condition::Unchanged(a)),
            remove(0, Condition::Always),
            remove(1, Condition::Unchanged(b)),
        ])
        .await;
    assert_eq!(removed.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [false, true, false, false]);
}

/// What another store knew under a token of its own is known here by its revision.
#[tokio::test]
async fn another_stores_token_is_not_taken_over() {
    let (store, clock) = store(QuickCacheConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let copied = entry(&clock, "copied", MINUTE).with_token(Token(7));
    let written = store.set(&key, &copied, &ALWAYS).await.unwrap();
    let found = token(&store, &key);
    assert_eq!(written, Written::Yes(found));
    assert_ne!(found, Token(7));
    assert!(!store.delete(&key, &ANY.when(Condition::Unchanged(Token(7)))).await.unwrap());
    assert!(store.delete(&key, &ANY.when(Condition::Unchanged(found))).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_removal_under_a_condition_never_takes_what_came_after() {
    let (store, clock) = store(QuickCacheConfig::default());
    let store = Arc::new(store);
    let writers = (0..4).map(|n| {
        let (store, clock) = (store.clone(), clock.clone());
        tokio::spawn(async move {
            let key = Key::new("k");
            let key = StoreKey::new(&KEYS, &key);
            for round in 0..2000 {
                let mine = put(&*store, &key, &clock, &format!("{n} {round}")).await;
                let removed = store.delete(&key, &ANY.when(Condition::Unchanged(mine))).await.unwrap();
                // Whoever's entry was removed by this token, it was this one: others' removals leave it.
                let again = store.delete(&key, &ANY.when(Condition::Unchanged(mine))).await.unwrap();
                assert!(!(removed && again));
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_value_too_heavy_to_count_is_too_large() {
    for max in [1 << 20, 1 << 40] {
        let (store, clock) = store(QuickCacheConfig::bytes(max));
        let key = Key::new("k");
        let key = StoreKey::new(&KEYS, &key);
        put(&store, &key, &clock, "old").await;
        for weight in [u64::MAX, u64::MAX - 1, u64::MAX - 300] {
            let error = store.set(&key, &weighing(&clock, weight, MINUTE), &ALWAYS).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(!alive(&store, &key));
        }
    }
}

#[tokio::test]
async fn a_counter_counts_and_is_no_entry() {
    let (store, clock) = store(QuickCacheConfig::default());
    let counters = store.counters().unwrap();
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let options = CounterOptions::new(MINUTE);
    let from = |initial| options.with_initial(Some(initial));
    assert_eq!(counters.increment(&key, 1, &options).await.unwrap(), None);
    assert_eq!(counters.increment(&key, 1, &from(10)).await.unwrap(), Some(10));
    assert_eq!(counters.increment(&key, 5, &from(10)).await.unwrap(), Some(15));
    assert_eq!(counters.increment(&key, -3, &options).await.unwrap(), Some(12));

    assert!(!alive(&store, &key), "a counter is no entry");
    assert!(!store.delete(&key, &ANY).await.unwrap());
    put(&store, &key, &clock, "entry").await;
    assert_eq!(counters.increment(&key, 0, &options).await.unwrap(), Some(12));
    assert_eq!(value(&store, &key).as_deref(), Some("entry"));

    assert_eq!(store.capabilities().counter_ends, CounterEnds::Stop);
    assert_eq!(counters.increment(&key, i64::MIN, &options).await.unwrap(), Some(0));
    assert_eq!(counters.increment(&key, i64::MAX, &options).await.unwrap(), Some(i64::MAX as u64));
    assert_eq!(counters.increment(&key, i64::MAX, &options).await.unwrap(), Some(u64::MAX - 1));
    assert_eq!(counters.increment(&key, 2, &options).await.unwrap(), Some(u64::MAX));

    store.close().await.unwrap();
    let error = store.counters().unwrap().increment(&key, 1, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_counter_keeps_the_ttl_it_was_made_with() {
    let (store, clock) = store(QuickCacheConfig::default());
    let counters = store.counters().unwrap();
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let options = |ttl| CounterOptions::new(ttl).with_initial(Some(1));
    assert_eq!(counters.increment(&key, 1, &options(MINUTE)).await.unwrap(), Some(1));
    clock.advance(Duration::from_secs(59));
    assert_eq!(counters.increment(&key, 1, &options(Ttl::Never)).await.unwrap(), Some(2));
    clock.advance(Duration::from_secs(1));
    assert_eq!(counters.increment(&key, 1, &CounterOptions::new(MINUTE)).await.unwrap(), None);
    assert_eq!(counters.increment(&key, 1, &options(Duration::ZERO.into())).await.unwrap(), Some(1));
    assert_eq!(counters.increment(&key, 1, &options(Ttl::Never)).await.unwrap(), Some(1), "it was not kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_increments_lose_nothing() {
    let (store, _) = store(QuickCacheConfig::default());
    let store = Arc::new(store);
    let options = CounterOptions::new(MINUTE).with_initial(Some(0));
    let tasks = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let key = Key::new("k");
            for _ in 0..2000 {
                store.counters().unwrap().increment(&StoreKey::new(&KEYS, &key), 3, &options).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let key = Key::new("k");
    let count = store.counters().unwrap().increment(&StoreKey::new(&KEYS, &key), 0, &options).await;
    // One of them made it, with 0.
    assert_eq!(count.unwrap(), Some(3 * (8 * 2000 - 1)));
}

#[tokio::test]
async fn counters_are_within_the_bound_and_freed_when_they_are_over() {
    let (store, clock) = store(QuickCacheConfig::entries(100));
    let options = CounterOptions::new(MINUTE).with_initial(Some(1));
    for n in 0..1000 {
        let key = Key::new("k").part(n);
        store.counters().unwrap().increment(&StoreKey::new(&KEYS, &key), 1, &options).await.unwrap();
    }
    assert!((1..=100).contains(&store.entries()), "{}", store.entries());
    clock.advance(Duration::from_secs(60));
    let begun = Instant::now();
    while store.entries() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} are left", store.entries());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let tiny = QuickCacheBackend::new(QuickCacheConfig::bytes(64), Clock::system()).unwrap();
    let key = Key::new("k");
    let error =
        tiny.counters().unwrap().increment(&StoreKey::new(&KEYS, &key), 1, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}
