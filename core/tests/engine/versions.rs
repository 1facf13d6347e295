//! The versions of tags and namespaces: any number of tags, records that are lost, foreign or wrong, and where they live.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use crate::common::{
    self, Act, Gate, HOUR, Keys, Local, MINUTE, MS, NAMESPACE, Op, READS, Remote, SECOND, Tokens, WRITES,
    answer, builder, cache, every_store, keys, plain, said, settled, soon, there,
};
use larder_core::{
    Backend, Cache, Clock, Entry, Error, ErrorKind, Key, Ttl,
    backend::{Capabilities, SetOptions},
    cache::Policy,
    clock::Timestamp,
    entry::{Body, Lifetime, Meta, Scope, Stamp},
    key::{Namespace, StoreKey},
};

/// E19: more distinct tags than are remembered are no error of any operation, one by one or many at once.
#[tokio::test]
async fn seventy_thousand_distinct_tags_fail_nothing() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = builder(store, &clock, plain()).invalidation_lag(HOUR).build().unwrap();
    let first = Key::new("first");
    cache.at(&first).tag("first").set(1).await.unwrap();
    for n in 0..1200_u64 {
        let tags = (0..60).map(|tag| format!("{n}/{tag}"));
        cache.at(&Key::new("k").part(n)).tags(tags).set(n).await.unwrap();
    }
    assert_eq!(there(&cache, &first).await, Some(1));
    let found = cache.get_many(&keys("k", 1200)).await.unwrap();
    assert_eq!((found.found().count(), found.failures().count()), (1200, 0));
    for n in (0..1200).step_by(100) {
        cache.invalidate_tag(&format!("{n}/7")).await.unwrap();
        assert_eq!(there(&cache, &Key::new("k").part(n)).await, None);
        let loaded = cache.at(&Key::new("k").part(n)).tag(format!("{n}/7")).get_or_load(answer(9)).await;
        assert_eq!(said(loaded), Ok(9));
    }
}

/// E19: in memory as well: what is forgotten makes misses and never a hit that should not be.
#[tokio::test]
async fn seventy_thousand_invalidated_tags_in_memory_revive_nothing() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain());
    let (dead, alive) = (Key::new("dead"), Key::new("alive"));
    cache.at(&dead).tag("dead").set(1).await.unwrap();
    cache.at(&alive).tag("alive").set(2).await.unwrap();
    assert_eq!(there(&cache, &alive).await, Some(2));
    cache.invalidate_tag("dead").await.unwrap();
    for n in 0..70_000 {
        cache.invalidate_tag(&format!("t{n}")).await.unwrap();
    }
    assert_eq!(there(&cache, &dead).await, None);
    assert_eq!(there(&cache, &alive).await, Some(2), "it is still held");
    cache.invalidate_tag("alive").await.unwrap();
    assert_eq!(there(&cache, &alive).await, None);
}

/// An entry of somebody else's, under these stamps.
async fn put(store: &Remote, key: &Key, stamps: Vec<Stamp>) {
    let namespace = Namespace::new(NAMESPACE, 0).unwrap();
    // 7, as MessagePack writes it.
    let body = Body::raw(vec![7].into(), 2);
    let meta =
        Meta::new(Timestamp::from_millis(1), Lifetime::until(Timestamp::NEVER)).with_stamps(stamps.into());
    let entry = Entry::from_body(body, meta);
    let written =
        store.set(&StoreKey::new(&namespace, key), &entry, &SetOptions::new(Ttl::Never)).await.unwrap();
    assert!(written.took_place());
}

