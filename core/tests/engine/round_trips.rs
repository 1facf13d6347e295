//! How often a store is asked: the number of round trips does not grow with keys, tags or readers.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{collections::HashSet, convert::Infallible, time::Duration};

use crate::common::{
    self, Act, Count, Gate, HOUR, Keys, MINUTE, MS, Op, READS, Remote, SECOND, answer, asked, builder, cache,
    gated, keys, plain, said, settled, soon,
};
use larder_core::{
    Cache, Clock, ErrorKind, Key, Ttl,
    cache::{Loaded, Policy},
};

async fn load_all(missing: Vec<Key>) -> Result<Vec<(Key, u64)>, Infallible> {
    Ok(missing.into_iter().map(|key| (key, 1)).collect())
}

/// E11: many keys with a tag each are one read and one question for all versions together; after each lag again.
#[tokio::test]
async fn many_tagged_keys_are_two_round_trips_however_many() {
    let clock = Clock::manual();
    for lag in [Duration::ZERO, MINUTE] {
        let store = Remote::new(&clock);
        let writer: Cache<u64> = cache(store.clone(), &clock, plain());
        let keys = keys("k", 100);
        for (n, key) in keys.iter().enumerate() {
            writer.at(key).tags([format!("user:{n}"), "all".into()]).set(1).await.unwrap();
        }
        let reader: Cache<u64> =
            builder(store.clone(), &clock, plain()).invalidation_lag(lag).build().unwrap();
        for round in 0..3 {
            let before = store.round_trips();
            assert_eq!(reader.get_many(&keys).await.unwrap().found().count(), 100);
            let asked = store.since(before);
            // The namespace's version is asked for beside the entries, the tags' when it is known which.
            let most = if lag.is_zero() { 3 } else { 1 + 2 * usize::from(round == 0) };
            assert!(asked.len() <= most, "lag {lag:?}, round {round}: {}", asked.len());
        }
        let before = store.round_trips();
        let loaded = reader.get_or_load_many(&keys, load_all).await.unwrap();
        assert_eq!(loaded.found().count(), 100);
        assert!(store.since(before).len() <= 3, "{}", store.since(before).len());
    }
}

/// E11: after the lag, the tags of all entries are asked for together again.
#[tokio::test(start_paused = true)]
async fn after_the_lag_all_tags_are_asked_for_together() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> =
        builder(store.clone(), &clock, plain()).invalidation_lag(100 * MS).build().unwrap();
    let keys = keys("k", 100);
    for (n, key) in keys.iter().enumerate() {
        cache.at(key).tag(format!("user:{n}")).set(1).await.unwrap();
    }
    for _ in 0..5 {
        common::later(&clock, 150 * MS).await;
        let before = store.round_trips();
        assert_eq!(cache.get_many(&keys).await.unwrap().found().count(), 100);
        assert!(store.since(before).len() <= 3, "{:?}", store.since(before).len());
    }
}

/// E12: when others have stored keys while a bulk load was on its way, all are looked at again in one read.
#[tokio::test]
async fn looking_again_for_many_keys_is_one_read() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    cache.get(&Key::new("warm")).await.unwrap();
    let gate = Gate::new();
    store.on(READS, Keys::With("s:many"), Act::HoldAnswer(gate.clone()));
    let many = tokio::spawn({
        let cache = cache.clone();
        async move {
            let keys = keys("many", 100);
            let answers = cache.get_or_load_many(&keys, load_all).await.unwrap();
            answers.values().unwrap().into_iter().map(|value| *value.unwrap()).collect::<Vec<_>>()
        }
    });
    gate.reached_by(1).await;
    store.heal();
    for key in &keys("many", 10) {
        cache.get_or_load(key, answer(2)).await.unwrap();
    }
    // So many others that nobody remembers which they were.
    for key in &keys("other", 2000) {
        cache.get_or_load(key, answer(0)).await.unwrap();
    }
    let before = store.round_trips();
    gate.open();
    let values = many.await.unwrap();
    assert_eq!(
        values.iter().filter(|value| **value == 2).count(),
        10,
        "what others have stored is not loaded again"
    );
    let asked = store.since(before);
    let reads = asked.iter().filter(|(op, keys)| READS.contains(op) && Keys::Values.are_meant(keys)).count();
    assert_eq!(reads, 1, "{asked:?}");
    assert!(asked.len() <= 5, "{}", asked.len());
}

