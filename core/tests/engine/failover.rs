//! A second store that answers while the first is away: what a store has missed it does not serve afterwards.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, unreachable_pub)]

mod edges;
mod histories;
mod meeting;
mod stores;
mod world;

use crate::common::{
    self, Gate, Keys, MINUTE, Op, READS, Remote, SECOND, WRITES, answer, builder, later, plain, settled, soon,
};
use larder_core::{
    Backend, ErrorKind, Key,
    backend::{SetOptions, Written},
    cache::Status,
    key::{Namespace, StoreKey},
};
use world::{DOWN, World};

const GENERATION: Keys = Keys::With("!v:generation");
const MARKER: Keys = Keys::With("!v:outage");

/// How often the version of the namespace was removed in a store.
fn resets(store: &Remote) -> usize {
    store.count(&[Op::Delete], GENERATION)
}

#[tokio::test(start_paused = true)]
async fn the_second_answers_and_the_first_does_not_serve_what_it_missed() {
    let world = World::new();
    let process = world.process();
    let [deleted, changed, untouched] = ["deleted", "changed", "untouched"].map(Key::new);
    for key in [&deleted, &changed, &untouched] {
        process.cache.set(key, 1).await.unwrap();
    }
    process.loses_first().await;
    assert_eq!(process.has(&changed).await, None, "nothing was copied");
    let before = world.first.round_trips();
    process.cache.set(&changed, 2).await.unwrap();
    assert_eq!(process.has(&changed).await, Some(2));
    process.cache.delete(&deleted).await.unwrap();
    let loaded = process.cache.get_or_load(&untouched, answer(3)).await.unwrap();
    assert_eq!((*loaded, loaded.status()), (3, Status::Loaded));
    assert_eq!(process.has(&untouched).await, Some(3));
    assert_eq!(world.first.round_trips(), before, "the first is left alone");
    process.finds_first().await;
    for key in [&deleted, &changed, &untouched] {
        assert_eq!(process.has(key).await, None, "{key:?}");
    }
    process.cache.set(&changed, 4).await.unwrap();
    assert_eq!(process.has(&changed).await, Some(4));
    assert!(world.first.has(&changed) && world.second.has(&changed), "what is in the second ends by its TTL");
}

#[tokio::test(start_paused = true)]
async fn the_second_does_not_serve_what_it_missed() {
    let world = World::new();
    let process = world.process();
    let key = Key::new("k");
    process.loses_first().await;
    process.cache.set(&key, 1).await.unwrap();
    process.finds_first().await;
    process.cache.set(&key, 2).await.unwrap();
    process.cache.delete(&key).await.unwrap();
    process.loses_first().await;
    assert_eq!(process.has(&key).await, None, "of the outage before");
    process.cache.set(&key, 3).await.unwrap();
    assert_eq!(process.has(&key).await, Some(3));
}

/// Versions are remembered for a minute here: those of one store would say that entries of the other stand.
#[tokio::test(start_paused = true)]
async fn what_is_remembered_of_one_store_is_forgotten_in_the_other() {
    let world = World::new();
    let process = world.process();
    let cache = builder::<u64>(process.store.clone(), &world.clock, plain());
    let cache = cache.invalidation_lag(MINUTE).build().unwrap();
    let [key, other] = ["k", "other"].map(Key::new);
    for key in [&key, &other] {
        cache.at(key).tag("t").set(1).await.unwrap();
    }
    assert!(cache.get(&key).await.unwrap().is_some());
    process.loses_first().await;
    cache.delete(&key).await.unwrap();
    process.finds_first().await;
    assert!(cache.get(&key).await.unwrap().is_none(), "it was deleted a moment ago");
    // The other way round: in the second outage the versions of the first time are still remembered, if anything is.
    process.loses_first().await;
    cache.set(&other, 5).await.unwrap();
    process.finds_first().await;
    cache.delete(&other).await.unwrap();
    process.loses_first().await;
    assert!(cache.get(&other).await.unwrap().is_none(), "it was deleted in the first");
}