/// E20: an entry that names a level which its namespace does not have is a miss, and harms no other entry, in one answer with
/// it or after it.
#[tokio::test]
async fn a_stamp_of_a_level_that_there_is_not_is_a_miss_and_touches_nothing_else() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let (good, other) = (Key::new("good"), Key::new("other"));
    cache.at(&good).tags(["a", "b"]).set(1).await.unwrap();
    cache.at(&other).tags(["b", "c"]).set(2).await.unwrap();
    cache.invalidate_tag("dead").await.unwrap();
    let right: Vec<Stamp> = store.entry(&good).unwrap().meta().stamps.to_vec();
    let wrong = |scope| Stamp::new(scope, 5);
    let mut between = right.clone();
    between.insert(1, wrong(Scope::Namespace(9)));
    let mut after = right.clone();
    after.push(wrong(Scope::Namespace(200)));
    let mut twice = right.clone();
    twice.push(right[0].clone());
    let bad = [
        ("a level too many, between", between),
        ("a level too many, after", after),
        ("another level only", vec![wrong(Scope::Namespace(3))]),
        ("no stamps", Vec::new()),
        ("tags only", right[1..].to_vec()),
        ("a tag that is empty", vec![right[0].clone(), wrong(Scope::Tag("".into()))]),
    ];
    for (what, stamps) in bad {
        let key = Key::new("bad");
        put(&store, &key, stamps).await;
        let found = cache.get_many([&good, &key, &other]).await.unwrap();
        let values: Vec<_> =
            found.values().unwrap().into_iter().map(|value| value.map(|value| *value)).collect();
        assert_eq!(values, [Some(1), None, Some(2)], "{what}");
        assert_eq!(there(&cache, &key).await, None, "{what}");
        assert_eq!(there(&cache, &good).await, Some(1), "{what}");
        assert_eq!(said(cache.get_or_load(&key, answer(3)).await), Ok(3), "{what}");
        assert_eq!(there(&cache, &key).await, Some(3), "{what}");
    }
    // A level twice is the level.
    put(&store, &Key::new("bad"), twice).await;
    assert_eq!(there(&cache, &Key::new("bad")).await, Some(7));
    assert_eq!(there(&cache, &other).await, Some(2));
}

/// E20: a record of a version that holds anything but a version is no version, and is replaced when one is needed.
#[tokio::test]
async fn bytes_that_are_no_version_are_replaced() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let key = Key::new("k");
    cache.at(&key).tag("t").set(1).await.unwrap();
    store.evict(Keys::Versions);
    assert_eq!(there(&cache, &key).await, None, "a version that is lost brings nothing back");
    cache.at(&key).tag("t").set(2).await.unwrap();
    assert_eq!(there(&cache, &key).await, Some(2));
    assert!(store.count(WRITES, Keys::Versions) > 0);
}

/// What a file can do.
fn durable() -> Capabilities {
    let mut capabilities = Capabilities::in_process();
    capabilities.survives_restart = true;
    capabilities
}

/// E32: a store of one process that keeps no versions in memory, such as a file, keeps them as records, and what slides there
/// keeps them alive.
#[tokio::test]
async fn what_slides_in_a_file_keeps_its_versions_alive() {
    let clock = Clock::manual();
    let alone = durable();
    for (name, capabilities) in [("a file", alone), ("shared", Capabilities::shared())] {
        let store = Remote::with(&clock, Tokens::Revision, capabilities);
        let policy = Policy::new(30 * MINUTE).sliding(Ttl::Never);
        let cache: Cache<u64> = cache(store.clone(), &clock, policy);
        let key = Key::new("session");
        cache.at(&key).tag("user").set(1).await.unwrap();
        for minute in 0..72 * 6 {
            clock.advance(10 * MINUTE);
            assert_eq!(there(&cache, &key).await, Some(1), "{name}, after {} minutes", minute * 10);
            settled().await;
        }
        // And tags and clears work there, seen by another handle as well.
        let other: Cache<u64> = common::cache(store.clone(), &clock, policy);
        other.invalidate_tag("user").await.unwrap();
        assert_eq!(there(&cache, &key).await, None, "{name}");
        cache.set(&key, 2).await.unwrap();
        cache.clear().await.unwrap();
        assert_eq!(there(&other, &key).await, None, "{name}");
    }
}

