//! What a near hit costs, in front of a real Redis: a copy is decoded once, and its value then stands within the entry.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder_core::{
    Backend, Cache, Chain, Clock, Key,
    backend::{DeleteOptions, Lookup, SetOptions},
    entry::{Body, Lifetime, Meta},
    key::{Namespace, StoreKey},
};
use larder_moka::{MokaBackend, MokaConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::RedisServer;
use serde::{Deserialize, Deserializer, Serialize};

const HOUR: Duration = Duration::from_hours(1);

/// How often a value was decoded in this process.
static DECODED: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Page(String);

impl<'de> Deserialize<'de> for Page {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, Ordering::Relaxed);
        Ok(Self(String::deserialize(deserializer)?))
    }
}

/// The near stores: bounded by entries and by bytes.
fn near_stores(clock: &Clock) -> Vec<Arc<dyn Backend>> {
    vec![
        Arc::new(QuickCacheBackend::new(QuickCacheConfig::default(), clock.clone()).unwrap()),
        Arc::new(QuickCacheBackend::new(QuickCacheConfig::bytes(1 << 20), clock.clone()).unwrap()),
        Arc::new(MokaBackend::new(MokaConfig::default(), clock.clone()).unwrap()),
        Arc::new(MokaBackend::new(MokaConfig::bytes(1 << 20), clock.clone()).unwrap()),
    ]
}

#[tokio::test]
async fn a_near_copy_is_decoded_once() {
    let server = RedisServer::start();
    let clock = Clock::system();
    for (number, near) in near_stores(&clock).into_iter().enumerate() {
        let far = || RedisBackend::new(RedisConfig::new(server.url())).unwrap();
        let namespace = format!("pages{number}");
        let pages = |store: Arc<dyn Backend>| -> Cache<Page> {
            Cache::builder(store).namespace(&namespace).clock(clock.clone()).build().unwrap()
        };
        let (chain, key) = (Chain::new(far(), &clock).without_bus().near(near).unwrap(), Key::new("k"));
        let (near, others) = (pages(Arc::new(chain.near_ttl(HOUR).unwrap())), pages(Arc::new(far())));
        others.set(&key, Page("one".into())).await.unwrap();

        let decoded = DECODED.load(Ordering::Relaxed);
        let mut read = Vec::new();
        for _ in 0..5 {
            let page = near.get(&key).await.unwrap().unwrap();
            assert_eq!(*page, Page("one".into()));
            read.push((page.is_near(), std::ptr::from_ref(&*page)));
        }
        assert_eq!(
            read.iter().map(|(is_near, _)| *is_near).collect::<Vec<_>>(),
            [false, true, true, true, true]
        );
        assert!(read[2..].iter().all(|(_, value)| *value == read[1].1), "the near hits share a value");
        // Once for who read far, once for the copy.
        assert_eq!(DECODED.load(Ordering::Relaxed) - decoded, 2);
        // Its bytes are the store's, and are not made anew.
        let encoded = (
            near.get_encoded(&key).await.unwrap().unwrap(),
            others.get_encoded(&key).await.unwrap().unwrap(),
        );
        assert!(encoded.0.is_near());
        assert_eq!(encoded.0.body(), encoded.1.body());

        near.delete(&key).await.unwrap();
        assert_eq!(near.get(&key).await.unwrap().map(|page| page.0.clone()), None);
    }
}

/// What takes another's place lives no longer than that, and nothing is replaced but the very entry.
#[tokio::test]
async fn an_entry_is_exchanged_for_itself_alone() {
    let clock = Clock::manual();
    for store in near_stores(&clock) {
        let bounded = store.bounded().unwrap();
        let (namespace, key) = (Namespace::new("n", 0).unwrap(), Key::new("k"));
        let key = StoreKey::new(&namespace, &key);
        let entry = |text: &'static str| {
            let lifetime = Lifetime::until(clock.now().plus(HOUR));
            larder_core::Entry::from_body(Body::raw(text.into(), 3), Meta::new(clock.now(), lifetime))
        };
        let held = || match store.get_now(&key) {
            Some(Lookup::Hit(entry)) => Some(entry),
            _ => None,
        };
        let (one, two, other) = (entry("one"), entry("two"), entry("other"));
        bounded.exchange(&key, &one, &two);
        assert!(held().is_none(), "nothing was there");

        store.set(&key, &one, &SetOptions::new(larder_core::Ttl::After(HOUR / 2))).await.unwrap();
        let one = held().unwrap();
        bounded.exchange(&key, &other, &two);
        assert!(held().unwrap().is(&one), "another one was there");
        bounded.exchange(&key, &one, &two);
        assert!(held().unwrap().is(&two));
        clock.advance(HOUR / 2);
        assert!(held().is_none(), "its TTL is over");

        store.set(&key, &one, &SetOptions::new(larder_core::Ttl::Never)).await.unwrap();
        let one = held().unwrap();
        store.delete(&key, &DeleteOptions::new()).await.unwrap();
        bounded.exchange(&key, &one, &two);
        assert!(held().is_none(), "it was removed");
    }
}
