//! Loaders that wait for each other, in whatever tasks: who would close the ring is told.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{convert::Infallible, time::Duration};

use crate::common::{
    Gate, Lines, Local, SECOND, answer, asked, cache, every_store, gated, plain, said, settled, soon, there,
};
use larder_core::{Cache, Clock, Error, ErrorKind, Key, cache::inherit};
use tokio::time::Instant;

/// Two tasks, each of which loads one key and asks for the other's in its loader.
async fn two_that_wait_for_each_other(cache: &Cache<u64>) -> [Result<u64, ErrorKind>; 2] {
    let (a, b) = (Key::new("a"), Key::new("b"));
    let both = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let ask = |own: &Key, other: &Key| {
        let (inner, other, both) = (cache.clone(), other.clone(), both.clone());
        asked(cache, own, move || async move {
            both.wait().await;
            let other = said(inner.get_or_load(&other, answer(10)).await);
            // What the ring's end makes of it.
            Ok(if other == Err(ErrorKind::Recursion) { 1 } else { other.unwrap() + 1 })
        })
    };
    let (one, two) = (ask(&a, &b), ask(&b, &a));
    [said(soon(one).await.unwrap()), said(soon(two).await.unwrap())]
}

/// E3: of two loaders that wait for each other's key, in two tasks, the one that would close the ring gets an error.
#[tokio::test(start_paused = true)]
async fn two_loaders_that_wait_for_each_other_both_end_at_once() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for max_loads in [1024, 2] {
            let cache: Cache<u64> = cache(store.clone(), &clock, plain().max_loads(max_loads));
            let begun = Instant::now();
            let mut answers = two_that_wait_for_each_other(&cache).await;
            answers.sort_by_key(|answer| answer.unwrap_or(0));
            assert_eq!(answers, [Ok(1), Ok(2)], "{name}, {max_loads}");
            assert_eq!(begun.elapsed(), Duration::ZERO, "{name}, {max_loads}");
            // Both are stored.
            assert!(there(&cache, &Key::new("a")).await.is_some(), "{name}");
            cache.delete_many([&Key::new("a"), &Key::new("b")]).await.unwrap();
        }
    }
}

/// E3: a longer ring, and one in which a bulk load is a link.
#[tokio::test(start_paused = true)]
async fn a_ring_of_three_with_a_bulk_load_in_it_is_seen() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain());
    let all = std::sync::Arc::new(tokio::sync::Barrier::new(3));
    let ask = |own: &'static str, other: &'static str| {
        let (inner, all) = (cache.clone(), all.clone());
        asked(&cache, &Key::new(own), move || async move {
            all.wait().await;
            Ok(said(inner.get_or_load(&Key::new(other), answer(10)).await).map_or(1, |value| value + 1))
        })
    };
    let (a, b) = (ask("a", "b"), ask("b", "c"));
    let c = tokio::spawn({
        let (cache, inner, all) = (cache.clone(), cache.clone(), all.clone());
        async move {
            let keys = [Key::new("c"), Key::new("d")];
            let answers = cache
                .get_or_load_many(&keys, move |missing| async move {
                    all.wait().await;
                    let a = inner.get_or_load(&Key::new("a"), answer(10)).await;
                    Ok::<_, Infallible>(
                        missing.into_iter().map(move |key| (key, said(a.clone()).map_or(1, |a| a + 1))),
                    )
                })
                .await
                .unwrap();
            answers.values().map(|values| *values[0].clone().unwrap()).map_err(|error| error.kind())
        }
    });
    let begun = Instant::now();
    let mut answers = [said(soon(a).await.unwrap()), said(soon(b).await.unwrap()), soon(c).await.unwrap()];
    answers.sort_by_key(|answer| answer.unwrap_or(0));
    assert_eq!(answers, [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// E3: a loader that asks for its own key, alone or among others, is told at once.
#[tokio::test(start_paused = true)]
async fn a_loader_that_asks_for_its_own_key_is_told() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain());
    let key = Key::new("k");
    let (inner, own) = (cache.clone(), key.clone());
    let loader = move || async move {
        let single = said(inner.get_or_load(&own, answer(0)).await);
        let many = inner
            .get_or_load_many([&own, &Key::new("other")], |missing| async move {
                Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 5)))
            })
            .await
            .unwrap();
        let of_own = many[0].as_ref().map(|_| ()).map_err(Error::kind);
        let of_other = many.value(1).map(|value| **value);
        assert_eq!(single, Err(ErrorKind::Recursion));
        assert_eq!(of_own, Err(ErrorKind::Recursion));
        Ok::<_, Infallible>(of_other.unwrap())
    };
    assert_eq!(said(soon(cache.get_or_load(&key, loader)).await), Ok(5));
}

