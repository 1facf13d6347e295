//! Leases: one load in the fleet, whatever tokens the store has and whatever the clocks say.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{convert::Infallible, time::Duration};

use crate::common::{
    self, Act, Count, Gate, HOUR, Keys, MINUTE, MS, Op, Remote, SECOND, Tokens, WRITES, answer, asked, cache,
    failing, gated, plain, said, settled, soon, there,
};
use larder_core::{
    Cache, Clock, ErrorKind, Key, Miss, Ttl,
    cache::{Abandon, Found, Loaded, Policy, Status},
    entry::Kind,
};
use tokio::time::Instant;

const BOTH: [Tokens; 2] = [Tokens::Revision, Tokens::Own];

fn fails_in_bulk(keys: Vec<Key>, cache: &Cache<u64>) -> impl Future<Output = Vec<Option<u64>>> {
    let cache = cache.clone();
    async move {
        let fails = |_| async { Err::<Vec<(Key, u64)>, _>(std::io::Error::other("down")) };
        let answers = cache.get_or_load_many(&keys, fails).await.unwrap();
        answers
            .iter()
            .map(|answer| answer.as_ref().ok().and_then(|value| value.as_ref().map(|value| **value)))
            .collect()
    }
}

/// E23: a load that fails under leases, of one key or of many, leaves the stale copy that excuses it.
#[tokio::test]
async fn a_failing_load_under_leases_leaves_the_stale_copy() {
    let clock = Clock::manual();
    for tokens in BOTH {
        for single_first in [true, false] {
            let store = Remote::with_tokens(&clock, tokens);
            let policy = plain().stale_if_error(10 * HOUR).lease(2 * SECOND).error_backoff(Duration::ZERO);
            let cache: Cache<u64> = cache(store.clone(), &clock, policy);
            let (key, absent) = (Key::new("k"), Key::new("absent"));
            cache.set(&key, 1).await.unwrap();
            clock.advance(11 * MINUTE);
            for round in 0..3 {
                if single_first || round > 0 {
                    let served = cache.get_or_load(&key, failing()).await.unwrap();
                    assert_eq!((*served, served.status()), (1, Status::Stale), "{tokens:?}, {round}");
                }
                let served = fails_in_bulk(vec![key.clone(), absent.clone()], &cache).await;
                assert_eq!(served, [Some(1), None], "{tokens:?}, {round}");
                assert_eq!(store.entry(&key).unwrap().kind(), Kind::Value);
                assert!(!store.has(&absent), "its lease was given back");
            }
            assert_eq!(said(cache.get_or_load(&key, answer(2)).await), Ok(2));
        }
    }
}

/// E23: nor does a loader that panics, hangs, or says not to store.
#[tokio::test(start_paused = true)]
async fn no_end_of_a_load_under_leases_destroys_the_stale_copy() {
    let clock = Clock::manual();
    for tokens in BOTH {
        let store = Remote::with_tokens(&clock, tokens);
        let policy = plain()
            .stale_if_error(10 * HOUR)
            .lease(2 * SECOND)
            .error_backoff(Duration::ZERO)
            .load_limit(5 * SECOND)
            .soft_deadline(20 * SECOND);
        let cache: Cache<u64> = cache(store.clone(), &clock, policy);
        let key = Key::new("k");
        cache.set(&key, 1).await.unwrap();
        clock.advance(11 * MINUTE);
        assert_eq!(
            said(cache.get_or_load(&key, || async { panic!("a test") as Result<u64, Infallible> }).await),
            Ok(1)
        );
        assert_eq!(said(cache.get_or_load(&key, common::hanging()).await), Ok(1));
        let not_stored = |_| async { Ok::<_, Infallible>(Loaded::not_stored(3)) };
        assert_eq!(said(cache.at(&key).get_or_load_with(not_stored).await), Ok(3));
        assert_eq!(said(cache.get_or_load(&key, failing()).await), Ok(1), "{tokens:?}");
    }
}

