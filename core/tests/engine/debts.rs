//! Invalidations that did not reach the store, or perhaps did not: nothing that they concern is served before they have.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use crate::common::{self, Act, Keys, MS, Remote, SECOND, WRITES, answer, cache, plain, soon};
use larder_core::{
    Cache, Clock, ErrorKind, Key,
    cache::{Loaded, Status},
};

/// More than are owed one by one.
const TAGS: u64 = 1100;

fn tag(n: u64) -> String {
    format!("tag{n}")
}

/// What a read comes to; a failure is no value.
async fn served(cache: &Cache<u64>, key: &Key) -> Option<u64> {
    cache.get(key).await.ok().flatten().map(|found| *found)
}

/// Two processes on a store that has failed, and the entries under tags that one of them could not invalidate.
struct World {
    store: Arc<Remote>,
    mine: Cache<u64>,
    other: Cache<u64>,
    keys: Vec<Key>,
}

async fn more_than_are_owed() -> World {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let mine: Cache<u64> = cache(store.clone(), &clock, plain());
    let other: Cache<u64> = cache(store.clone(), &clock, plain());
    let keys = common::keys("k", TAGS);
    for (n, key) in (0..).zip(&keys) {
        mine.at(key).tag(tag(n)).set(1).await.unwrap();
    }
    store.on(WRITES, Keys::Versions, Act::Fail(ErrorKind::Unavailable));
    for n in 0..TAGS {
        mine.invalidate_tag(&tag(n)).await.unwrap_err();
    }
    World { store, mine, other, keys }
}

/// With more than a thousand debts the namespace is owed in their place: neither the first nor the last of them is forgotten.
#[tokio::test(start_paused = true)]
async fn more_than_are_owed_one_by_one_revive_nothing() {
    let World { store, mine, other, keys } = more_than_are_owed().await;
    for key in &keys {
        assert_eq!(served(&mine, key).await, None, "{key}: the store has not been reached");
    }
    // A loader's value is had, and not kept under a version that is owed.
    let loaded = mine.at(&keys[0]).tag(tag(0)).get_or_load(answer(2)).await.unwrap();
    assert_eq!((*loaded, loaded.status()), (2, Status::LoadedNotStored));
    store.heal();
    // Who comes later than the last failure asks anew, and pays.
    tokio::time::advance(MS).await;
    for key in &keys {
        assert_eq!(mine.get(key).await.unwrap().map(|found| *found), None, "{key}: the store is back");
    }
    for key in &keys {
        assert_eq!(served(&other, key).await, None, "{key}: another process");
    }
    for (n, key) in (0..).zip(&keys) {
        mine.at(key).tag(tag(n)).set(3).await.unwrap();
        assert_eq!(served(&other, key).await, Some(3), "{key}: written afterwards");
    }
    mine.invalidate_tag(&tag(7)).await.unwrap();
    assert_eq!((served(&mine, &keys[7]).await, served(&mine, &keys[8]).await), (None, Some(3)));
}

/// The same is paid in the background, though nobody reads.
#[tokio::test(start_paused = true)]
async fn more_than_are_owed_one_by_one_are_paid_though_nobody_reads() {
    let World { store, other, keys, mine: _mine } = more_than_are_owed().await;
    store.heal();
    tokio::time::sleep(2 * SECOND).await;
    for key in &keys {
        assert_eq!(other.get(key).await.unwrap().map(|found| *found), None, "{key}");
    }
}

/// A load that began before the namespace was owed in place of its tags stores nothing under one of them.
#[tokio::test(start_paused = true)]
async fn a_load_that_names_a_tag_which_is_owed_with_the_namespace_stores_nothing() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let mine: Cache<u64> = cache(store.clone(), &clock, plain());
    let key = Key::new("k");
    mine.at(&Key::new("beside")).tag(tag(0)).set(1).await.unwrap();
    let gate = common::Gate::new();
    let loading = {
        let (mine, key, gate) = (mine.clone(), key.clone(), gate.clone());
        tokio::spawn(async move {
            let load = |_| async move {
                gate.pass().await;
                Ok::<_, std::convert::Infallible>(Loaded::new(1).tag(tag(0)))
            };
            mine.at(&key).get_or_load_with(load).await.map(|loaded| *loaded)
        })
    };
    common::settled().await;
    store.on(WRITES, Keys::Versions, Act::Fail(ErrorKind::Unavailable));
    for n in 0..TAGS {
        mine.invalidate_tag(&tag(n)).await.unwrap_err();
    }
    store.heal();
    gate.open();
    assert_eq!(soon(loading).await.unwrap().unwrap(), 1);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(served(&mine, &key).await, None);
}

/// Polls work so often and drops it; whether it had ended by then.
async fn polled(work: impl Future, times: usize) -> bool {
    let (mut work, mut polls) = (pin!(work), 0);
    poll_fn(|context| {
        if polls == times {
            return Poll::Ready(false);
        }
        polls += 1;
        match work.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if polls == times => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// An invalidation that is given up, wherever it was, is owed: a caller that has begun one is not served what it was to remove.
#[tokio::test(start_paused = true)]
async fn an_invalidation_that_is_given_up_at_any_await_is_made_up_for() {
    for kind in ["clear", "invalidate_tag", "expire_tag"] {
        for times in 0.. {
            let clock = Clock::manual();
            let store = Remote::new(&clock);
            let mine: Cache<u64> = cache(store.clone(), &clock, plain());
            let other: Cache<u64> = cache(store.clone(), &clock, plain());
            let key = Key::new("k");
            mine.at(&key).tag("t").set(1).await.unwrap();
            store.on_all(&Act::Delay(MS));
            let has_ended = match kind {
                "clear" => polled(mine.clear(), times).await,
                "invalidate_tag" => polled(mine.invalidate_tag("t"), times).await,
                _ => polled(mine.expire_tag("t"), times).await,
            };
            if times == 0 {
                assert_eq!(served(&mine, &key).await, Some(1), "{kind} was never begun");
                continue;
            }
            for _ in 0..3 {
                assert_eq!(served(&mine, &key).await, None, "{kind}, {times} times");
            }
            tokio::time::sleep(2 * SECOND).await;
            assert_eq!(served(&other, &key).await, None, "{kind}, {times} times, another process");
            if has_ended {
                assert!(times > 1, "{kind} waits for the store");
                break;
            }
        }
    }
}
