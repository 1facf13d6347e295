//! Counters: under keys that contain the versions of the namespace, so that a clear reaches them.

use super::kit::Kit;
use crate::{
    backend::CounterOptions,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    ttl::Ttl,
    value::Value,
};

/// Adds to a counter; a missing one becomes `initial`.
pub(crate) async fn increment<T: Value>(
    kit: &Kit<T>,
    key: &StoreKey<'_>,
    by: i64,
    (initial, ttl): (Option<u64>, Ttl),
) -> Result<Option<u64>> {
    let Some(counters) = kit.store.backend().counters() else {
        let message = "the store has no counters; those in memory, Redis and Memcached have them";
        return Err(Error::new(ErrorKind::Unsupported, Operation::Increment, message));
    };
    let budget = kit.store.budget();
    let stamps = kit.store.stamps(key, &[], ttl, budget).await?;
    // Under a key of its own for each life of the namespace: what was counted before a clear is not found any more.
    let counter = stamps.iter().fold(key.key().clone(), |key, stamp| key.part(stamp.version));
    let options = CounterOptions::new(ttl).with_initial(initial).with_until(budget.until());
    let mut counter = StoreKey::new(&kit.namespace, &counter);
    // On the server that says what life it is: a counter depends on one server as well.
    if let Some(shards) = kit.store.backend().shards() {
        counter = counter.on_shard(shards.of(key));
    }
    kit.store.counted(counters.increment(&counter, by, &options).await)
}