/// E13: versions that there are not yet are made in one write, and those that end too soon are renewed in one.
#[tokio::test]
async fn versions_are_made_and_renewed_in_bulk() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let tags: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let before = store.round_trips();
    cache.at(&Key::new("k")).tags(tags.clone()).set(1).await.unwrap();
    let asked = store.since(before);
    assert!(asked.len() <= 4, "made: {} round trips", asked.len());

    // An entry that outlives its versions.
    let before = store.round_trips();
    cache.at(&Key::new("l")).tags(tags).ttl(1000 * HOUR).set(1).await.unwrap();
    let asked = store.since(before);
    assert!(asked.len() <= 4, "renewed: {} round trips", asked.len());
    assert_eq!(asked.iter().filter(|(op, _)| *op == Op::Touch).count(), 0, "{asked:?}");
    clock.advance(999 * HOUR);
    assert_eq!(common::there(&cache, &Key::new("l")).await, Some(1));
}

/// E13: many writers of the same new tags make each once.
#[tokio::test]
async fn writers_of_the_same_new_tags_make_each_version_once() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let gate = Gate::new();
    store.on(&[Op::Set, Op::SetMany], Keys::Versions, Act::Hold(gate.clone()));
    let writes: Vec<_> = (0..50_u64)
        .map(|n| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.at(&Key::new("k").part(n)).tags(["a", "b", "c"]).set(n).await })
        })
        .collect();
    // All of them have come before the first is answered.
    settled().await;
    gate.open();
    for write in writes {
        soon(write).await.unwrap().unwrap();
    }
    let made = store.count(&[Op::Set, Op::SetMany], Keys::Versions);
    assert!(made <= 2, "{made}");
    assert_eq!(cache.get_many(&keys("k", 50)).await.unwrap().found().count(), 50);
}

/// E17: of a thousand readers of one entry one slides it.
#[tokio::test]
async fn a_thousand_readers_send_one_touch() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let policy = Policy::new(10 * MINUTE).sliding(Ttl::Never);
    let cache: Cache<u64> = cache(store.clone(), &clock, policy);
    let key = Key::new("k");
    cache.set(&key, 1).await.unwrap();
    clock.advance(5 * MINUTE);
    let gate = Gate::new();
    store.on(&[Op::Touch, Op::TouchMany], Keys::Values, Act::Hold(gate.clone()));
    for _ in 0..1000 {
        assert_eq!(common::there(&cache, &key).await, Some(1));
    }
    settled().await;
    assert_eq!(store.count(&[Op::Touch, Op::TouchMany], Keys::Values), 1);
    gate.open();
    settled().await;
    clock.advance(9 * MINUTE);
    assert_eq!(common::there(&cache, &key).await, Some(1), "it has slid");
}

/// E17: in bulk, too, and when the readers bring a loader.
#[tokio::test]
async fn readers_of_all_sorts_send_one_touch_a_key() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, Policy::new(10 * MINUTE).sliding(Ttl::Never));
    let keys = keys("k", 5);
    for key in &keys {
        cache.set(key, 1).await.unwrap();
    }
    clock.advance(5 * MINUTE);
    store.on(&[Op::Touch, Op::TouchMany], Keys::Values, Act::Hold(Gate::new()));
    for _ in 0..50 {
        assert_eq!(cache.get_many(&keys).await.unwrap().found().count(), 5);
        assert_eq!(cache.get_or_load_many(&keys, load_all).await.unwrap().found().count(), 5);
        assert_eq!(said(cache.get_or_load(&keys[0], answer(2)).await), Ok(1));
        assert!(cache.get_encoded(&keys[1]).await.unwrap().is_some());
    }
    settled().await;
    assert!(store.count(&[Op::Touch, Op::TouchMany], Keys::Values) <= 5);
}

