//! A load ends, whatever its loader does and wherever its task ran; nobody waits for what cannot come.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{convert::Infallible, sync::mpsc, time::Duration};

use crate::common::{
    self, Act, Count, Gate, HOUR, Lines, Local, MINUTE, MS, Remote, SECOND, answer, asked, cache,
    every_store, gated, hanging, keys, plain, said, settled, soon, there,
};
use larder_core::{
    Cache, Clock, ErrorKind, Key,
    cache::{Abandon, Policy, Status},
};
use tokio::time::Instant;

/// E1: a loader that hangs is given up after the load limit: who waits is told, and the key is free.
#[tokio::test(start_paused = true)]
async fn a_loader_that_hangs_is_given_up_and_its_key_is_free() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for lease in [None, Some(2 * SECOND)] {
            let mut policy = plain().load_limit(5 * SECOND);
            if let Some(time) = lease {
                policy = policy.lease(time);
            }
            let cache: Cache<u64> = cache(store.clone(), &clock, policy);
            let key = Key::new("k").part(lease.is_some());
            let begun = Instant::now();
            let first = asked(&cache, &key, hanging());
            settled().await;
            let second = asked(&cache, &key, answer(2));
            assert_eq!(said(soon(first).await.unwrap()), Err(ErrorKind::Timeout), "{name}, {lease:?}");
            assert_eq!(begun.elapsed().as_secs(), 5, "{name}, {lease:?}");
            // Who joined it is told the same, or loads in its place.
            assert!(matches!(said(soon(second).await.unwrap()), Ok(2) | Err(ErrorKind::Timeout)), "{name}");
            assert_eq!(
                said(soon(cache.get_or_load(&key, answer(3))).await).map(|v| v > 1),
                Ok(true),
                "{name}"
            );
        }
    }
}

/// E1: its place among the loads that may run at once is given back, too, and the log names the key.
#[tokio::test(start_paused = true)]
async fn a_loader_that_hangs_gives_its_turn_back_and_the_log_names_its_key() {
    let clock = Clock::manual();
    let (lines, _listening) = Lines::listen();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain().max_loads(1).load_limit(5 * SECOND));
    let hangs = asked(&cache, &Key::new("hanging"), hanging());
    settled().await;
    let mut others = Vec::new();
    for n in 0..50_u64 {
        others.push(asked(&cache, &Key::new("good").part(n), answer(n)));
    }
    assert_eq!(said(soon(hangs).await.unwrap()), Err(ErrorKind::Timeout));
    for (n, other) in (0..).zip(others) {
        assert_eq!(said(soon(other).await.unwrap()), Ok(n));
    }
    assert_eq!(lines.with("hanging").len(), 1, "{:?}", lines.with(""));
}

/// E1: nobody has to set a limit.
#[tokio::test(start_paused = true)]
async fn there_is_a_limit_when_none_is_set_and_none_when_that_is_said() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain());
    let begun = Instant::now();
    let key = Key::new("k");
    assert_eq!(said(soon(cache.get_or_load(&key, hanging())).await), Err(ErrorKind::Timeout));
    assert_eq!(begun.elapsed(), larder_core::cache::DEFAULT_LOAD_LIMIT);

    let slow = cache.at(&key).policy(|policy| policy.load_limit(Duration::MAX)).get_or_load(|| async {
        tokio::time::sleep(48 * HOUR).await;
        Ok::<_, Infallible>(7)
    });
    assert_eq!(said(slow.await), Ok(7));
}