/// E32: what is written in a file stands after a restart, which a new handle is.
#[tokio::test]
async fn what_a_file_holds_stands_after_a_restart() {
    let clock = Clock::manual();
    let alone = durable();
    let store = Remote::with(&clock, Tokens::Own, alone);
    let before: Cache<u64> = cache(store.clone(), &clock, plain());
    let (kept, dead) = (Key::new("kept"), Key::new("dead"));
    before.at(&kept).tag("a").set(1).await.unwrap();
    before.at(&dead).tag("b").set(2).await.unwrap();
    before.invalidate_tag("b").await.unwrap();
    drop(before);
    let after: Cache<u64> = cache(store, &clock, plain());
    assert_eq!((there(&after, &kept).await, there(&after, &dead).await), (Some(1), None));
    assert_eq!(said(after.get_or_load(&dead, answer(3)).await), Ok(3));
}

/// E37: a lag without end panics nowhere, and means what it says.
#[tokio::test(start_paused = true)]
async fn the_longest_lag_saturates() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let here: Cache<u64> =
        builder(store.clone(), &clock, plain()).invalidation_lag(Duration::MAX).build().unwrap();
    let elsewhere: Cache<u64> = cache(store.clone(), &clock, plain());
    let key = Key::new("k");
    assert_eq!(said(here.at(&key).tag("t").get_or_load(answer(1)).await), Ok(1));
    assert_eq!(here.get_many([&key]).await.unwrap().found().count(), 1);
    let before = store.round_trips();
    tokio::time::sleep(1000 * HOUR).await;
    assert_eq!(there(&here, &key).await, Some(1));
    assert_eq!(store.since(before).len(), 1, "versions are never asked for again");
    elsewhere.invalidate_tag("t").await.unwrap();
    assert_eq!(there(&here, &key).await, Some(1), "others' invalidations are seen after the lag");
    here.invalidate_tag("t").await.unwrap();
    assert_eq!(there(&here, &key).await, None, "one's own at once");
}

/// E37: and other durations without end.
#[tokio::test(start_paused = true)]
async fn the_longest_durations_of_a_policy_saturate() {
    let clock = Clock::manual();
    let longest = Duration::MAX;
    let policy = Policy::new(longest)
        .jitter(longest)
        .negative_ttl(longest)
        .stale_while_revalidate(longest)
        .stale_if_error(longest)
        .error_backoff(longest)
        .soft_deadline(longest)
        .hard_deadline(longest)
        .load_limit(longest)
        .lease(longest)
        .sliding(longest);
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, policy);
        let keys = keys("k", 3);
        cache.set(&keys[0], 1).await.unwrap();
        assert_eq!(said(soon(cache.at(&keys[1]).tag("t").get_or_load(answer(2))).await), Ok(2), "{name}");
        clock.advance(100_000 * HOUR);
        for (key, expected) in keys.iter().zip([Some(1), Some(2), None]) {
            assert_eq!(there(&cache, key).await, expected, "{name}");
        }
        assert!(cache.touch(&keys[0], longest).await.unwrap(), "{name}");
        cache.expire(&keys[0]).await.unwrap();
        cache.expire_tag("t").await.unwrap();
        assert_eq!(said(soon(cache.at(&keys[0]).fresh().get_or_load(answer(3))).await), Ok(3), "{name}");
    }
}

/// E39: entries that were validated by one store's versions are not taken for validated by another's.
#[tokio::test]
async fn an_entry_that_moves_to_another_store_is_checked_against_that_one() {
    let clock = Clock::manual();
    let (one, two) = (Local::new(&clock), Local::new(&clock));
    let first: Cache<u64> = cache(one.clone(), &clock, plain());
    let second: Cache<u64> = cache(two.clone(), &clock, plain());
    let (key, namespace) = (Key::new("k"), Namespace::new(NAMESPACE, 0).unwrap());
    let store_key = StoreKey::new(&namespace, &key);
    first.at(&key).tag("t").set(1).await.unwrap();
    // Validated here, and by as many steps as the other has gone.
    assert_eq!(there(&first, &key).await, Some(1));
    second.clear().await.unwrap();
    first.clear().await.unwrap();
    first.at(&key).tag("t").set(2).await.unwrap();
    assert_eq!(there(&first, &key).await, Some(2));
    let entry = one.get(&store_key, &larder_core::backend::GetOptions::new()).await.unwrap().entry().unwrap();
    assert!(two.set(&store_key, &entry, &SetOptions::new(Ttl::Never)).await.unwrap().took_place());
    assert_eq!(there(&second, &key).await, None, "it was written under versions that this store never had");
    assert_eq!(there(&first, &key).await, Some(2));
}

