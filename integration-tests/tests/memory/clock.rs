//! E31: TTLs in memory go by a clock that nobody sets.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use larder_core::{
    Backend as _, Cache, Clock, Key, Miss, Ttl,
    backend::{Bound, Lookup},
    cache::{Policy, Status},
    key::StoreKey,
};

use super::common::{KEYS, MINUTE, alive, entry, set, stores, usage};

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_clock_that_is_set_neither_revives_nor_ends_an_entry() {
    for step in [Clock::step_back, Clock::step_forward] {
        let clock = Clock::manual();
        for store in stores(Bound::Entries(100), &clock) {
            let cache: Cache<u32> =
                Cache::builder(store).namespace("n").clock(clock.clone()).build().unwrap();
            let (early, late) = (Key::new("early"), Key::new("late"));
            let there = async |key| cache.get(key).await.unwrap().is_some();
            cache.at(&early).ttl(60 * SECOND).set(1).await.unwrap();
            step(&clock, HOUR);
            assert!(there(&early).await);
            cache.at(&late).ttl(60 * SECOND).set(1).await.unwrap();
            assert!(there(&late).await);
            clock.advance(59 * SECOND);
            assert!(there(&early).await && there(&late).await);
            clock.advance(SECOND);
            assert!(!there(&early).await && !there(&late).await);
            step(&clock, HOUR);
            assert!(!there(&early).await && !there(&late).await);
        }
    }
}

/// The same for what is stale, which the store does not know of, and for ages.
#[tokio::test]
async fn a_clock_that_is_set_makes_nothing_stale_or_fresh() {
    for step in [Clock::step_back, Clock::step_forward] {
        let clock = Clock::manual();
        for store in stores(Bound::Entries(100), &clock) {
            let policy = Policy::new(60 * SECOND).stale_while_revalidate(HOUR);
            let cache: Cache<u32> =
                Cache::builder(store).namespace("n").policy(policy).clock(clock.clone()).build().unwrap();
            let key = Key::new("k");
            let load = || async { Ok::<_, Infallible>(1) };
            cache.get_or_load(&key, load).await.unwrap();
            step(&clock, HOUR);
            clock.advance(59 * SECOND);
            let fetched = cache.get_or_load(&key, load).await.unwrap();
            assert_eq!((fetched.status(), fetched.age()), (Status::Hit, 59 * SECOND));
            clock.advance(2 * SECOND);
            assert_eq!(cache.get_or_load(&key, load).await.unwrap().status(), Status::Stale);
        }
    }
}

/// A store that others write to, by the system's clock, as a chain does: what counts is how long they ask for.
#[tokio::test]
async fn an_entry_that_was_written_by_another_clock_ends_in_time() {
    for step in [Clock::step_back, Clock::step_forward] {
        let clock = Clock::manual();
        for store in stores(Bound::Entries(100), &clock) {
            step(&clock, HOUR);
            let key = Key::new("k");
            let key = StoreKey::new(&KEYS, &key);
            let now = clock.now();
            let meta = larder_core::entry::Meta::new(
                now,
                larder_core::entry::Lifetime::until(now.plus(60 * SECOND)),
            );
            let entry = entry(&clock, "v", MINUTE).with_meta(meta);
            assert!(set(&*store, &key, &entry, MINUTE).await.unwrap().took_place());
            assert!(alive(&*store, &key));
            clock.advance(59 * SECOND);
            assert!(alive(&*store, &key));
            clock.advance(SECOND);
            assert!(matches!(store.get_now(&key), Some(Lookup::Miss(Miss::Expired))));
        }
    }
}

#[tokio::test]
async fn what_is_over_before_it_is_written_replaces_and_is_not_kept() {
    let clock = Clock::manual();
    for store in stores(Bound::Entries(100), &clock) {
        let key = Key::new("k");
        let key = StoreKey::new(&KEYS, &key);
        assert!(set(&*store, &key, &entry(&clock, "old", MINUTE), MINUTE).await.unwrap().took_place());
        let late = entry(&clock, "late", Ttl::After(SECOND));
        clock.advance(2 * SECOND);
        assert!(set(&*store, &key, &late, MINUTE).await.unwrap().took_place());
        assert!(matches!(store.get_now(&key), Some(Lookup::Miss(Miss::Absent))));
        assert_eq!(usage(&*store).entries, 0);
    }
}

#[tokio::test]
async fn the_systems_clock_ends_a_ttl_too() {
    let clock = Clock::system();
    for store in stores(Bound::Entries(100), &clock) {
        let (key, ttl) = (Key::new("k"), Duration::from_millis(60));
        let key = StoreKey::new(&KEYS, &key);
        let begun = Instant::now();
        set(&*store, &key, &entry(&clock, "v", ttl.into()), ttl.into()).await.unwrap();
        while alive(&*store, &key) {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let resolution = store.capabilities().ttl_resolution;
        assert!(begun.elapsed() + resolution >= ttl, "gone after {:?}", begun.elapsed());
    }
}