/// E1: the loader's future is dropped, in a load of many keys as well, and every key of it is free.
#[tokio::test(start_paused = true)]
async fn a_bulk_loader_that_hangs_is_dropped_and_frees_all_its_keys() {
    struct Dropped(Count);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add();
        }
    }
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain().load_limit(5 * SECOND).max_loads(1));
        let keys = keys("k", 10);
        let dropped = Count::new();
        let loader = {
            let dropped = dropped.clone();
            move |_: Vec<Key>| {
                let dropped = Dropped(dropped.clone());
                async move {
                    let _dropped = dropped;
                    std::future::pending::<Result<Vec<(Key, u64)>, Infallible>>().await
                }
            }
        };
        let answers = soon(cache.get_or_load_many(&keys, loader)).await.unwrap();
        let kinds: Vec<_> = answers.failures().map(|(_, error)| error.kind()).collect();
        assert_eq!(kinds, [ErrorKind::Timeout; 10], "{name}");
        assert_eq!(dropped.get(), 1, "{name}");
        for key in &keys {
            assert_eq!(said(soon(cache.get_or_load(key, answer(1))).await), Ok(1), "{name}");
        }
    }
}

/// E1: a load in the background that hangs does not end the renewing for ever.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_in_the_background_ends_and_another_begins() {
    let clock = Clock::manual();
    let policy = plain().stale_while_revalidate(10 * HOUR).load_limit(5 * SECOND).error_backoff(SECOND);
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, policy);
    let key = Key::new("k");
    cache.set(&key, 1).await.unwrap();
    common::later(&clock, 11 * MINUTE).await;
    assert_eq!(cache.get_or_load(&key, hanging()).await.unwrap().status(), Status::Stale);
    common::later(&clock, 7 * SECOND).await;
    assert_eq!(said(cache.get_or_load(&key, answer(2)).await), Ok(1));
    settled().await;
    assert_eq!(there(&cache, &key).await, Some(2));
}

/// Outlasts the drop of what holds it, until it is told to go on.
struct Linger {
    dropped: mpsc::Sender<()>,
    go_on: std::sync::Mutex<mpsc::Receiver<()>>,
}

impl Drop for Linger {
    fn drop(&mut self) {
        let _ = self.dropped.send(());
        let _ = self.go_on.lock().unwrap().recv_timeout(MINUTE);
    }
}

/// E5: who comes while an abandoned load is being dropped has a loader of its own, and gets its value.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_joins_a_load_that_is_being_cancelled_becomes_the_leader() {
    let clock = Clock::system();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain().abandon(Abandon::Cancel));
    let (key, begun) = (Key::new("k"), Gate::new());
    let (dropped, is_dropped) = mpsc::channel();
    let (go, go_on) = mpsc::channel();
    let linger = Linger { dropped, go_on: go_on.into() };
    let first = asked(&cache, &key, {
        let begun = begun.clone();
        move || async move {
            let _linger = linger;
            begun.pass().await;
            Ok(1)
        }
    });
    begun.reached_by(1).await;
    first.abort();
    // The loader's future is now being dropped, on another thread.
    tokio::task::spawn_blocking(move || is_dropped.recv_timeout(MINUTE)).await.unwrap().unwrap();
    let many = tokio::spawn({
        let (cache, key) = (cache.clone(), key.clone());
        async move {
            let answers = cache
                .get_or_load_many([&key], |missing| async move {
                    Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 2)))
                })
                .await
                .unwrap();
            answers.values().map(|values| *values[0].clone().unwrap()).map_err(|error| error.to_string())
        }
    });
    let second = asked(&cache, &key, answer(2));
    // Both are waiting for what does not come.
    tokio::time::sleep(100 * MS).await;
    go.send(()).unwrap();
    assert_eq!(said(soon(second).await.unwrap()), Ok(2));
    assert_eq!(soon(many).await.unwrap(), Ok(2));
}

