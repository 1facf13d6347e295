//! What leaves a store is reported once, to whom it belongs, with its cause.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use larder_core::{
    Backend, Cache, Clock, Key, Ttl,
    backend::{Bound, Cause},
    cache::{Event, Listener},
};

use super::common::{stores, usage};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Heard(Mutex<Vec<(String, Cause, Duration)>>);

impl Heard {
    fn take(&self) -> Vec<(String, Cause, Duration)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// Waits for what a sweep or a writer tells on another thread.
    async fn wait_for(&self, number: usize) -> Vec<(String, Cause, Duration)> {
        let mut all = self.take();
        let begun = std::time::Instant::now();
        while all.len() < number && begun.elapsed() < 30 * SECOND {
            tokio::time::sleep(Duration::from_millis(10)).await;
            all.extend(self.take());
        }
        all
    }
}

impl Listener for Heard {
    fn on_event(&self, _: &str, event: &Event<'_>) {
        if let Event::Left { key, cause, age } = event {
            self.0.lock().unwrap().push(((*key).to_owned(), *cause, *age));
        }
    }
}

fn cache(store: &Arc<dyn Backend>, clock: &Clock, namespace: &str) -> (Cache<u32>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let cache = Cache::builder(store.clone())
        .namespace(namespace)
        .clock(clock.clone())
        .listener(heard.clone())
        .build()
        .unwrap();
    (cache, heard)
}

#[tokio::test]
async fn each_cause_is_told_with_key_and_age() {
    let clock = Clock::manual();
    for store in stores(Bound::Entries(1000), &clock) {
        let (cache, heard) = cache(&store, &clock, "mine");
        let key = Key::new("k").part("a:b");
        cache.set(&key, 1).await.unwrap();
        clock.advance(2 * SECOND);
        cache.set(&key, 2).await.unwrap();
        assert_eq!(heard.take(), [(key.text().to_owned(), Cause::Replaced, 2 * SECOND)]);

        // Neither of these is one of the three.
        cache.touch(&key, 100 * SECOND).await.unwrap();
        cache.delete(&key).await.unwrap();
        cache.delete(&key).await.unwrap();
        assert_eq!(heard.take(), []);

        cache.at(&key).ttl(5 * SECOND).set(3).await.unwrap();
        clock.advance(7 * SECOND);
        assert_eq!(heard.wait_for(1).await, [(key.text().to_owned(), Cause::Expired, 7 * SECOND)]);
        // Overwritten, and over before that.
        cache.at(&key).ttl(5 * SECOND).set(4).await.unwrap();
        clock.advance(6 * SECOND);
        cache.set(&key, 5).await.unwrap();
        assert_eq!(heard.wait_for(1).await, [(key.text().to_owned(), Cause::Expired, 6 * SECOND)]);
        let stats = cache.stats();
        assert_eq!((stats.replacements, stats.expirations, stats.evictions), (1, 2, 0));
        assert_eq!(stats.mean_age_at_eviction(), None);
    }
}

#[tokio::test]
async fn a_full_store_tells_each_that_it_evicts_and_a_store_that_is_large_enough_none() {
    const WRITTEN: usize = 5000;
    let clock = Clock::manual();
    for bound in [Bound::Entries(1000), Bound::Bytes(500_000)] {
        for store in stores(bound, &clock) {
            let (cache, heard) = cache(&store, &clock, "mine");
            for n in 0..WRITTEN {
                cache.set(&Key::new("k").part(n), 1).await.unwrap();
                clock.advance(Duration::from_millis(1));
            }
            // What the last writes left above the bound is evicted by now.
            let left = WRITTEN - usize::try_from(usage(&*store).entries).unwrap();
            let mut told = heard.wait_for(left).await;
            assert!(told.iter().all(|(.., cause, _)| *cause == Cause::Evicted), "{told:?}");
            assert!(told.iter().all(|(.., age)| *age < 10 * SECOND), "{told:?}");
            told.sort_by(|(a, ..), (b, ..)| a.cmp(b));
            told.dedup_by(|(a, ..), (b, ..)| a == b);
            assert_eq!(told.len(), left, "{store:?}: each is reported once");
            for (key, ..) in told {
                let n: usize = key.strip_prefix("k:#").unwrap().parse().unwrap();
                assert!(cache.get(&Key::new("k").part(n)).await.unwrap().is_none(), "{key} is there");
            }
            let stats = cache.stats();
            assert_eq!((stats.evictions, stats.expirations), (left as u64, 0), "{store:?}");
            assert!(stats.mean_age_at_eviction().unwrap() > Duration::ZERO);
        }
    }
    for store in stores(Bound::Entries(100_000), &clock) {
        let (cache, heard) = cache(&store, &clock, "mine");
        for n in 0..WRITTEN {
            cache.at(&Key::new("k").part(n)).ttl(10 * SECOND).set(1).await.unwrap();
        }
        clock.advance(10 * SECOND);
        let told = heard.wait_for(WRITTEN).await;
        assert_eq!(told.len(), WRITTEN);
        assert!(told.iter().all(|(.., cause, _)| *cause == Cause::Expired));
        let stats = cache.stats();
        assert_eq!((stats.evictions, stats.expirations), (0, WRITTEN as u64));
    }
}

#[tokio::test]
async fn nobody_is_told_of_anothers_entries_and_who_is_gone_of_none() {
    let clock = Clock::manual();
    for store in stores(Bound::Entries(1000), &clock) {
        let (mine, heard) = cache(&store, &clock, "mine");
        let (other, not_heard) = cache(&store, &clock, "mine/not");
        let (_same, also_heard) = cache(&store, &clock, "mine");
        let key = Key::new("k");
        mine.set(&key, 1).await.unwrap();
        mine.set(&key, 2).await.unwrap();
        assert_eq!((heard.take().len(), not_heard.take().len(), also_heard.take().len()), (1, 0, 1));
        drop(mine);
        drop(other);
        assert_eq!(Arc::strong_count(&heard), 1, "the store holds nobody");
        for ttl in [Ttl::Never, Ttl::Never] {
            let (again, _) = cache(&store, &clock, "mine/not");
            again.at(&key).ttl(ttl).set(1).await.unwrap();
        }
        assert_eq!(not_heard.take(), []);
    }
}

/// An observer may use the store: no lock of it is held.
#[tokio::test]
async fn an_observer_may_use_the_store() {
    struct Asks(Mutex<Option<Arc<dyn Backend>>>);

    impl Listener for Asks {
        fn on_event(&self, _: &str, event: &Event<'_>) {
            if matches!(event, Event::Left { .. })
                && let Some(store) = self.0.lock().unwrap().clone()
            {
                drop(Cache::<u32>::builder(Arc::clone(&store)).namespace("mine").build().unwrap());
                assert!(usage(&*store).entries <= 1001);
            }
        }
    }

    let clock = Clock::manual();
    for store in stores(Bound::Entries(1000), &clock) {
        let asks = Arc::new(Asks(Mutex::new(Some(store.clone()))));
        let cache: Cache<u32> = Cache::builder(store.clone())
            .namespace("mine")
            .clock(clock.clone())
            .listener(asks.clone())
            .build()
            .unwrap();
        for n in 0..3000 {
            cache.set(&Key::new("k").part(n), 1).await.unwrap();
            cache.set(&Key::new("k").part(n), 2).await.unwrap();
        }
        asks.0.lock().unwrap().take();
    }
}
