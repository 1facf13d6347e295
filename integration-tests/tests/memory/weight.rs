//! E33, E34: what entries weigh, later as well, and whatever the program says.

use std::sync::Arc;

use larder_core::{
    Backend, Cache, Clock, ErrorKind, Key,
    backend::{Bound, Cause},
    cache::{Event, Listener},
    key::StoreKey,
};

use super::common::{KEYS, MINUTE, alive, entry, live, set, stores, usage};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn a_weigher_that_answers_nonsense_keeps_nothing_too_large() {
    let clock = Clock::manual();
    for store in stores(Bound::Bytes(MIB), &clock) {
        for weight in [u64::MAX, u64::MAX - 1, u64::MAX - 300, u64::MAX / 2 + 1, u64::from(u32::MAX), 1 << 32]
        {
            for n in 0..50 {
                let key = Key::new("k").part(n);
                let key = StoreKey::new(&KEYS, &key);
                set(&*store, &key, &entry(&clock, "small", MINUTE), MINUTE).await.unwrap();
                let heavy = live(&clock, Arc::new(vec![0_u8; 4096]), weight, MINUTE);
                let error = set(&*store, &key, &heavy, MINUTE).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                assert!(!alive(&*store, &key), "{weight}");
            }
        }
        assert_eq!(usage(&*store).entries, 0);
        // The sums are right afterwards.
        for n in 0..100 {
            let key = Key::new("k").part(n);
            set(&*store, &StoreKey::new(&KEYS, &key), &entry(&clock, "small", MINUTE), MINUTE).await.unwrap();
        }
        assert_eq!(usage(&*store).entries, 100, "{store:?}");
    }
}

#[tokio::test]
async fn a_cache_whose_weigher_answers_nonsense_or_panics_keeps_nothing() {
    fn weigher(n: u64) -> impl Fn(&Vec<u8>) -> u64 + Send + Sync {
        move |_| if n == 0 { panic!("as it should") } else { n }
    }
    for n in [0, u64::MAX] {
        for store in stores(Bound::Bytes(MIB), &Clock::manual()) {
            let cache: Cache<Vec<u8>> =
                Cache::builder(store).namespace("n").weigher(weigher(n)).build().unwrap();
            for key in 0..50 {
                let error = cache.set(&Key::new("k").part(key), vec![0; 4096]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TooLarge);
            }
            assert_eq!(cache.usage().unwrap().entries, 0);
        }
    }
}

fn of(store: &Arc<dyn Backend>) -> Cache<String> {
    Cache::builder(store.clone()).namespace("n").build().unwrap()
}

#[tokio::test]
async fn bytes_that_are_made_later_count_at_once() {
    for store in stores(Bound::Bytes(MIB), &Clock::system()) {
        let cache = of(&store);
        let key = Key::new("k");
        cache.set(&key, "x".repeat(10_000)).await.unwrap();
        let before = usage(&*store).weight;
        drop(cache.get_encoded(&key).await.unwrap());
        let after = usage(&*store).weight;
        assert!((10_000..10_200).contains(&(after - before)), "{store:?}: {before}, then {after}");
        drop(cache.get_encoded(&key).await.unwrap());
        assert_eq!(usage(&*store).weight, after, "once");
        // What is touched keeps its weight, and what is overwritten has its own.
        cache.touch(&key, std::time::Duration::from_secs(5)).await.unwrap();
        assert_eq!(usage(&*store).weight, after);
        cache.set(&key, "x".repeat(10_000)).await.unwrap();
        assert_eq!(usage(&*store).weight, before);
        // A load whose caller wants bytes.
        let other = Key::new("other");
        let load = || async { Ok::<_, std::io::Error>("x".repeat(10_000)) };
        drop(cache.at(&other).get_or_load_encoded(load).await.unwrap());
        let both = usage(&*store).weight;
        assert!(both - before >= 20_000, "{store:?}: {before}, then {both}");
    }
}

#[tokio::test]
async fn an_object_that_is_made_later_counts_at_once() {
    for store in stores(Bound::Bytes(MIB), &Clock::system()) {
        let cache = of(&store);
        let key = Key::new("k");
        cache.set(&key, "x".repeat(10_000)).await.unwrap();
        let encoded = cache.get_encoded(&key).await.unwrap().unwrap();
        // As a chain puts it here that has read it elsewhere.
        let space = cache.namespace().clone();
        let bytes = larder_core::Entry::from_body(encoded.body().clone(), encoded.meta().clone());
        set(&*store, &StoreKey::new(&space, &key), &bytes, MINUTE).await.unwrap();
        let before = usage(&*store).weight;
        assert_eq!(cache.get(&key).await.unwrap().unwrap().len(), 10_000);
        let after = usage(&*store).weight;
        assert!((10_000..10_200).contains(&(after - before)), "{store:?}: {before}, then {after}");
    }
}

#[tokio::test]
async fn what_becomes_too_heavy_is_evicted_and_told() {
    struct Counts;

    impl Listener for Counts {
        fn on_event(&self, _: &str, event: &Event<'_>) {
            assert!(!matches!(event, Event::Left { cause, .. } if *cause != Cause::Evicted), "{event:?}");
        }
    }

    for store in stores(Bound::Bytes(100_000), &Clock::system()) {
        // It says of itself that it is small, and its bytes are not.
        let cache: Cache<String> =
            Cache::builder(store.clone()).namespace("n").weigher(|_| 1).listener(Counts).build().unwrap();
        let key = Key::new("k");
        cache.set(&key, "x".repeat(200_000)).await.unwrap();
        assert_eq!(cache.get_encoded(&key).await.unwrap().unwrap().body().raw_len, 200_005);
        assert!(cache.get(&key).await.unwrap().is_none(), "{store:?}");
        assert_eq!((usage(&*store).entries, cache.stats().evictions), (0, 1));
    }
}

/// Many threads make the bytes of the entries of one store while others write them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_books_are_right_however_writing_and_growing_meet() {
    for store in stores(Bound::Bytes(64 * MIB), &Clock::system()) {
        let cache = of(&store);
        let tasks = (0..8).map(|task| {
            let cache = cache.clone();
            tokio::spawn(async move {
                for n in 0..2000 {
                    let key = Key::new("k").part(n * 7 % 13);
                    match (n + task) % 4 {
                        0 => cache.set(&key, "x".repeat(1000 + n)).await.unwrap(),
                        1 => drop(cache.touch(&key, std::time::Duration::from_mins(1)).await.unwrap()),
                        _ => drop(cache.get_encoded(&key).await.unwrap()),
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        // Whoever wrote last: weighed again, nothing changes.
        let before = usage(&*store).weight;
        let bounded = store.bounded().unwrap();
        for n in 0..13 {
            bounded.grew(&StoreKey::new(cache.namespace(), &Key::new("k").part(n)));
        }
        assert_eq!(usage(&*store).weight, before, "{store:?}");
    }
}