/// E28: clocks of machines are not compared: a process whose clock is ahead, or behind, waits for a lease like others.
#[tokio::test(start_paused = true)]
async fn a_process_whose_clock_is_wrong_waits_for_leases_like_others() {
    for tokens in BOTH {
        for (ahead, back) in
            [(10 * SECOND, Duration::ZERO), (48 * HOUR, Duration::ZERO), (Duration::ZERO, 48 * HOUR)]
        {
            let (clock, other_clock) = (Clock::manual(), Clock::manual());
            other_clock.advance(ahead);
            other_clock.step_back(back);
            let store = Remote::with_tokens(&clock, tokens);
            let policy = Policy::new(Ttl::Never).lease(5 * SECOND);
            let here: Cache<u64> = cache(store.clone(), &clock, policy);
            let elsewhere: Cache<u64> = cache(store.clone(), &other_clock, policy);
            let (key, gate) = (Key::new("k"), Gate::new());
            let load = asked(&here, &key, gated(&gate, 1));
            gate.reached_by(1).await;
            let single = asked(&elsewhere, &key, answer(2));
            let many = in_bulk(&elsewhere, &key, 3);
            tokio::time::sleep(SECOND).await;
            let waiting = !single.is_finished() && !many.is_finished();
            assert!(waiting, "{tokens:?}, ahead {ahead:?}, back {back:?}");
            gate.open();
            assert_eq!(said(soon(load).await.unwrap()), Ok(1));
            assert_eq!(
                said(soon(single).await.unwrap()),
                Ok(1),
                "{tokens:?}, ahead {ahead:?}, back {back:?}"
            );
            assert_eq!(soon(many).await.unwrap(), Some(1), "{tokens:?}, ahead {ahead:?}, back {back:?}");
            assert_eq!(elsewhere.stats().loads, 0);
        }
    }
}

fn in_bulk(cache: &Cache<u64>, key: &Key, value: u64) -> tokio::task::JoinHandle<Option<u64>> {
    let (cache, key) = (cache.clone(), key.clone());
    tokio::spawn(async move {
        let load = move |missing: Vec<Key>| async move {
            Ok::<_, Infallible>(missing.into_iter().map(move |key| (key, value)))
        };
        cache.get_or_load_many([&key], load).await.unwrap().value(0).map(|value| **value)
    })
}

/// E28: a lease whose process is gone is taken over after its time, by the waiting process's own measure of durations,
/// whatever its clock says: no sooner, and not much later.
#[tokio::test(start_paused = true)]
async fn a_lease_whose_process_is_gone_is_taken_over_after_its_time() {
    for tokens in BOTH {
        for bulk in [false, true] {
            for ahead in [Duration::ZERO, HOUR] {
                let (clock, other_clock) = (Clock::manual(), Clock::manual());
                other_clock.advance(ahead);
                let store = Remote::with_tokens(&clock, tokens);
                let policy = Policy::new(Ttl::Never).lease(2 * SECOND);
                let gone: Cache<u64> = cache(store.clone(), &clock, policy.abandon(Abandon::Cancel));
                let key = Key::new("k");
                let gate = Gate::new();
                let load = asked(&gone, &key, gated(&gate, 1));
                gate.reached_by(1).await;
                // The store hears no more of it, not even that it gives its lease back.
                store.on(WRITES, Keys::With("s:k"), Act::Fail(ErrorKind::Unavailable));
                load.abort();
                settled().await;
                store.heal();
                assert_eq!(store.entry(&key).unwrap().kind(), Kind::Lease);

                let here: Cache<u64> = cache(store.clone(), &other_clock, policy);
                let begun = Instant::now();
                let loaded = if bulk {
                    in_bulk(&here, &key, 2).await.unwrap()
                } else {
                    said(here.get_or_load(&key, answer(2)).await).ok()
                };
                let waited = begun.elapsed();
                assert_eq!(loaded, Some(2));
                assert!(
                    (2 * SECOND..=3 * SECOND).contains(&waited),
                    "{tokens:?}, bulk {bulk}, {ahead:?}: {waited:?}"
                );
                assert_eq!(
                    there(&here, &key).await,
                    Some(2),
                    "{tokens:?}, bulk {bulk}, {ahead:?}: and it is stored"
                );
            }
        }
    }
}

/// E29: on a store with tokens of its own, loads under leases are stored, and renewed leases are known by their new tokens.
#[tokio::test(start_paused = true)]
async fn a_store_with_tokens_of_its_own_loads_and_stores() {
    let clock = Clock::manual();
    let store = Remote::with_tokens(&clock, Tokens::Own);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain().lease(2 * SECOND));
    let key = Key::new("k");
    let loaded = cache.get_or_load(&key, answer(1)).await.unwrap();
    assert_eq!(loaded.status(), Status::Loaded);
    assert_eq!(there(&cache, &key).await, Some(1));
    // Longer than the lease: it was renewed, several times.
    let slow = Key::new("slow");
    let load = || async {
        tokio::time::sleep(9 * SECOND).await;
        Ok::<_, Infallible>(2)
    };
    assert_eq!(cache.get_or_load(&slow, load).await.unwrap().status(), Status::Loaded);
    assert_eq!(there(&cache, &slow).await, Some(2));
    assert!(store.count(WRITES, Keys::With("s:slow")) >= 8);
}