/// E17: a store that refuses touches is left alone for a while.
#[tokio::test]
async fn a_store_that_refuses_touches_is_not_asked_with_every_read() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, Policy::new(10 * MINUTE).sliding(Ttl::Never));
    let key = Key::new("k");
    cache.set(&key, 1).await.unwrap();
    clock.advance(5 * MINUTE);
    store.on(&[Op::Touch, Op::TouchMany], Keys::Values, Act::Fail(ErrorKind::ReadOnly));
    for _ in 0..1000 {
        assert_eq!(common::there(&cache, &key).await, Some(1));
        settled().await;
    }
    let touches = store.count(&[Op::Touch], Keys::Values);
    assert_eq!(touches, 1, "no time has passed");
    for _ in 0..20 {
        clock.advance(200 * MS);
        common::there(&cache, &key).await;
        settled().await;
    }
    let touches = store.count(&[Op::Touch], Keys::Values);
    assert!((2..=6).contains(&touches), "{touches} in four seconds");
    store.heal();
    clock.advance(2 * SECOND);
    common::there(&cache, &key).await;
    settled().await;
    clock.advance(9 * MINUTE);
    assert_eq!(common::there(&cache, &key).await, Some(1), "it slides again");
}

/// E9: any number of keys is loaded, stored and dropped without recursion.
#[test]
fn a_hundred_thousand_missing_keys_are_loaded_on_a_small_stack() {
    let clock = Clock::manual();
    for (name, store) in common::every_store(&clock) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_stack_size(512 * 1024)
            .enable_all()
            .build()
            .unwrap();
        let cache: Cache<u64> = cache(store, &clock, plain());
        let (loaded, failed) = runtime
            .block_on(runtime.spawn(async move {
                let keys = keys("k", 100_000);
                let loaded = cache.get_or_load_many(&keys, load_all).await.unwrap();
                let again = cache.get_or_load_many(&keys, load_all).await.unwrap();
                (loaded.found().count(), again.failures().count())
            }))
            .unwrap();
        assert_eq!((loaded, failed), (100_000, 0), "{name}");
    }
}

/// E9: two overlapping requests load no key twice, in memory and beside a store.
#[tokio::test]
async fn overlapping_bulk_loads_load_each_key_once() {
    let clock = Clock::manual();
    for (name, store) in common::every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain());
        let (gate, asked_for) = (Gate::new(), Count::new());
        let seen = std::sync::Arc::new(std::sync::Mutex::new(HashSet::new()));
        let ask = |from: u64, to: u64| {
            let (cache, gate, asked_for, seen) =
                (cache.clone(), gate.clone(), asked_for.clone(), seen.clone());
            tokio::spawn(async move {
                let keys: Vec<Key> = (from..to).map(|n| Key::new("k").part(n)).collect();
                let answers = cache
                    .get_or_load_many(&keys, move |missing| async move {
                        for key in &missing {
                            asked_for.add();
                            seen.lock().unwrap().insert(key.clone());
                        }
                        gate.pass().await;
                        load_all(missing).await
                    })
                    .await
                    .unwrap();
                answers.found().count()
            })
        };
        let (one, two) = (ask(0, 60), ask(40, 100));
        gate.reached_by(2).await;
        let single = asked(&cache, &Key::new("k").part(50_u64), answer(9));
        settled().await;
        gate.open();
        assert_eq!((soon(one).await.unwrap(), soon(two).await.unwrap()), (60, 60), "{name}");
        assert_eq!(said(soon(single).await.unwrap()), Ok(1), "{name}");
        assert_eq!((asked_for.get(), seen.lock().unwrap().len()), (100, 100), "{name}");
    }
}

