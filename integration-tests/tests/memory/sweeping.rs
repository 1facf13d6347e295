//! Expired entries are freed without being asked for.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use larder_core::{
    Clock, Key, Ttl,
    backend::{Bound, CounterOptions, TouchOptions},
    entry::Lifetime,
    key::StoreKey,
};

use super::common::{KEYS, MINUTE, alive, entry, live, set, stores, usage};

const PATIENCE: Duration = Duration::from_mins(1);

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn expired_entries_are_freed_without_being_read() {
    let clock = Clock::manual();
    // Made outside of a runtime, and outliving the one it was written from.
    for store in stores(Bound::Entries(100_000), &clock) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (dying, staying) = (Arc::new(1_u32), Arc::new(2_u32));
        let (freed, kept) = (Arc::downgrade(&dying), Arc::downgrade(&staying));
        runtime.block_on(async {
            let (a, b, c) = (Key::new("dying"), Key::new("staying"), Key::new("renewed"));
            let [a, b, c] = [&a, &b, &c].map(|key| StoreKey::new(&KEYS, key));
            set(&*store, &a, &live(&clock, dying, 4, MINUTE), MINUTE).await.unwrap();
            set(&*store, &b, &live(&clock, staying, 4, Ttl::Never), Ttl::Never).await.unwrap();
            set(&*store, &c, &entry(&clock, "v", MINUTE), MINUTE).await.unwrap();
            let longer = Duration::from_hours(1);
            let lifetime = Lifetime::until(clock.now().plus(longer));
            assert!(store.touch(&c, &TouchOptions::new(lifetime, longer.into())).await.unwrap());
        });
        drop(runtime);

        thread::sleep(Duration::from_millis(1500));
        assert!(freed.upgrade().is_some(), "its TTL is not over, by the clock that counts");
        clock.advance(Duration::from_mins(1));
        wait_until("it is still there", || freed.strong_count() == 0);
        assert!(kept.upgrade().is_some());
        wait_until("it is still counted", || usage(&*store).entries == 2);

        // A second time, with what was not due the first.
        clock.advance(Duration::from_hours(1));
        wait_until("it is still there", || usage(&*store).entries == 1);
        drop(store);
        // A sweep that is just going on holds it for a moment.
        wait_until("it is still held", || kept.upgrade().is_none());
    }
}

#[tokio::test]
async fn what_is_written_during_a_sweep_stays_and_is_swept_in_its_turn() {
    // A sweep is followed by a pause of 99 times its length.
    const ENTRIES: u32 = 4_000;
    let clock = Clock::manual();
    for store in stores(Bound::Entries(1 << 20), &clock) {
        let write = async |n: u32, ttl: Ttl| {
            let key = Key::new("user").part(n);
            set(&*store, &StoreKey::new(&KEYS, &key), &entry(&clock, "v", ttl), ttl).await.unwrap();
        };
        let is_alive = |n: u32| {
            let key = Key::new("user").part(n);
            alive(&*store, &StoreKey::new(&KEYS, &key))
        };
        for n in 0..ENTRIES {
            write(n, if n % 2 == 0 { MINUTE } else { Ttl::Never }).await;
        }
        clock.advance(Duration::from_mins(1));
        for n in (0..ENTRIES).step_by(4) {
            write(n, MINUTE).await;
        }
        wait_until("not swept", || usage(&*store).entries == u64::from(ENTRIES / 4 * 3));
        assert!((0..ENTRIES).all(|n| is_alive(n) == (n % 4 != 2)));
        clock.advance(Duration::from_mins(1));
        wait_until("forgotten by the sweep", || usage(&*store).entries == u64::from(ENTRIES / 2));
    }
}

#[tokio::test]
async fn counters_are_within_the_bound_and_freed_when_they_are_over() {
    let clock = Clock::manual();
    for store in stores(Bound::Entries(100), &clock) {
        let options = CounterOptions::new(MINUTE).with_initial(Some(1));
        for n in 0..1000 {
            let key = Key::new("k").part(n);
            store.counters().unwrap().increment(&StoreKey::new(&KEYS, &key), 1, &options).await.unwrap();
        }
        assert!((1..=100).contains(&usage(&*store).entries), "{store:?}");
        clock.advance(Duration::from_mins(1));
        wait_until("still there", || usage(&*store).entries == 0);
    }
}