/// E39: what is asked for while a store hangs is asked for once, however many ask, and nothing of it stays.
#[tokio::test(start_paused = true)]
async fn questions_that_pile_up_behind_a_store_that_hangs_are_one() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = builder(store.clone(), &clock, plain()).invalidation_lag(HOUR).build().unwrap();
    let gate = Gate::new();
    store.on(&[Op::GetMany], Keys::Versions, Act::Hold(gate.clone()));
    let readers: Vec<_> = (0..500_u64)
        .map(|n| {
            let cache = cache.clone();
            tokio::spawn(async move { said(cache.get_or_load(&Key::new("k").part(n), answer(n)).await) })
        })
        .collect();
    settled().await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(store.count(&[Op::GetMany], Keys::Versions), 1);
    gate.open();
    for (n, reader) in (0..).zip(readers) {
        assert_eq!(soon(reader).await.unwrap(), Ok(n));
    }
    let questions = store.count(&[Op::GetMany], Keys::Versions);
    assert!(questions <= 3, "{questions}");
}

/// E39: a version that was just written counts as known from when it was sent, not from when the answer came.
#[tokio::test(start_paused = true)]
async fn a_version_just_written_is_as_old_as_its_sending() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let make = || -> Cache<u64> {
        builder(store.clone(), &clock, plain()).invalidation_lag(SECOND).build().unwrap()
    };
    let (here, elsewhere) = (make(), make());
    let key = Key::new("k");
    let gate = Gate::new();
    store.on(&[Op::Set, Op::SetMany], Keys::With("tag:t"), Act::HoldAnswer(gate.clone()));
    let invalidates = tokio::spawn({
        let here = here.clone();
        async move { here.invalidate_tag("t").await }
    });
    gate.reached_by(1).await;
    store.heal();
    // Nearly a lag later somebody else invalidates, and then the answer to the first arrives.
    tokio::time::sleep(900 * MS).await;
    elsewhere.at(&key).tag("t").set(1).await.unwrap();
    elsewhere.invalidate_tag("t").await.unwrap();
    gate.open();
    invalidates.await.unwrap().unwrap();
    tokio::time::sleep(200 * MS).await;
    // What was known is older than the lag now: it is asked for again.
    let before = store.count(READS, Keys::With("tag:t"));
    assert_eq!(there(&here, &key).await, None);
    assert!(store.count(READS, Keys::With("tag:t")) > before);
}

/// E26: a store that cannot say what was invalidated is an error of plain reads, and of no call that has a loader.
#[tokio::test]
async fn versions_that_cannot_be_had_are_an_error_and_never_a_hit() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let (key, tagless) = (Key::new("k"), Key::new("tagless"));
    cache.at(&key).tag("t").set(1).await.unwrap();
    cache.set(&tagless, 2).await.unwrap();
    store.on(READS, Keys::With("tag"), Act::Fail(ErrorKind::Busy));
    assert_eq!(cache.get(&key).await.map_err(|error| error.kind()).unwrap_err(), ErrorKind::Busy);
    let many = cache.get_many([&key, &tagless]).await.unwrap();
    let kinds: Vec<_> = many.iter().map(|answer| answer.as_ref().map(|_| ()).map_err(Error::kind)).collect();
    assert_eq!(kinds[0], Err(ErrorKind::Busy));
    assert_eq!(said(cache.get_or_load(&key, answer(9)).await), Ok(9));
    store.heal();
    assert_eq!(there(&cache, &key).await, Some(1), "nothing was written after a failed read");
    assert_eq!(there(&cache, &tagless).await, Some(2));
}