/// E29: what is known of an entry by which the cache may change it is the store's token, in every verb that has a condition.
#[tokio::test]
async fn a_store_with_tokens_of_its_own_compares_by_them() {
    use larder_core::cache::Swapped;

    let clock = Clock::manual();
    let store = Remote::with_tokens(&clock, Tokens::Own);
    let policy = plain().stale_if_error(HOUR);
    let cache: Cache<u64> = cache(store.clone(), &clock, policy);
    let key = Key::new("k");
    // What was loaded can be compared as what was read can.
    let loaded = cache.get_or_load(&key, answer(1)).await.unwrap();
    assert_eq!(cache.at(&key).compare_and_set(&loaded, 2).await.unwrap(), Swapped::Yes);
    assert_eq!(cache.at(&key).compare_and_set(&loaded, 3).await.unwrap(), Swapped::Changed);
    let read = cache.get(&key).await.unwrap().unwrap();
    assert!(cache.expire(&key).await.unwrap());
    // What is stale is none.
    assert_eq!(cache.at(&key).compare_and_set(&read, 3).await.unwrap(), Swapped::Missing);
    assert_eq!(said(cache.get_or_load(&key, answer(4)).await), Ok(4));
    assert_eq!(cache.take(&key).await.unwrap().map(|value| *value), Some(4));
    assert_eq!(cache.at(&key).compare_and_set(&read, 3).await.unwrap(), Swapped::Missing);
    // An early refresh replaces what it has seen.
    let key = Key::new("early");
    let early = common::cache::<u64>(store, &clock, plain().early_refresh(0.5));
    early.set(&key, 1).await.unwrap();
    clock.advance(6 * MINUTE);
    assert_eq!(said(early.get_or_load(&key, answer(2)).await), Ok(1));
    settled().await;
    assert_eq!(there(&early, &key).await, Some(2));
}

/// One load in the fleet: of many processes that miss a key at once, one loads it.
#[tokio::test(start_paused = true)]
async fn of_many_processes_one_loads() {
    let clock = Clock::manual();
    for tokens in BOTH {
        let store = Remote::with_tokens(&clock, tokens);
        let (loads, key) = (Count::new(), Key::new("k"));
        let processes: Vec<_> = (0..8)
            .map(|_| {
                let cache: Cache<u64> = cache(store.clone(), &clock, plain().lease(5 * SECOND));
                let (loads, key) = (loads.clone(), key.clone());
                tokio::spawn(async move {
                    let callers: Vec<_> = (0..10)
                        .map(|_| {
                            let loads = loads.clone();
                            asked(&cache, &key, move || async move {
                                loads.add();
                                tokio::time::sleep(300 * MS).await;
                                Ok(1)
                            })
                        })
                        .collect();
                    for caller in callers {
                        assert_eq!(said(soon(caller).await.unwrap()), Ok(1));
                    }
                })
            })
            .collect();
        for process in processes {
            soon(process).await.unwrap();
        }
        assert_eq!(loads.get(), 1, "{tokens:?}");
    }
}

/// E22: a lease is no value to anybody: not to plain reads, not to a process that knows of no leases, not to an expiring.
#[tokio::test]
async fn a_lease_is_no_value_to_anybody() {
    let clock = Clock::manual();
    for tokens in BOTH {
        let store = Remote::with_tokens(&clock, tokens);
        let here: Cache<u64> = cache(store.clone(), &clock, plain().lease(MINUTE));
        let plainly: Cache<u64> = cache(store.clone(), &clock, plain());
        let (key, gate) = (Key::new("k"), Gate::new());
        let load = asked(&here, &key, gated(&gate, 1));
        gate.reached_by(1).await;
        assert_eq!(store.entry(&key).unwrap().kind(), Kind::Lease);
        assert!(matches!(plainly.look_up(&key).await.unwrap(), Found::Miss(Miss::Leased)));
        assert_eq!(plainly.get_many([&key]).await.unwrap().found().count(), 0);
        assert!(!plainly.contains(&key).await.unwrap());
        assert!(plainly.get_encoded(&key).await.unwrap().is_none());
        assert!(!plainly.touch(&key, HOUR).await.unwrap());
        gate.open();
        assert_eq!(said(soon(load).await.unwrap()), Ok(1));
        assert_eq!(there(&plainly, &key).await, Some(1), "{tokens:?}");
    }
}