/// E3: not a ring: two loaders that both wait for a third, and a chain of loaders.
#[tokio::test(start_paused = true)]
async fn waiting_for_the_same_load_is_no_ring() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain().max_loads(1));
    let gate = Gate::new();
    let shared = asked(&cache, &Key::new("shared"), gated(&gate, 1));
    gate.reached_by(1).await;
    let mut above = Vec::new();
    for n in 0..5_u64 {
        let inner = cache.clone();
        above.push(asked(&cache, &Key::new("above").part(n), move || async move {
            let key = Key::new("shared");
            Ok(said(inner.get_or_load(&key, answer(9)).await).unwrap() + 1)
        }));
    }
    settled().await;
    gate.open();
    assert_eq!(said(soon(shared).await.unwrap()), Ok(1));
    for above in above {
        assert_eq!(said(soon(above).await.unwrap()), Ok(2));
    }
}

/// E4: a loader that spawns a task which loads its own key ends with the load limit, and the log says which key.
#[tokio::test(start_paused = true)]
async fn a_loader_that_waits_for_its_own_key_in_a_spawned_task_ends() {
    let clock = Clock::manual();
    let (lines, _listening) = Lines::listen();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain().load_limit(5 * SECOND));
    let key = Key::new("spawning");
    let (inner, own) = (cache.clone(), key.clone());
    let loader = move || async move {
        let spawned = tokio::spawn(async move { said(inner.get_or_load(&own, answer(1)).await) });
        Ok::<_, Infallible>(spawned.await.unwrap().unwrap_or(0))
    };
    let begun = Instant::now();
    assert_eq!(said(soon(cache.get_or_load(&key, loader)).await), Err::<u64, _>(ErrorKind::Timeout));
    assert_eq!(begun.elapsed(), 5 * SECOND);
    assert_eq!(lines.with("spawning").len(), 1);
    assert_eq!(said(soon(cache.get_or_load(&key, answer(2))).await), Ok(2));
}

/// E4: with `inherit`, the ring is seen in the spawned task, and what it loads needs no turn of its own.
#[tokio::test(start_paused = true)]
async fn a_spawned_task_that_inherits_sees_rings_and_needs_no_turn() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain().max_loads(1));
    let key = Key::new("k");
    let (inner, own) = (cache.clone(), key.clone());
    let loader = move || async move {
        let spawned = tokio::spawn(inherit(async move {
            let ring = said(inner.get_or_load(&own, answer(1)).await);
            let other = said(inner.get_or_load(&Key::new("other"), answer(5)).await);
            (ring, other)
        }));
        assert_eq!(spawned.await.unwrap(), (Err(ErrorKind::Recursion), Ok(5)));
        Ok::<_, Infallible>(1)
    };
    let begun = Instant::now();
    assert_eq!(said(soon(cache.get_or_load(&key, loader)).await), Ok::<u64, ErrorKind>(1));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// E4: without it, at the limit of loads, the load limit ends it: nothing hangs for ever.
#[tokio::test(start_paused = true)]
async fn a_spawned_task_that_needs_a_turn_ends_with_the_load_limit() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain().max_loads(1).load_limit(5 * SECOND));
    let inner = cache.clone();
    let loader = move || async move {
        let spawned = tokio::spawn(async move { said(inner.get_or_load(&Key::new("b"), answer(1)).await) });
        Ok::<_, Infallible>(spawned.await.unwrap().unwrap_or(0))
    };
    assert_eq!(
        said(soon(cache.get_or_load(&Key::new("a"), loader)).await),
        Err::<u64, _>(ErrorKind::Timeout)
    );
    assert_eq!(
        said(soon(cache.get_or_load(&Key::new("b"), answer(2))).await),
        Ok(1),
        "the spawned one has gone on"
    );
}