/// E10: readers with different tags that gather behind one slow question are answered by one more, in time that grows with
/// their number and not with its square.
#[tokio::test]
async fn readers_that_gather_behind_a_slow_question_are_answered_together() {
    let clock = Clock::manual();
    let mut times = Vec::new();
    for readers in [500_u64, 4000] {
        let store = Remote::new(&clock);
        let writer: Cache<u64> = cache(store.clone(), &clock, plain());
        for n in 0..readers {
            let tags = (0..8).map(|tag| format!("t{n}-{tag}"));
            writer.at(&Key::new("k").part(n)).tags(tags).set(n).await.unwrap();
        }
        let reader: Cache<u64> =
            builder(store.clone(), &clock, plain()).invalidation_lag(HOUR).build().unwrap();
        let gate = Gate::new();
        store.on(&[Op::GetMany], Keys::Versions, Act::Hold(gate.clone()));
        let asked: Vec<_> = (0..readers)
            .map(|n| {
                let reader = reader.clone();
                tokio::spawn(async move { common::there(&reader, &Key::new("k").part(n)).await })
            })
            .collect();
        settled().await;
        let before = store.round_trips();
        let begun = std::time::Instant::now();
        gate.open();
        for (n, asked) in (0..).zip(asked) {
            assert_eq!(soon(asked).await.unwrap(), Some(n));
        }
        times.push(begun.elapsed());
        let questions = store.since(before).len();
        assert!(questions <= 3, "{readers} readers: {questions} questions");
    }
    // Eight times as many; a quadratic step would make it sixty-four times as long.
    assert!(times[1] < times[0] * 32 + SECOND, "{times:?}");
}

/// E15: a miss of a store in memory asks it twice at most, and a far hit once.
#[tokio::test]
async fn a_far_hit_and_a_far_miss_are_as_few_round_trips_as_can_be() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = builder(store.clone(), &clock, plain()).invalidation_lag(HOUR).build().unwrap();
    cache.get_or_load(&Key::new("warm"), answer(1)).await.unwrap();
    let before = store.round_trips();
    cache.get_or_load(&Key::new("warm"), answer(2)).await.unwrap();
    assert_eq!(store.since(before).len(), 1, "a hit");
    let before = store.round_trips();
    cache.get_or_load(&Key::new("cold"), answer(2)).await.unwrap();
    assert_eq!(store.since(before).len(), 2, "a miss: {:?}", store.since(before));
    // And with a lease one more.
    let leasing: Cache<u64> =
        builder(store.clone(), &clock, plain().lease(MINUTE)).invalidation_lag(HOUR).build().unwrap();
    leasing.get_or_load(&Key::new("warm"), answer(2)).await.unwrap();
    let before = store.round_trips();
    leasing.get_or_load(&Key::new("colder"), answer(2)).await.unwrap();
    assert_eq!(store.since(before).len(), 3, "a miss under a lease: {:?}", store.since(before));
    let before = store.round_trips();
    let keys = keys("many", 100);
    assert_eq!(leasing.get_or_load_many(&keys, load_all).await.unwrap().found().count(), 100);
    assert_eq!(store.since(before).len(), 3, "many misses under leases");
}

/// E13: what a loader's own tags cost does not grow with their number.
#[tokio::test]
async fn tags_that_a_loader_names_cost_a_fixed_number_of_round_trips() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let mut trips = Vec::new();
    for tags in [1, 40] {
        let before = store.round_trips();
        let key = Key::new("k").part(tags);
        let loader = move |_| async move {
            let loaded = (0..tags).fold(Loaded::new(1), |loaded, tag| loaded.tag(format!("{tags}-{tag}")));
            Ok::<_, Infallible>(loaded)
        };
        cache.at(&key).get_or_load_with(loader).await.unwrap();
        assert_eq!(common::there(&cache, &key).await, Some(1));
        trips.push(store.since(before).len());
    }
    assert!(trips[1] <= trips[0], "{trips:?}");
    let gate = Gate::new();
    gate.open();
    cache.get_or_load(&Key::new("unused"), gated(&gate, 1)).await.unwrap();
}