/// E5: the leader's runtime ends; those who wait on others load themselves, and hear nothing of it.
#[test]
fn who_waits_for_a_load_whose_runtime_ends_becomes_the_leader() {
    let clock = Clock::system();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain());
        let (key, begun) = (Key::new("k"), Gate::new());
        let leaders =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let lives =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let first = leaders.spawn({
            let (cache, key, begun) = (cache.clone(), key.clone(), begun.clone());
            async move { said(cache.get_or_load(&key, gated(&begun, 1)).await) }
        });
        lives.block_on(begun.reached_by(1));
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let (cache, key) = (cache.clone(), key.clone());
                lives.spawn(async move { said(cache.get_or_load(&key, answer(2)).await) })
            })
            .collect();
        while cache.stats().joined < 10 {
            std::thread::sleep(MS);
        }
        leaders.shutdown_background();
        for waiting in waiting {
            assert_eq!(lives.block_on(soon(waiting)).unwrap(), Ok(2), "{name}");
        }
        drop(first);
    }
}

/// E6: a load on a runtime that nobody drives is waited for no longer than loads last.
#[test]
fn a_load_on_a_runtime_that_nobody_drives_is_given_up() {
    let clock = Clock::system();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain().load_limit(200 * MS));
        let (key, begun) = (Key::new("k"), Gate::new());
        let still = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let first = still.spawn({
            let (cache, key, begun) = (cache.clone(), key.clone(), begun.clone());
            async move { said(cache.get_or_load(&key, gated(&begun, 1)).await) }
        });
        still.block_on(begun.reached_by(1));
        // And from here on nobody drives it.
        let lives = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let second = lives.block_on(soon(cache.get_or_load(&key, answer(2))));
        assert_eq!(said(second), Ok(2), "{name}");
        assert_eq!(said(lives.block_on(soon(cache.get_or_load(&key, answer(3))))), Ok(2), "{name}");
        // Driven again, what it makes is not stored over that.
        begun.open();
        let _ = still.block_on(soon(first)).unwrap();
        assert_eq!(lives.block_on(there(&cache, &key)), Some(2), "{name}");
    }
}

/// A policy with a deadline of 50 ms of each kind, and what a caller is told at its end who has a stale 1.
fn with_deadlines(policy: Policy) -> [(&'static str, Policy, Result<u64, ErrorKind>); 2] {
    [
        ("soft", policy.stale_if_error(10 * HOUR).soft_deadline(50 * MS), Ok(1)),
        ("hard", policy.hard_deadline(50 * MS), Err(ErrorKind::Timeout)),
    ]
}

/// E7: the load goes on behind a deadline also where abandoned loads are cancelled: nobody has left.
#[tokio::test(start_paused = true)]
async fn a_deadline_is_no_abandoning() {
    let clock = Clock::manual();
    for (name, policy, expected) in with_deadlines(plain().abandon(Abandon::Cancel)) {
        let cache: Cache<u64> = cache(Local::new(&clock), &clock, policy);
        let key = Key::new("k");
        cache.set(&key, 1).await.unwrap();
        common::later(&clock, 11 * MINUTE).await;
        let begun = Instant::now();
        let slow = || async {
            tokio::time::sleep(SECOND).await;
            Ok::<_, Infallible>(2)
        };
        assert_eq!(said(cache.get_or_load(&key, slow).await), expected, "{name}");
        assert_eq!(begun.elapsed(), 50 * MS, "{name}");
        common::later(&clock, 2 * SECOND).await;
        assert_eq!(there(&cache, &key).await, Some(2), "{name}");
    }
}

/// A load begins where its caller is, unless he has a deadline: a loader that keeps its thread would keep him, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_keeps_its_thread_does_not_keep_who_has_a_deadline() {
    let clock = Clock::manual();
    for (name, policy, expected) in with_deadlines(plain()) {
        let cache: Cache<u64> = cache(Local::new(&clock), &clock, policy);
        let key = Key::new("k");
        cache.set(&key, 1).await.unwrap();
        clock.advance(11 * MINUTE);
        let (go_on, waits) = mpsc::channel::<()>();
        let keeps = || async move {
            // Without an `await`, until the caller has been answered or the test has failed.
            let _ = waits.recv_timeout(10 * SECOND);
            Ok::<_, Infallible>(2)
        };
        let begun = std::time::Instant::now();
        // On a thread of the runtime: the one that runs the test itself is beside it.
        let asking = {
            let (cache, key) = (cache.clone(), key.clone());
            tokio::spawn(async move { said(cache.get_or_load(&key, keeps).await) })
        };
        assert_eq!(asking.await.unwrap(), expected, "{name}");
        assert!(begun.elapsed() < 10 * SECOND, "{name}: {:?}", begun.elapsed());
        drop(go_on);
    }
}