/// E24: giving a lease back removes the lease and nothing that came in its place.
#[tokio::test]
async fn giving_a_lease_back_removes_nothing_else() {
    let clock = Clock::manual();
    for tokens in BOTH {
        for deletes_fail in [false, true] {
            let store = Remote::with_tokens(&clock, tokens);
            let here: Cache<u64> = cache(store.clone(), &clock, plain().lease(MINUTE));
            let elsewhere: Cache<u64> = cache(store.clone(), &clock, plain());
            let (key, gate) = (Key::new("k"), Gate::new());
            let load = tokio::spawn({
                let (here, key, gate) = (here.clone(), key.clone(), gate.clone());
                async move {
                    let fails = || async move {
                        gate.pass().await;
                        Err::<u64, _>(std::io::Error::other("down"))
                    };
                    said(here.get_or_load(&key, fails).await)
                }
            });
            gate.reached_by(1).await;
            elsewhere.set(&key, 9).await.unwrap();
            if deletes_fail {
                store.on(&[Op::Delete, Op::DeleteMany], Keys::Any, Act::Fail(ErrorKind::Busy));
            }
            gate.open();
            assert_eq!(load.await.unwrap(), Err(ErrorKind::Load));
            assert_eq!(there(&elsewhere, &key).await, Some(9), "{tokens:?}");
        }
    }
}

/// E2: a lease whose taking has been answered too late is given back, and nobody waits for it.
#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_without_an_answer_is_given_back() {
    let clock = Clock::manual();
    for tokens in BOTH {
        let store = Remote::with_tokens(&clock, tokens);
        let here: Cache<u64> = cache(store.clone(), &clock, plain().lease(MINUTE));
        let elsewhere: Cache<u64> = cache(store.clone(), &clock, plain().lease(MINUTE));
        let key = Key::new("k");
        store.on(&[Op::Set, Op::SetMany], Keys::With("s:k"), Act::LoseAnswer);
        assert_eq!(said(here.get_or_load(&key, answer(1)).await), Ok(1));
        store.heal();
        settled().await;
        let begun = Instant::now();
        assert_eq!(said(elsewhere.get_or_load(&key, answer(2)).await), Ok(2));
        // With tokens of its own the store has not said which one it was: then it ends with its time.
        if tokens == Tokens::Revision {
            assert_eq!(begun.elapsed(), Duration::ZERO);
        }
    }
}

/// A touch of zero wins over a load of the key, in memory as well, whether there was something or not.
#[tokio::test]
async fn a_touch_of_zero_wins_over_a_load() {
    let clock = Clock::manual();
    for (name, store) in common::every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain());
        let (key, gate) = (Key::new("k"), Gate::new());
        let load = asked(&cache, &key, gated(&gate, 1));
        gate.reached_by(1).await;
        assert!(!cache.touch(&key, Duration::ZERO).await.unwrap(), "{name}");
        gate.open();
        assert_eq!(said(soon(load).await.unwrap()), Ok(1), "{name}");
        settled().await;
        assert_eq!(there(&cache, &key).await, None, "{name}");
    }
}

/// A load that renews what stands holds it by its token, without a lease. If a clear ends that entry before the load takes its
/// stamps, only the entry's token keeps the load from storing: who expires or takes the key then has to remove what is over.
#[tokio::test]
async fn what_is_over_is_not_replaced_by_a_load_that_an_expire_or_a_take_has_overtaken() {
    for way in ["expire", "take", "touch", "delete"] {
        for tokens in BOTH {
            let clock = Clock::manual();
            let store = Remote::with_tokens(&clock, tokens);
            let policy = plain().stale_if_error(10 * HOUR).lease(MINUTE).early_refresh(1e-9).max_loads(1);
            let (mine, other): (Cache<u64>, Cache<u64>) =
                (cache(store.clone(), &clock, policy), cache(store.clone(), &clock, policy));
            let (key, busy, loading) = (Key::new("k"), Gate::new(), Gate::new());
            mine.set(&key, 1).await.unwrap();
            clock.advance(SECOND);
            // The load waits for its turn, and takes its stamps after that.
            let turn = asked(&mine, &Key::new("busy"), gated(&busy, 0));
            busy.reached_by(1).await;
            assert_eq!(said(mine.get_or_load(&key, gated(&loading, 1)).await), Ok(1));
            settled().await;
            other.clear().await.unwrap();
            busy.open();
            soon(turn).await.unwrap().unwrap();
            loading.reached_by(1).await;
            // Its loader has seen the old state of the database, which changes now.
            match way {
                "expire" => assert!(!other.expire(&key).await.unwrap()),
                "take" => assert!(other.take(&key).await.unwrap().is_none()),
                "touch" => assert!(!other.touch(&key, Duration::ZERO).await.unwrap()),
                _ => assert!(other.delete(&key).await.is_ok()),
            }
            loading.open();
            settled().await;
            for (name, cache) in [("mine", &mine), ("other", &other)] {
                assert_eq!(there(cache, &key).await, None, "{way}, {tokens:?}, {name}");
            }
        }
    }
}
