//! `cached`: its macro with the value and with an `Arc` of it, and its sharded store by hand.

use std::sync::Arc;

use cached::ShardedLruTtlCache;
use cached::macros::cached;

use super::{CAPACITY, TTL};
use crate::harness::Outcome;
use crate::harness::values::Item;

/// The macro, as its documentation begins: the value itself, cloned at every hit.
#[cached(max_size = 100_000, ttl_secs = 3600, key = "String", convert = { key.to_owned() })]
pub(crate) fn by_value(key: &str, id: u32) -> Item {
    let _ = key;
    Item::all()[id as usize].clone()
}

/// The macro with shared values.
#[cached(max_size = 100_000, ttl_secs = 3600, key = "String", convert = { key.to_owned() })]
pub(crate) fn by_arc(key: &str, id: u32) -> Arc<Item> {
    let _ = key;
    Arc::new(Item::all()[id as usize].clone())
}

/// The sharded store, filled.
pub(crate) fn sharded(keys: &[String]) -> Outcome<ShardedLruTtlCache<String, Arc<Item>>> {
    // Shards are bounded one by one.
    let cache = ShardedLruTtlCache::builder().max_size(2 * CAPACITY).ttl(TTL).build()?;
    for (key, item) in keys.iter().zip(Item::all()) {
        cache.set(key.clone(), Arc::new(item.clone()));
    }
    Ok(cache)
}

/// The macro around what takes a while, one caller of a key at a time.
#[cached(
    max_size = 100_000,
    ttl_secs = 3600,
    sync_writes = "by_key",
    key = "String",
    convert = { key.clone() }
)]
pub(crate) async fn slow(key: String, load: impl Future<Output = u64> + Send) -> u64 {
    let _ = key;
    load.await
}