/// Loaders that ask for each other in a long line have a task each: none is polled by another.
#[tokio::test]
async fn loaders_may_nest_as_deeply_as_they_like() {
    fn asked_for(cache: &Cache<u64>, n: u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send + '_>> {
        Box::pin(async move {
            let below = cache.clone();
            let load = move || async move {
                Ok::<_, Infallible>(if n == 0 { 0 } else { asked_for(&below, n - 1).await + 1 })
            };
            *cache.get_or_load(&Key::new(n), load).await.unwrap()
        })
    }
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain());
        assert_eq!(asked_for(&cache, 3000).await, 3000, "{name}");
    }
}

/// E7: and what everybody has left is cancelled, where that is said.
#[tokio::test(start_paused = true)]
async fn what_everybody_has_left_is_cancelled_or_finished_as_the_policy_says() {
    let clock = Clock::manual();
    for (abandon, expected) in [(Abandon::Cancel, None), (Abandon::Finish, Some(1))] {
        let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain().abandon(abandon));
        let (key, gate) = (Key::new("k"), Gate::new());
        let first = asked(&cache, &key, gated(&gate, 1));
        gate.reached_by(1).await;
        first.abort();
        settled().await;
        gate.open();
        settled().await;
        assert_eq!(there(&cache, &key).await, expected, "{abandon:?}");
    }
}

/// E8: waiting for another process's lease takes no place among the loads that may run at once.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_lease_takes_no_turn() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let policy = plain().lease(20 * SECOND).max_loads(1);
    let (here, there): (Cache<u64>, Cache<u64>) =
        (cache(store.clone(), &clock, policy), cache(store.clone(), &clock, policy));
    let gate = Gate::new();
    let slow = asked(&there, &Key::new("slow"), gated(&gate, 1));
    gate.reached_by(1).await;
    let waits = asked(&here, &Key::new("slow"), answer(2));
    let many = tokio::spawn({
        let here = here.clone();
        async move {
            let keys = [Key::new("slow"), Key::new("free")];
            let answers = here
                .get_or_load_many(&keys, |missing| async move {
                    Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 3)))
                })
                .await
                .unwrap();
            answers.values().unwrap().into_iter().map(|value| *value.unwrap()).collect::<Vec<_>>()
        }
    });
    tokio::time::sleep(SECOND).await;
    assert!(here.stats().leases_awaited >= 1);
    let begun = Instant::now();
    assert_eq!(said(soon(here.get_or_load(&Key::new("quick"), answer(3))).await), Ok(3));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(
        common::there(&here, &Key::new("free")).await,
        Some(3),
        "loaded while the other is waited for"
    );
    gate.open();
    assert_eq!(said(soon(slow).await.unwrap()), Ok(1));
    assert_eq!(said(soon(waits).await.unwrap()), Ok(1));
    assert_eq!(soon(many).await.unwrap(), [1, 3]);
}

/// E1: a question for versions that a store without a deadline never answers is asked again, by whoever needs it.
#[tokio::test(start_paused = true)]
async fn a_question_that_is_never_answered_is_asked_again() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let key = Key::new("k");
    cache.set(&key, 1).await.unwrap();
    store.on_all(&Act::Hang);
    assert!(tokio::time::timeout(10 * MS, cache.get(&key)).await.is_err(), "the store hangs");
    store.heal();
    let found = soon(cache.get(&key)).await.unwrap();
    assert_eq!(found.map(|found| *found), Some(1));
}
