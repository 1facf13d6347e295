//! What a failover is made of, and what it says of itself: abilities, tokens, counters, bulk calls, lines in the log.

use std::sync::Arc;

use larder_core::{
    Backend, Clock, ErrorKind, Key, Result, Ttl,
    backend::{
        Capabilities, Condition, DeleteOptions, GetOptions, Lookup, NullBackend, SetOptions, TouchOptions,
        Written,
    },
    entry::Token,
    key::{Namespace, StoreKey},
    layer::{Breaker, BreakerSettings, Failover},
};

use super::{
    MARKER,
    common::{
        Act, Keys, Lines, Local, MINUTE, MS, READS, Remote, SECOND, Tokens, builder, later, plain, settled,
        there,
    },
    stores::{Closing, Counting},
    world::{DOWN, World},
};

fn breaker<B: Backend>(store: B, clock: &Clock) -> Breaker<B> {
    Breaker::new(store, "shared", BreakerSettings::new().with_window(8), clock).unwrap()
}

#[test]
fn both_have_to_be_shared_and_there_are_two() {
    let clock = Clock::manual();
    let remote = || Remote::new(&clock);
    let without = Capabilities::shared().with_compare_and_set(false);
    let refused = |made: Result<()>, why: &str| {
        let error = made.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.message().contains(why), "{error}");
    };
    let made = Failover::new(breaker(remote(), &clock), Local::new(&clock), &clock).map(drop);
    refused(made, "the second store of a failover is in this process's memory");
    let made = Failover::new(breaker(Local::new(&clock), &clock), remote(), &clock).map(drop);
    refused(made, "the first store of a failover is in this process's memory");
    refused(Failover::new(breaker(NullBackend::new(), &clock), remote(), &clock).map(drop), "memory");
    let made = Remote::with(&clock, Tokens::Revision, without);
    refused(Failover::new(breaker(remote(), &clock), made, &clock).map(drop), "compare-and-set");
    let two = Failover::new(breaker(remote(), &clock), remote(), &clock).unwrap();
    refused(Failover::new(breaker(remote(), &clock), two, &clock).map(drop), "has a second store itself");
}

