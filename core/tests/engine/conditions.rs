//! Writes under conditions, and taking: of several at once one has it.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use crate::common::{self, HOUR, MINUTE, cache, every_store, plain, there};
use larder_core::{
    Cache, Clock, Key, Ttl,
    cache::{Policy, Swapped},
};

fn revalidating() -> Policy {
    plain().stale_while_revalidate(HOUR).stale_if_error(10 * HOUR)
}

/// `replace`: only what is there, and live; `add`: only what is not.
#[tokio::test]
async fn replace_and_add_are_each_others_opposites() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, revalidating());
        let key = Key::new("k");
        assert!(!cache.replace(&key, 1).await.unwrap(), "{name}");
        assert_eq!(there(&cache, &key).await, None, "{name}");
        assert!(cache.add(&key, 2).await.unwrap() && !cache.add(&key, 3).await.unwrap(), "{name}");
        assert!(cache.at(&key).tag("t").ttl(HOUR).replace(4).await.unwrap(), "{name}");
        assert_eq!(
            (there(&cache, &key).await, cache.ttl(&key).await.unwrap()),
            (Some(4), Some(Ttl::After(HOUR)))
        );
        cache.invalidate_tag("t").await.unwrap();
        assert!(!cache.replace(&key, 5).await.unwrap(), "{name}: what was invalidated is not there");
        assert!(cache.add(&key, 6).await.unwrap(), "{name}");
        clock.advance(11 * MINUTE);
        assert!(!cache.replace(&key, 7).await.unwrap(), "{name}: nor is what is stale");
        assert!(cache.add(&key, 8).await.unwrap(), "{name}");
        assert_eq!(there(&cache, &key).await, Some(8), "{name}");
        // A TTL of zero is over before it begins.
        assert!(cache.at(&key).ttl(Duration::ZERO).replace(9).await.unwrap(), "{name}");
        assert_eq!(there(&cache, &key).await, None, "{name}");
        assert!(!cache.at(&key).ttl(Duration::ZERO).replace(9).await.unwrap(), "{name}");
    }
}

/// Of several adds at once exactly one is true, over nothing and over what is dead.
#[tokio::test]
async fn of_several_adds_exactly_one_is_true() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for dead in [false, true] {
            let key = Key::new("k");
            let caches: Vec<Cache<u64>> = (0..4).map(|_| cache(store.clone(), &clock, plain())).collect();
            if dead {
                caches[0].at(&key).tag("t").set(0).await.unwrap();
                caches[1].invalidate_tag("t").await.unwrap();
            }
            let adds: Vec<_> = (1..=40_u64)
                .map(|n| {
                    let (cache, key) = (caches[usize::try_from(n % 4).unwrap()].clone(), key.clone());
                    tokio::spawn(async move { cache.add(&key, n).await.unwrap().then_some(n) })
                })
                .collect();
            let mut added = Vec::new();
            for add in adds {
                added.extend(add.await.unwrap());
            }
            assert_eq!(added.len(), 1, "{name}, over what is dead {dead}");
            assert_eq!(there(&caches[2], &key).await, Some(added[0]), "{name}");
            caches[3].delete(&key).await.unwrap();
        }
    }
}

/// `compare_and_set`: only over what was fetched, and it says why not.
#[tokio::test]
async fn compare_and_set_writes_over_what_was_fetched_and_nothing_else() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store.clone(), &clock, plain());
        let other: Cache<u64> = common::cache(store, &clock, plain());
        let key = Key::new("k");
        cache.set(&key, 1).await.unwrap();
        let fetched = cache.get(&key).await.unwrap().unwrap();
        assert_eq!(cache.at(&key).compare_and_set(&fetched, 2).await.unwrap(), Swapped::Yes, "{name}");
        assert_eq!(cache.at(&key).compare_and_set(&fetched, 3).await.unwrap(), Swapped::Changed, "{name}");
        let fetched = other.get_many([&key]).await.unwrap().values().unwrap().remove(0).unwrap();
        // What changes its TTL does not change what it is.
        assert!(cache.touch(&key, HOUR).await.unwrap());
        assert_eq!(other.at(&key).compare_and_set(&fetched, 4).await.unwrap(), Swapped::Yes, "{name}");
        let fetched = cache.get(&key).await.unwrap().unwrap();
        // Removed and made again is another one, with the same value, too.
        cache.delete(&key).await.unwrap();
        assert_eq!(cache.at(&key).compare_and_set(&fetched, 5).await.unwrap(), Swapped::Missing, "{name}");
        cache.set(&key, 4).await.unwrap();
        assert_eq!(cache.at(&key).compare_and_set(&fetched, 5).await.unwrap(), Swapped::Changed, "{name}");
        assert_eq!(there(&cache, &key).await, Some(4), "{name}");
        // Of many at once one has it.
        let fetched = cache.get(&key).await.unwrap().unwrap();
        let swaps: Vec<_> = (0..20_u64)
            .map(|n| {
                let (cache, key, fetched) = (cache.clone(), key.clone(), fetched.clone());
                tokio::spawn(async move { cache.at(&key).compare_and_set(&fetched, n).await.unwrap() })
            })
            .collect();
        let mut swapped = 0;
        for swap in swaps {
            swapped += u32::from(swap.await.unwrap() == Swapped::Yes);
        }
        assert_eq!(swapped, 1, "{name}");
    }
}

/// `take`: of several callers at once, in several processes, one has it, and stale, negative or invalidated ones are as reads
/// see them.
#[tokio::test]
async fn of_several_who_take_one_has_it() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let caches: Vec<Cache<u64>> = (0..4).map(|_| cache(store.clone(), &clock, revalidating())).collect();
        let key = Key::new("k");
        for round in 0..20 {
            caches[0].at(&key).tag("t").set(round).await.unwrap();
            let takes: Vec<_> = (0..40_usize)
                .map(|n| {
                    let (cache, key) = (caches[n % 4].clone(), key.clone());
                    tokio::spawn(async move { cache.take(&key).await.unwrap().map(|value| *value) })
                })
                .collect();
            let mut taken = Vec::new();
            for take in takes {
                taken.extend(take.await.unwrap());
            }
            assert_eq!(taken, [round], "{name}");
            assert!(!caches[1].contains(&key).await.unwrap(), "{name}");
        }
        caches[0].at(&key).tag("t").set(1).await.unwrap();
        caches[0].invalidate_tag("t").await.unwrap();
        assert!(caches[1].take(&key).await.unwrap().is_none(), "{name}: invalidated");
        caches[0].set(&key, 1).await.unwrap();
        clock.advance(11 * MINUTE);
        assert!(caches[1].take(&key).await.unwrap().is_none(), "{name}: stale");
    }
}
