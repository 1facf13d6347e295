//! The verbs as their documentation promises them: expiring, fresh reads, policies of a call, conditional writes, taking.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{convert::Infallible, time::Duration};

use crate::common::{
    self, Act, Count, Gate, HOUR, Keys, Local, MINUTE, MS, READS, Remote, SECOND, WRITES, answer, asked,
    cache, every_store, failing, gated, plain, said, settled, soon, there,
};
use larder_core::{
    Cache, Clock, ErrorKind, Key, Ttl,
    backend::NullBackend,
    cache::{Loaded, Policy, Status},
};
use tokio::time::Instant;

fn revalidating() -> Policy {
    plain().stale_while_revalidate(HOUR).stale_if_error(10 * HOUR)
}

/// `expire`: what was there is served stale at once while one load makes another value, and plain reads miss.
#[tokio::test]
async fn what_was_expired_is_served_stale_while_one_load_runs() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for by_tag in [false, true] {
            let cache: Cache<u64> = cache(store.clone(), &clock, revalidating());
            let key = Key::new("k");
            cache.at(&key).tag("t").set(1).await.unwrap();
            if by_tag {
                cache.expire_tag("t").await.unwrap();
            } else {
                assert!(cache.expire(&key).await.unwrap(), "{name}");
                assert!(!cache.expire(&key).await.unwrap(), "{name}: it is stale already");
            }
            assert_eq!(there(&cache, &key).await, None, "{name}: nobody who serves no stale values sees it");
            assert!(!cache.contains(&key).await.unwrap(), "{name}");
            let (loads, gate) = (Count::new(), Gate::new());
            for _ in 0..10 {
                let (loads, gate) = (loads.clone(), gate.clone());
                let served = cache
                    .at(&key)
                    .tag("t")
                    .get_or_load(move || async move {
                        loads.add();
                        gate.pass().await;
                        Ok::<_, Infallible>(2)
                    })
                    .await
                    .unwrap();
                assert_eq!((*served, served.status()), (1, Status::Stale), "{name}, by tag {by_tag}");
            }
            gate.open();
            settled().await;
            assert_eq!((there(&cache, &key).await, loads.get()), (Some(2), 1), "{name}, by tag {by_tag}");
            cache.delete(&key).await.unwrap();
        }
    }
}

/// `expire`: where nothing serves stale values, it is removed; an expired copy does not outlive the window from now on.
#[tokio::test]
async fn what_was_expired_lives_no_longer_than_stale_values_do() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let key = Key::new("k");
        let plainly: Cache<u64> = cache(store.clone(), &clock, Policy::new(100 * HOUR));
        plainly.set(&key, 1).await.unwrap();
        assert!(plainly.expire(&key).await.unwrap(), "{name}");
        assert!(!plainly.delete(&key).await.unwrap(), "{name}: there is nothing left");

        let serving: Cache<u64> = cache(store, &clock, Policy::new(100 * HOUR).stale_if_error(HOUR));
        serving.set(&key, 2).await.unwrap();
        assert!(serving.expire(&key).await.unwrap());
        clock.advance(59 * MINUTE);
        assert_eq!(said(serving.get_or_load(&key, failing()).await), Ok(2), "{name}");
        clock.advance(2 * MINUTE);
        assert_eq!(said(serving.get_or_load(&key, failing()).await), Err(ErrorKind::Load), "{name}");
    }
}

/// `expire_tag`: up to sixteen in a row keep what was written before; more, and an `invalidate_tag`, do not; another process
/// sees the same.
#[tokio::test]
async fn expiring_a_tag_again_and_again_keeps_what_is_stale_up_to_a_limit() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store.clone(), &clock, revalidating().error_backoff(Duration::ZERO));
        let other: Cache<u64> =
            common::cache(store.clone(), &clock, revalidating().error_backoff(Duration::ZERO));
        let key = Key::new("k");
        cache.at(&key).tag("t").set(1).await.unwrap();
        for round in 0..16 {
            (if round % 2 == 0 { &cache } else { &other }).expire_tag("t").await.unwrap();
            for cache in [&cache, &other] {
                let served = cache.get_or_load(&key, failing()).await.unwrap();
                assert_eq!((*served, served.status()), (1, Status::Stale), "{name}, {round}");
                settled().await;
            }
        }
        cache.invalidate_tag("t").await.unwrap();
        for cache in [&cache, &other] {
            assert_eq!(said(cache.get_or_load(&key, failing()).await), Err(ErrorKind::Load), "{name}");
        }
        cache.at(&key).tag("t").set(2).await.unwrap();
        cache.expire_tag("t").await.unwrap();
        assert_eq!(said(other.get_or_load(&key, failing()).await), Ok(2), "{name}: after it, softly again");
        settled().await;
        cache.clear().await.unwrap();
        assert_eq!(said(other.get_or_load(&key, failing()).await), Err(ErrorKind::Load), "{name}: cleared");
    }
}