#[tokio::test(start_paused = true)]
async fn it_can_what_both_can_and_ends_with_both() {
    let clock = Clock::manual();
    let small = Capabilities::shared().with_max_value(Some(1000)).with_ttl_resolution(SECOND);
    let first = breaker(Closing(Remote::new(&clock)), &clock).with_deadline(50 * MS).unwrap();
    let second = breaker(Closing(Remote::with(&clock, Tokens::Own, small)), &clock);
    let store = Failover::new(first, second.with_deadline(80 * MS).unwrap(), &clock).unwrap();
    let abilities = store.capabilities();
    assert_eq!((abilities.max_value, abilities.ttl_resolution), (Some(1000), SECOND));
    assert_eq!((abilities.deadline, abilities.near_ttl), (Some(80 * MS), None));
    assert_eq!(store.circuits().len(), 2);
    assert_eq!(store.advice(), ["closes badly", "closes badly"]);
    assert!(store.bus().is_none() && store.shards().is_none() && store.counters().is_none());
    assert!(store.bounded().is_none() && store.invalidation().here().is_none());
    let error = store.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn closing_reaches_the_second_also_if_the_first_fails() {
    let clock = Clock::manual();
    let (one, other) = (Remote::new(&clock), Remote::new(&clock));
    one.put(&Key::new("k"), "1");
    other.put(&Key::new("k"), "1");
    let first = breaker(Closing(one.clone()), &clock);
    let store = Failover::new(first, Closing(other.clone()), &clock).unwrap();
    store.close().await.unwrap_err();
    assert!(!one.has(&Key::new("k")) && !other.has(&Key::new("k")));
}

/// Both stores count their writes, so that the tokens of one are numbers which the other has as well.
#[tokio::test(start_paused = true)]
async fn a_token_of_one_store_matches_nothing_in_the_other() {
    let world = World::with_tokens(Tokens::Own);
    let process = world.process();
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    let (store, key) = (&process.store, StoreKey::new(&space, &key));
    process.cache.set(key.key(), 1).await.unwrap();
    let Lookup::Hit(entry) = store.get(&key, &GetOptions::new()).await.unwrap() else { panic!() };
    // Whatever the second has, a token of the first is none of it.
    let of_first: Vec<Token> = (0..50).map(Token).collect();
    assert!(of_first.contains(&entry.token()));
    process.loses_first().await;
    let options = SetOptions::new(MINUTE.into());
    let Written::Yes(mut token) = store.set(&key, &entry, &options).await.unwrap() else { panic!() };
    for token in &of_first {
        let condition = Condition::Unchanged(*token);
        assert_eq!(store.set(&key, &entry, &options.when(condition)).await.unwrap(), Written::No);
        assert!(!store.delete(&key, &DeleteOptions::new().when(condition)).await.unwrap());
        let touch = TouchOptions::new(entry.meta().lifetime, MINUTE.into()).when(condition);
        assert!(!store.touch(&key, &touch).await.unwrap());
    }
    // Its own are right, as they are given by writes and by reads, alone and in bulk.
    for _ in 0..2 {
        let item =
            larder_core::backend::SetItem::new(key, entry.clone(), options.when(Condition::Unchanged(token)));
        let Written::Yes(_) = store.set_many(&[item]).await.pop().unwrap().unwrap() else { panic!() };
        let Lookup::Hit(found) = store.get_many(&[key], &GetOptions::new()).await.pop().unwrap().unwrap()
        else {
            panic!()
        };
        token = found.token();
    }
    process.finds_first().await;
    assert!(matches!(store.set(&key, &entry, &options).await.unwrap(), Written::Yes(_)));
    let foreign = options.when(Condition::Unchanged(token));
    assert_eq!(store.set(&key, &entry, &foreign).await.unwrap(), Written::No);
    // Nor are those of one outage those of another.
    process.loses_first().await;
    for _ in 0..50 {
        store.set(&key, &entry, &options).await.unwrap();
        assert_eq!(store.set(&key, &entry, &foreign).await.unwrap(), Written::No);
    }
}

/// A compare-and-set of a caller that has read before the outage.
#[tokio::test(start_paused = true)]
async fn compare_and_set_with_what_was_read_in_the_other_store_writes_nothing() {
    for tokens in [Tokens::Revision, Tokens::Own] {
        let world = World::with_tokens(tokens);
        let process = world.process();
        let key = Key::new("k");
        process.cache.set(&key, 1).await.unwrap();
        let read = process.cache.get(&key).await.unwrap().unwrap();
        process.loses_first().await;
        process.cache.set(&key, 2).await.unwrap();
        let swapped = process.cache.at(&key).compare_and_set(&read, 3).await.unwrap();
        assert_ne!(swapped, larder_core::cache::Swapped::Yes);
        let read = process.cache.get(&key).await.unwrap().unwrap();
        let swapped = process.cache.at(&key).compare_and_set(&read, 4).await.unwrap();
        assert_eq!(swapped, larder_core::cache::Swapped::Yes);
        assert_eq!(process.has(&key).await, Some(4));
    }
}

#[tokio::test(start_paused = true)]
async fn counters_begin_anew_in_each_store() {
    let clock = Clock::manual();
    let (one, other) = (Remote::new(&clock), Remote::new(&clock));
    let first = breaker(Counting::new(one.clone()), &clock);
    let second = Counting::new(other.clone());
    let store = Arc::new(Failover::new(first, second, &clock).unwrap());
    let cache = builder::<u64>(store.clone(), &clock, plain()).build().unwrap();
    let key = Key::new("k");
    let count = async || cache.increment(&key, 1, Some(1), Ttl::Never).await;
    assert_eq!((count().await.unwrap(), count().await.unwrap()), (Some(1), Some(2)));
    one.on_all(&Act::Fail(ErrorKind::Unavailable));
    let mut counted = count().await;
    while counted.is_err() {
        counted = count().await;
    }
    // That one went over on its way, under the version that it had from the first.
    assert_eq!(counted.unwrap(), Some(1));
    assert_eq!((count().await.unwrap(), count().await.unwrap()), (Some(1), Some(2)));
    one.heal();
    later(&clock, SECOND).await;
    let (space, nothing) = (Namespace::new("s", 0).unwrap(), Key::new("nothing"));
    store.get(&StoreKey::new(&space, &nothing), &GetOptions::new()).await.unwrap();
    settled().await;
    assert_eq!((count().await.unwrap(), count().await.unwrap()), (Some(1), Some(2)), "not from before");
}

#[tokio::test(start_paused = true)]
async fn in_bulk_there_is_one_answer_each_and_a_namespace_that_is_not_ready_fails_alone() {
    let world = World::new();
    let process = world.process();
    let (good, bad) = (Namespace::new("good", 0).unwrap(), Namespace::new("bad", 0).unwrap());
    let keys: Vec<Key> = (0..6).map(|number| Key::new("k").part(number)).collect();
    let mixed: Vec<StoreKey<'_>> = keys
        .iter()
        .enumerate()
        .map(|(place, key)| StoreKey::new(if place % 2 == 0 { &good } else { &bad }, key))
        .collect();
    process.loses_first().await;
    let entry = {
        process.cache.set(&Key::new("model"), 1).await.unwrap();
        world.second.entry(&Key::new("model")).unwrap()
    };
    world.second.on(READS, Keys::With("bad!v:outage"), Act::Fail(ErrorKind::Loading));
    let options = SetOptions::new(MINUTE.into());
    let items: Vec<_> = mixed[..4]
        .iter()
        .map(|key| larder_core::backend::SetItem::new(*key, entry.clone(), options))
        .collect();
    let written = process.store.set_many(&items).await;
    let took: Vec<bool> = written.iter().map(Result::is_ok).collect();
    assert_eq!(took, [true, false, true, false]);
    assert_eq!(written[1].as_ref().unwrap_err().kind(), ErrorKind::Loading);
    let found = process.store.get_many(&mixed, &GetOptions::new()).await;
    let said: Vec<&str> = found
        .iter()
        .map(|found| match found {
            Ok(Lookup::Hit(_)) => "hit",
            Ok(Lookup::Miss(_)) => "miss",
            Err(_) => "error",
        })
        .collect();
    assert_eq!(said, ["hit", "error", "hit", "error", "miss", "error"]);
    world.second.heal();
    assert!(process.store.set_many(&items).await.iter().all(Result::is_ok));
    let before = (world.first.round_trips(), world.second.round_trips());
    assert!(process.store.get_many(&[], &GetOptions::new()).await.is_empty());
    assert_eq!((world.first.round_trips(), world.second.round_trips()), before);
    process.finds_first().await;
    for found in process.store.get_many(&mixed, &GetOptions::new()).await {
        assert!(matches!(found.unwrap(), Lookup::Miss(_)));
    }
    // Each of both was written to, so each is made up for.
    let recorded = |name| world.first.count(super::WRITES, Keys::With(name));
    assert_eq!((recorded("good!v:outage"), recorded("bad!v:outage")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn while_the_first_answers_the_second_is_asked_once() {
    let world = World::new();
    let process = world.process();
    let key = Key::new("k");
    process.cache.set(&key, 1).await.unwrap();
    let before = world.second.round_trips();
    assert_eq!(world.second.count(READS, MARKER), before, "nothing but whether there was an outage");
    let trips = world.first.round_trips();
    for _ in 0..10 {
        assert_eq!(there(&process.cache, &key).await, Some(1));
    }
    assert_eq!(world.second.round_trips(), before);
    assert_eq!(world.first.round_trips() - trips, 10);
}

#[tokio::test(start_paused = true)]
async fn the_log_hears_of_going_over_and_coming_back_once() {
    let (lines, _guard) = Lines::listen();
    let world = World::new();
    let process = world.process();
    process.loses_first().await;
    for _ in 0..10 {
        process.call().await;
    }
    let told = lines.with("its second store answers until it is back");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("store=\"shared\""), "{told:?}");
    process.finds_first().await;
    process.loses_first().await;
    process.call().await;
    assert_eq!(lines.with("its second store answers").len(), 1, "within two seconds");
    process.finds_first().await;
    later(&world.clock, 2 * SECOND).await;
    process.loses_first().await;
    process.call().await;
    assert_eq!(lines.with("its second store answers").len(), 2);
    // With the second away as well there is nothing more to say.
    process.second.always(DOWN);
    process.call().await;
    assert_eq!(lines.with("its second store answers").len(), 2);
}
