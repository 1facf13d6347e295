//! A load ends, whatever its loader does and wherever its task ran; nobody waits for what cannot come.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use std::{convert::Infallible, sync::mpsc, time::Duration};

use common::{
    Count, Gate, HOUR, Lines, Local, MINUTE, MS, Remote, SECOND, answer, asked, cache, every_store, gated,
    hanging, keys, plain, said, settled, soon, there,
};
use larder_core::{
    Cache, Clock, ErrorKind, Key,
    cache::{Abandon, Status, inherit},
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
            assert_eq!(said(first.await.unwrap()), Err(ErrorKind::Timeout), "{name}, {lease:?}");
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
    assert_eq!(said(hangs.await.unwrap()), Err(ErrorKind::Timeout));
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
    assert_eq!(said(cache.get_or_load(&key, hanging()).await), Err(ErrorKind::Timeout));
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
        let answers = cache.get_or_load_many(&keys, loader).await.unwrap();
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
            assert_eq!(there(&cache, &Key::new("a")).await.is_some(), true, "{name}");
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
        let of_own = many[0].as_ref().map(|_| ()).map_err(|error| error.kind());
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
    assert_eq!(said(shared.await.unwrap()), Ok(1));
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

/// E7: the load goes on behind a deadline also where abandoned loads are cancelled: nobody has left.
#[tokio::test(start_paused = true)]
async fn a_deadline_is_no_abandoning() {
    let clock = Clock::manual();
    let policy = plain().stale_if_error(10 * HOUR).abandon(Abandon::Cancel);
    for (name, policy, expected) in [
        ("soft", policy.soft_deadline(50 * MS), Ok(1)),
        ("hard", policy.stale_if_error(Duration::ZERO).hard_deadline(50 * MS), Err(ErrorKind::Timeout)),
    ] {
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
    assert_eq!(said(slow.await.unwrap()), Ok(1));
    assert_eq!(said(soon(waits).await.unwrap()), Ok(1));
    assert_eq!(soon(many).await.unwrap(), [1, 3]);
}
