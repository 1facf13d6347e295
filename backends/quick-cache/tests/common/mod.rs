//! Entries to write, and short ways to look at what was written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::sync::{Arc, LazyLock};

use larder_core::{
    Backend, Clock, Entry, Ttl,
    backend::{DeleteItem, DeleteOptions, GetOptions, Lookup},
    entry::{Body, Encode, Lifetime, Live, Meta},
    error::Result,
    key::{Namespace, StoreKey},
};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};

/// Without a limit.
pub(crate) const GET: GetOptions = GetOptions::new();
/// Whatever is there.
pub(crate) const ANY: DeleteOptions = DeleteOptions::new();

/// The removal of whatever is under each of these.
pub(crate) fn removals<'a>(keys: &[StoreKey<'a>]) -> Vec<DeleteItem<'a>> {
    keys.iter().map(|key| DeleteItem::new(*key, ANY)).collect()
}

/// The namespace of all keys.
pub(crate) static KEYS: LazyLock<Namespace> = LazyLock::new(|| Namespace::new("shop/users", 1).unwrap());

/// A store whose time only moves by hand.
pub(crate) fn store(config: QuickCacheConfig) -> (QuickCacheBackend, Clock) {
    let clock = Clock::manual();
    (QuickCacheBackend::new(config, clock.clone()).unwrap(), clock)
}

pub(crate) fn body(clock: &Clock, bytes: Vec<u8>, ttl: Ttl) -> Entry {
    let body = Body::raw(bytes.into(), 0);
    Entry::from_body(body, meta(clock, ttl))
}

pub(crate) fn entry(clock: &Clock, text: &str, ttl: Ttl) -> Entry {
    body(clock, text.into(), ttl)
}

/// An entry whose value nobody may encode.
pub(crate) fn live<T: Send + Sync + 'static>(clock: &Clock, value: Arc<T>, ttl: Ttl) -> Entry {
    encoded_by(Never(4), clock, value, ttl)
}

/// An entry that is said to weigh this much.
pub(crate) fn weighing(clock: &Clock, weight: u64, ttl: Ttl) -> Entry {
    encoded_by(Never(weight), clock, Arc::new(()), ttl)
}

/// Encodes nothing, and weighs everything alike.
struct Never(u64);

impl Encode for Never {
    fn serialize(&self, _: &Live) -> Result<Vec<u8>> {
        panic!("a store in memory encodes nothing")
    }

    fn compress(&self, _: Vec<u8>) -> Body {
        panic!("a store in memory compresses nothing")
    }

    fn compresses(&self, _: usize) -> bool {
        true
    }

    fn weigh(&self, _: &Live) -> u64 {
        self.0
    }
}

fn encoded_by<T: Send + Sync + 'static>(encoder: Never, clock: &Clock, value: Arc<T>, ttl: Ttl) -> Entry {
    Entry::from_live(value, Arc::new(encoder), meta(clock, ttl))
}

fn meta(clock: &Clock, ttl: Ttl) -> Meta {
    let now = clock.now();
    Meta::new(now, Lifetime::until(ttl.expires(now)))
}

pub(crate) fn alive(store: &QuickCacheBackend, key: &StoreKey<'_>) -> bool {
    matches!(store.get_now(key), Some(Lookup::Hit(_)))
}

/// The text that is there.
pub(crate) fn value(store: &QuickCacheBackend, key: &StoreKey<'_>) -> Option<String> {
    let entry = store.get_now(key)?.entry()?;
    Some(String::from_utf8(entry.encoded()?.bytes.to_vec()).unwrap())
}