#[tokio::test(start_paused = true)]
async fn invalidations_hold_afterwards() {
    let world = World::new();
    let (process, other) = (world.process(), world.process());
    let [cleared, tagged] = ["cleared", "tagged"].map(Key::new);
    let below = builder::<u64>(process.store.clone(), &world.clock, plain());
    let below = below.namespace("s/below").build().unwrap();
    process.cache.set(&cleared, 1).await.unwrap();
    below.at(&tagged).tag("t").set(1).await.unwrap();
    process.loses_first().await;
    process.cache.clear().await.unwrap();
    below.invalidate_tag("t").await.unwrap();
    process.finds_first().await;
    assert_eq!(process.has(&cleared).await, None);
    assert!(below.get(&tagged).await.unwrap().is_none());
    assert_eq!(other.has(&cleared).await, None);
    // A clear alone reaches the namespaces below, also of a process that uses no other.
    below.set(&tagged, 2).await.unwrap();
    process.loses_first().await;
    process.cache.clear().await.unwrap();
    drop(process.cache);
    let late = world.process();
    let below = builder::<u64>(late.store.clone(), &world.clock, plain()).namespace("s/below");
    let below = below.build().unwrap();
    assert!(below.get(&tagged).await.unwrap().is_none(), "it was cleared");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_just_started_makes_up_for_an_outage() {
    let world = World::new();
    let key = Key::new("k");
    let process = world.process();
    process.cache.set(&key, 1).await.unwrap();
    process.loses_first().await;
    process.cache.delete(&key).await.unwrap();
    // It ends before the first store is back.
    drop(process);
    let started = world.process();
    // Nothing is read from the first before the marker is.
    let gate = Gate::new();
    world.second.on(READS, MARKER, common::Act::Hold(gate.clone()));
    let before = world.first.count(READS, Keys::Values);
    let asked = common::asked(&started.cache, &key, answer(2));
    gate.reached_by(1).await;
    settled().await;
    assert_eq!(world.first.count(READS, Keys::Values), before, "the check comes first");
    gate.open();
    let loaded = soon(asked).await.unwrap().unwrap();
    assert_eq!((*loaded, loaded.status()), (2, Status::Loaded));
    assert_eq!(resets(&world.first), 1);
    // Once: the next one finds it recorded.
    world.second.heal();
    assert_eq!(world.process().has(&key).await, Some(2));
    assert_eq!(resets(&world.first), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_while_the_first_is_away_takes_part() {
    let world = World::new();
    let key = Key::new("k");
    let process = world.process();
    process.cache.set(&key, 1).await.unwrap();
    process.loses_first().await;
    process.call().await;
    let started = world.process();
    started.loses_first().await;
    started.cache.set(&key, 2).await.unwrap();
    assert_eq!((started.has(&key).await, process.has(&key).await), (Some(2), Some(2)));
    started.cache.delete(&key).await.unwrap();
    // The marker was not closed by one that could not reach the first.
    assert_eq!(world.second.count(&[Op::Set], MARKER), 1);
    started.finds_first().await;
    assert_eq!(started.has(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn without_the_second_it_is_as_if_there_were_none() {
    let world = World::new();
    let process = world.process();
    let [key, kept] = ["k", "kept"].map(Key::new);
    process.cache.set(&key, 1).await.unwrap();
    process.loses_first().await;
    process.cache.delete(&key).await.unwrap();
    process.second.always(DOWN);
    let error = process.cache.get(&key).await.unwrap_err();
    assert_eq!((error.kind(), error.store()), (ErrorKind::Unavailable, Some("shared")));
    assert!(error.message().contains("the breaker opened"), "{error}");
    assert!(error.message().ends_with("the second store failed as well"), "{error}");
    assert!(error.chain().to_string().contains("this fault was asked for"), "{}", error.chain());
    assert!(process.cache.set(&key, 9).await.is_err());
    for one in process.cache.get_many([&key, &kept]).await.unwrap() {
        assert!(one.unwrap_err().message().ends_with("the second store failed as well"));
    }
    let loaded = process.cache.get_or_load(&key, answer(7)).await.unwrap();
    assert_eq!((*loaded, loaded.status()), (7, Status::LoadedNotStored));
    // The first is back before the second, which has the marker.
    process.finds_first().await;
    assert_eq!(process.has(&key).await, None, "it was deleted");
    process.cache.set(&kept, 5).await.unwrap();
    process.second.none();
    assert_eq!(process.has(&kept).await, Some(5));
    // Nobody knows that this was made up for: it is done once more, and then not again.
    assert_eq!(world.process().has(&key).await, None);
    later(&world.clock, common::MS).await;
    process.cache.set(&kept, 6).await.unwrap();
    assert_eq!(world.process().has(&kept).await, Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_finds_the_second_away_works_unchecked_and_asks_again() {
    let world = World::new();
    let key = Key::new("k");
    let process = world.process();
    process.cache.set(&key, 1).await.unwrap();
    process.loses_first().await;
    process.cache.delete(&key).await.unwrap();
    drop(process);
    let started = world.process();
    started.second.always(DOWN);
    started.cache.set(&Key::new("other"), 2).await.unwrap();
    assert_eq!(started.has(&Key::new("other")).await, Some(2));
    assert!(started.store.advice().iter().any(|advice| advice.contains("not known for 1 of its namespaces")));
    let asked = started.second.happened();
    started.call().await;
    assert_eq!(started.second.happened(), asked, "once a second");
    started.second.none();
    later(&world.clock, SECOND).await;
    assert_eq!(started.has(&key).await, None, "it was deleted in the second");
    assert!(started.store.advice().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_marker_that_is_lost_is_missed_by_who_knew_of_it() {
    let world = World::new();
    let key = Key::new("k");
    let process = world.process();
    process.cache.set(&key, 1).await.unwrap();
    process.loses_first().await;
    process.cache.delete(&key).await.unwrap();
    // The second store is restarted empty.
    world.second.evict(Keys::Any);
    process.finds_first().await;
    assert_eq!(process.has(&key).await, None, "it was deleted");
    // One that is lost before a write ends is there again when the write has ended.
    process.cache.set(&key, 2).await.unwrap();
    process.loses_first().await;
    process.call().await;
    world.second.evict(Keys::Any);
    process.cache.delete(&key).await.unwrap();
    drop(process);
    assert_eq!(world.process().has(&key).await, None, "it was deleted");
}

/// Those who come back later find that their outage was recorded, and leave alone what was written since.
#[tokio::test(start_paused = true)]
async fn an_outage_whose_marker_is_lost_is_made_up_for_once() {
    let world = World::new();
    let (early, late) = (world.process(), world.process());
    let key = Key::new("k");
    early.cache.set(&key, 0).await.unwrap();
    for process in [&early, &late] {
        process.loses_first().await;
        process.cache.set(&key, 1).await.unwrap();
    }
    early.finds_first().await;
    early.cache.set(&key, 2).await.unwrap();
    world.second.evict(Keys::Any);
    late.finds_first().await;
    assert_eq!(late.has(&key).await, Some(2), "it is from after the outage");
    assert_eq!(resets(&world.first), 1);
}

/// It is restarted from what it had saved, and has the marker of an outage that was made up for long ago.
#[tokio::test(start_paused = true)]
async fn an_old_marker_does_not_stand_for_a_later_outage() {
    let world = World::new();
    let key = Key::new("k");
    let process = world.process();
    process.loses_first().await;
    process.cache.set(&key, 1).await.unwrap();
    process.finds_first().await;
    process.cache.set(&key, 2).await.unwrap();
    let saved = world.second.saved();
    process.loses_first().await;
    process.cache.delete(&key).await.unwrap();
    world.second.returns_to(saved);
    process.finds_first().await;
    assert_eq!(process.has(&key).await, None, "it was deleted");
}

/// The write of a caller that had given up, from before the outage.
#[tokio::test(start_paused = true)]
async fn a_write_that_lands_late_does_no_harm() {
    let world = World::new();
    let process = world.process();
    let key = Key::new("k");
    let (space, options) = (Namespace::new("s", 0).unwrap(), SetOptions::new(MINUTE.into()));
    let store_key = StoreKey::new(&space, &key);
    process.cache.set(&key, 1).await.unwrap();
    let late = world.first.entry(&key).unwrap();
    process.loses_first().await;
    process.cache.set(&key, 2).await.unwrap();
    let late_in_second = world.second.entry(&key).unwrap();
    process.finds_first().await;
    assert_eq!(process.has(&key).await, None);
    assert!(world.first.set(&store_key, &late, &options).await.is_ok_and(Written::took_place));
    assert_eq!(process.has(&key).await, None, "it is from before the outage");
    process.loses_first().await;
    process.call().await;
    assert!(world.second.set(&store_key, &late_in_second, &options).await.is_ok_and(Written::took_place));
    assert_eq!(process.has(&key).await, None, "it is from the outage before");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_while_the_breaker_opens_is_done_in_the_second() {
    let world = World::new();
    let process = world.process();
    let key = Key::new("k");
    process.call().await;
    process.first.always(DOWN);
    for _ in 0..3 {
        assert_eq!(process.cache.delete(&key).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    process.cache.delete(&key).await.unwrap();
    assert_eq!(world.second.count(WRITES, Keys::With("s:k")), 1);
}
