//! Stores on every map, and entries to write.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use larder_core::{
    Backend, Clock, Entry, Ttl,
    backend::{Bound, Lookup, SetOptions, Usage, Written},
    entry::{Body, Encode, Lifetime, Live, Meta},
    error::Result,
    key::{Namespace, StoreKey},
};
use larder_moka::{MokaBackend, MokaConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};

pub(crate) const MINUTE: Ttl = Ttl::After(Duration::from_mins(1));

/// The namespace of all keys.
pub(crate) static KEYS: LazyLock<Namespace> = LazyLock::new(|| Namespace::new("shop/users", 1).unwrap());

/// A store of this bound on every map.
pub(crate) fn stores(bound: Bound, clock: &Clock) -> Vec<Arc<dyn Backend>> {
    let config = match bound {
        Bound::Entries(max) => QuickCacheConfig::entries(max),
        Bound::Bytes(max) => QuickCacheConfig::bytes(max),
    };
    vec![
        Arc::new(QuickCacheBackend::new(config.clone(), clock.clone()).unwrap()),
        Arc::new(MokaBackend::new(MokaConfig::clone(&config), clock.clone()).unwrap()),
    ]
}

pub(crate) fn usage(store: &dyn Backend) -> Usage {
    store.bounded().expect("it is bounded").usage()
}

pub(crate) fn alive(store: &dyn Backend, key: &StoreKey<'_>) -> bool {
    matches!(store.get_now(key), Some(Lookup::Hit(_)))
}

pub(crate) fn entry(clock: &Clock, text: &str, ttl: Ttl) -> Entry {
    Entry::from_body(Body::raw(text.as_bytes().to_vec().into(), 0), meta(clock, ttl))
}

/// An entry of this object, which is said to weigh this much.
pub(crate) fn live<T: Send + Sync + 'static>(clock: &Clock, value: Arc<T>, weight: u64, ttl: Ttl) -> Entry {
    Entry::from_live(value, Arc::new(Never(weight)), meta(clock, ttl))
}

pub(crate) async fn set(store: &dyn Backend, key: &StoreKey<'_>, entry: &Entry, ttl: Ttl) -> Result<Written> {
    store.set(key, entry, &SetOptions::new(ttl)).await
}

fn meta(clock: &Clock, ttl: Ttl) -> Meta {
    let now = clock.steady().now();
    Meta::new(now, Lifetime::until(ttl.expires(now)))
}

/// Encodes nothing, and weighs everything alike.
struct Never(u64);

impl Encode for Never {
    fn serialize(&self, _: &Live) -> Result<Vec<u8>> {
        unreachable!("a store in memory encodes nothing")
    }

    fn compress(&self, _: Vec<u8>) -> Body {
        unreachable!("a store in memory compresses nothing")
    }

    fn compresses(&self, _: usize) -> bool {
        true
    }

    fn weigh(&self, _: &Live) -> u64 {
        self.0
    }
}
