//! A breaker and time: stores that hang, answers that are slow, callers whose time is up; and stores that fail on purpose.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{sync::Arc, time::Duration};

use crate::common::{
    self, Act, Keys, MS, Op, READS, Remote, SECOND, WRITES, answer, cache, later, plain, said,
};
use larder_core::{
    Backend, Cache, Clock, ErrorKind, Key,
    backend::{CircuitState, GetOptions},
    cache::Status,
    key::{Namespace, StoreKey},
    layer::{Breaker, BreakerSettings, Calls, Deadline, Fault, FaultRule, Faults, Mishap},
};
use tokio::time::Instant;

/// So many failures open it.
const MANY: usize = 4;
const DEADLINE: Duration = Duration::from_millis(50);

fn settings() -> BreakerSettings {
    BreakerSettings::new().with_window(8)
}

fn circuit(store: &dyn Backend) -> larder_core::backend::Circuit {
    store.circuits().remove(0)
}

fn with_deadline(store: impl Backend, clock: &Clock, settings: BreakerSettings) -> Arc<dyn Backend> {
    Arc::new(Breaker::new(store, "shared", settings, clock).unwrap().with_deadline(DEADLINE).unwrap())
}

fn outside_of_a_deadline(store: impl Backend, clock: &Clock, settings: BreakerSettings) -> Arc<dyn Backend> {
    Arc::new(Breaker::new(Deadline::new(store, "shared", DEADLINE), "shared", settings, clock).unwrap())
}

type Made = fn(Arc<Remote>, &Clock, BreakerSettings) -> Arc<dyn Backend>;
const BOTH: [Made; 2] = [with_deadline, outside_of_a_deadline];

/// CONTRACT: at most a deadline until it is open, and nothing from then on; back again within the breaker's interval.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_nothing_while_it_is_open() {
    let clock = Clock::manual();
    for make in BOTH {
        let remote = Remote::new(&clock);
        let store = make(remote.clone(), &clock, settings());
        assert_eq!((*store).capabilities().deadline, Some(DEADLINE));
        let cache: Cache<u64> = cache(store.clone(), &clock, plain());
        let key = Key::new("k");
        remote.on(READS, Keys::Any, Act::Hang);
        remote.on(WRITES, Keys::Any, Act::Hang);
        let begun = Instant::now();
        for _ in 0..3 * MANY {
            let loaded = cache.get_or_load(&key, answer(7)).await.unwrap();
            assert_eq!((*loaded, loaded.status()), (7, Status::LoadedNotStored));
        }
        let took = begun.elapsed();
        assert!(took < u32::try_from(MANY + 1).unwrap() * (DEADLINE + 3 * MS), "{took:?}");
        assert_eq!(circuit(&*store).state, CircuitState::Open);
        assert_eq!(said(cache.get_or_load(&key, answer(8)).await), Ok(8));
        // A probe costs one caller its deadline.
        later(&clock, SECOND).await;
        let begun = Instant::now();
        cache.get(&key).await.unwrap_err();
        assert!(begun.elapsed() >= DEADLINE);
        remote.heal();
        later(&clock, SECOND).await;
        assert_eq!(said(cache.get_or_load(&key, answer(9)).await), Ok(9));
        assert_eq!(circuit(&*store).state, CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_time_is_up_says_nothing_of_the_server() {
    let clock = Clock::manual();
    for make in BOTH {
        let remote = Remote::new(&clock);
        let store = make(remote.clone(), &clock, settings());
        let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
        remote.on(READS, Keys::Any, Act::Delay(5 * MS));
        for _ in 0..100 {
            let options = GetOptions::new().with_until(Some(Instant::now() + MS));
            let error = (*store).get(&StoreKey::new(&space, &key), &options).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
        }
        assert_eq!(circuit(&*store).state, CircuitState::Closed);
    }
}

/// Timers that go off late, for all that was waiting, say that this process did not run: not that the server is away.
#[tokio::test(start_paused = true)]
async fn a_process_that_did_not_run_says_nothing_of_the_server() {
    let clock = Clock::manual();
    for make in BOTH {
        let remote = Remote::new(&clock);
        let store = make(remote.clone(), &clock, settings().with_slow(Some(20 * MS)));
        let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
        let (key, options) = (StoreKey::new(&space, &key), GetOptions::new());
        for act in [Act::Hang, Act::Delay(5 * MS)] {
            remote.heal();
            remote.on(READS, Keys::Any, act);
            for _ in 0..10 {
                let options = options.with_until(Some(Instant::now() + DEADLINE));
                let mut calls: Vec<_> = (0..10).map(|_| store.get(&key, &options)).collect();
                std::future::poll_fn(|context| {
                    assert!(calls.iter_mut().all(|call| call.as_mut().poll(context).is_pending()));
                    std::task::Poll::Ready(())
                })
                .await;
                tokio::time::advance(10 * DEADLINE).await;
                for call in calls {
                    let _ = call.await;
                }
            }
            assert_eq!(circuit(&*store).state, CircuitState::Closed);
        }
        // It notices all the same what does not answer while it runs.
        remote.heal();
        remote.on(READS, Keys::Any, Act::Hang);
        for _ in 0..MANY {
            let options = options.with_until(Some(Instant::now() + DEADLINE));
            store.get(&key, &options).await.unwrap_err();
        }
        assert_eq!(circuit(&*store).state, CircuitState::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_slow_counts_where_that_is_asked_for() {
    let clock = Clock::manual();
    for make in BOTH {
        for (slow, expected) in [(None, CircuitState::Closed), (Some(20 * MS), CircuitState::Open)] {
            let remote = Remote::new(&clock);
            let store = make(remote.clone(), &clock, settings().with_slow(slow));
            let cache: Cache<u64> = cache(store.clone(), &clock, plain());
            let key = Key::new("k");
            cache.set(&key, 1).await.unwrap();
            remote.on(&[Op::Get], Keys::Values, Act::Delay(21 * MS));
            for _ in 0..MANY {
                assert_eq!(common::there(&cache, &key).await, Some(1));
            }
            assert_eq!(circuit(&*store).state, expected);
        }
    }
}

/// Rules for chosen calls, through a cache: what a program's own test looks like.
#[tokio::test(start_paused = true)]
async fn a_reply_that_is_lost_has_landed_and_a_delay_ends_by_the_deadline() {
    let clock = Clock::manual();
    let faults = Faults::new(&clock);
    let store = Deadline::new(Fault::new(Remote::new(&clock), faults.clone()), "shared", DEADLINE);
    let cache: Cache<u64> = cache(store, &clock, plain());
    let key = Key::new("k");
    cache.set(&key, 1).await.unwrap();
    faults.always(Mishap::LosesReply(ErrorKind::Timeout));
    assert_eq!(cache.set(&key, 2).await.unwrap_err().kind(), ErrorKind::Timeout);
    faults.none();
    faults.set([FaultRule::new(Mishap::LosesReply(ErrorKind::Unavailable)).on(Calls::Deletes)]);
    assert_eq!(cache.delete(&key).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(common::there(&cache, &key).await, None);
    faults.always(Mishap::Delays(DEADLINE * 2));
    let begun = Instant::now();
    assert_eq!(cache.get(&key).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() < DEADLINE + 3 * MS);
    faults.always(Mishap::Hangs);
    assert_eq!(cache.delete(&key).await.unwrap_err().kind(), ErrorKind::Timeout);
}