/// `fresh`: takes nothing of what is there, and stores what the loader makes.
#[tokio::test]
async fn a_fresh_call_takes_nothing_of_what_is_there() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for lease in [false, true] {
            let policy = if lease { revalidating().lease(MINUTE) } else { revalidating() };
            let cache: Cache<u64> = cache(store.clone(), &clock, policy);
            let key = Key::new("k");
            cache.set(&key, 1).await.unwrap();
            for stale in [false, true] {
                let loaded = cache.at(&key).fresh().get_or_load(answer(2)).await.unwrap();
                assert_eq!((*loaded, loaded.status()), (2, Status::Loaded), "{name}, {lease}, {stale}");
                assert_eq!(there(&cache, &key).await, Some(2), "{name}");
                cache.set(&key, 1).await.unwrap();
                clock.advance(11 * MINUTE);
            }
            // It excuses nothing: what is there is taken for nothing.
            assert_eq!(
                said(cache.at(&key).fresh().get_or_load(failing()).await),
                Err(ErrorKind::Load),
                "{name}"
            );
            // And a failure leaves it.
            let served = cache.get_or_load(&key, failing()).await.unwrap();
            assert_eq!((*served, served.status()), (1, Status::Stale), "{name}, {lease}");
            settled().await;
            cache.delete(&key).await.unwrap();
        }
    }
}

/// `fresh`: joins no load older than the call, and one that is younger; the older one does not store over it.
#[tokio::test]
async fn a_fresh_call_joins_no_older_load() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain());
        let key = Key::new("k");
        let (old_gate, new_gate) = (Gate::new(), Gate::new());
        let old = asked(&cache, &key, gated(&old_gate, 1));
        old_gate.reached_by(1).await;
        let fresh = tokio::spawn({
            let (cache, key, gate) = (cache.clone(), key.clone(), new_gate.clone());
            async move { said(cache.at(&key).fresh().get_or_load(gated(&gate, 2)).await) }
        });
        new_gate.reached_by(1).await;
        let joins = asked(&cache, &key, answer(3));
        settled().await;
        new_gate.open();
        assert_eq!(soon(fresh).await.unwrap(), Ok(2), "{name}");
        assert_eq!(said(soon(joins).await.unwrap()), Ok(2), "{name}");
        old_gate.open();
        assert_eq!(said(soon(old).await.unwrap()), Ok(1), "{name}: its own caller came before");
        settled().await;
        assert_eq!(there(&cache, &key).await, Some(2), "{name}");
        assert_eq!(cache.stats().loads, 2, "{name}");
    }
}

/// `fresh`: stores under the fence, as every load does.
#[tokio::test]
async fn a_fresh_call_is_fenced_as_every_load_is() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain());
        let (key, gate) = (Key::new("k"), Gate::new());
        cache.set(&key, 1).await.unwrap();
        let fresh = tokio::spawn({
            let (cache, key, gate) = (cache.clone(), key.clone(), gate.clone());
            async move { said(cache.at(&key).fresh().get_or_load(gated(&gate, 2)).await) }
        });
        gate.reached_by(1).await;
        cache.set(&key, 9).await.unwrap();
        gate.open();
        assert_eq!(fresh.await.unwrap(), Ok(2), "{name}");
        assert_eq!(there(&cache, &key).await, Some(9), "{name}");
    }
}

/// `policy`: holds for this call and no other, for what is read and for what is written.
#[tokio::test(start_paused = true)]
async fn a_policy_of_a_call_holds_for_that_call() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain());
        let key = Key::new("k");
        cache.at(&key).policy(|policy| policy.stale_if_error(HOUR)).set(1).await.unwrap();
        clock.advance(11 * MINUTE);
        assert_eq!(said(cache.get_or_load(&key, failing()).await), Err(ErrorKind::Load), "{name}");
        let excused =
            cache.at(&key).policy(|policy| policy.stale_if_error(HOUR)).get_or_load(failing()).await;
        assert_eq!(said(excused), Ok(1), "{name}");
        let revalidated =
            cache.at(&key).policy(|policy| policy.stale_while_revalidate(HOUR)).get_or_load(answer(2));
        assert_eq!(revalidated.await.unwrap().status(), Status::Stale, "{name}");
        settled().await;

        let begun = Instant::now();
        let slow = Key::new("slow");
        let late = cache.at(&slow).policy(|policy| policy.hard_deadline(200 * MS)).get_or_load(|| async {
            tokio::time::sleep(SECOND).await;
            Ok::<_, Infallible>(3)
        });
        assert_eq!(said(late.await), Err(ErrorKind::Timeout), "{name}");
        assert_eq!(begun.elapsed(), 200 * MS, "{name}");
        tokio::time::sleep(SECOND).await;
        assert_eq!(there(&cache, &slow).await, Some(3), "{name}: it has gone on");
        assert_eq!(cache.policy(), &plain(), "{name}");
    }
}

/// `policy`: one that cannot be is an error of the call, and nothing is done; changes add up.
#[tokio::test]
async fn a_policy_that_cannot_be_is_an_error_of_the_call() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let key = Key::new("k");
    let before = store.round_trips();
    let bad = |policy: Policy| policy.early_refresh(2.0);
    assert_eq!(said(cache.at(&key).policy(bad).get_or_load(answer(1)).await), Err(ErrorKind::Config));
    assert_eq!(cache.at(&key).policy(bad).set(1).await.map_err(|error| error.kind()), Err(ErrorKind::Config));
    assert_eq!(store.round_trips(), before);
    let both = cache
        .at(&key)
        .policy(|policy| policy.jitter(SECOND))
        .policy(|policy| policy.negative_ttl(7 * SECOND));
    let negative = |_| async { Ok::<_, Infallible>(Loaded::negative(1)) };
    let loaded = both.get_or_load_with(negative).await.unwrap();
    let Ttl::After(ttl) = loaded.remaining() else { panic!("no TTL") };
    assert!((7 * SECOND..=8 * SECOND).contains(&ttl), "{ttl:?}");
}

/// What a store fails is an error of every verb, and says which operation it was.
#[tokio::test]
async fn what_a_store_fails_is_an_error_of_the_verb() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, revalidating());
    let key = Key::new("k");
    cache.at(&key).tag("t").set(1).await.unwrap();
    for ops in [READS, WRITES] {
        let held = cache.get(&key).await.unwrap().unwrap();
        store.on(ops, Keys::Any, Act::Fail(ErrorKind::Unavailable));
        let mut kinds = Vec::new();
        let mut note = |name: &'static str, ended: Result<(), larder_core::Error>| {
            kinds.push((name, ended.map_err(|error| error.kind())));
        };
        note("set", cache.set(&Key::new("new"), 1).await);
        note("take", cache.take(&key).await.map(drop));
        note("expire", cache.expire(&key).await.map(drop));
        note("touch", cache.touch(&key, HOUR).await.map(drop));
        note("invalidate_tag", cache.invalidate_tag("t").await);
        note("expire_tag", cache.expire_tag("t").await);
        note("clear", cache.clear().await);
        note("delete", cache.delete(&key).await.map(drop));
        note("replace", cache.replace(&key, 2).await.map(drop));
        note("compare_and_set", cache.at(&key).compare_and_set(&held, 2).await.map(drop));
        store.heal();
        for (name, ended) in kinds {
            // Those that only write do not ask, and succeed where reads fail.
            let may_succeed = ops == READS && ["invalidate_tag", "clear", "delete"].contains(&name);
            assert!(
                ended == Err(ErrorKind::Unavailable) || may_succeed && ended.is_ok(),
                "{name}: {ended:?}"
            );
        }
        cache.at(&key).tag("t").set(1).await.unwrap();
    }
}

/// The null backend: every verb says that nothing was there, and every loader runs.
#[tokio::test]
async fn on_nothing_every_verb_says_that_nothing_was_there() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(NullBackend::new(), &clock, revalidating());
    let key = Key::new("k");
    for n in 0..3 {
        assert_eq!(said(cache.get_or_load(&key, answer(n)).await), Ok(n));
        assert_eq!(said(cache.at(&key).fresh().get_or_load(answer(n)).await), Ok(n));
    }
    assert!(cache.add(&key, 1).await.unwrap());
    assert!(!cache.replace(&key, 1).await.unwrap());
    assert!(!cache.expire(&key).await.unwrap());
    assert!(!cache.delete(&key).await.unwrap());
    assert!(cache.take(&key).await.unwrap().is_none());
    cache.expire_tag("t").await.unwrap();
}

/// What bounds all loads of a cache is not changed for one call, and that is said.
#[tokio::test]
async fn one_call_cannot_have_a_bound_on_loads_of_its_own() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain().max_loads(7));
    let key = Key::new("k");
    let refused =
        cache.at(&key).policy(|policy| policy.max_loads(8)).get_or_load(answer(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert!(refused.to_string().contains("max_loads"), "{refused}");
    let same = cache.at(&key).policy(|policy| policy.max_loads(7)).get_or_load(answer(1)).await;
    assert_eq!(*same.unwrap(), 1);
}
