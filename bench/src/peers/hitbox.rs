//! hitbox: a function with its attribute, on its moka backend.

use std::convert::Infallible;
use std::time::Duration;

use hitbox::concurrency::{BroadcastConcurrencyManager, NoopConcurrencyManager};
use hitbox::policy::{ConcurrencyLimit, PolicyConfig};
use hitbox_backend::PassthroughCompressor;
use hitbox_backend::format::BincodeFormat;
use hitbox_core::DisabledOffload;
use hitbox_derive::cached;
use hitbox_fn::Cache;
use hitbox_moka::MokaBackend;

use super::TTL;
use crate::harness::values::Item;

/// Its moka with the format that its documentation recommends.
pub(crate) type Memory = MokaBackend<BincodeFormat, PassthroughCompressor>;

fn memory(capacity: usize) -> Memory {
    MokaBackend::builder().max_entries(capacity as u64).value_format(BincodeFormat).build()
}

/// Its cache without single flight, which is its default.
pub(crate) fn cache(capacity: usize) -> Cache<Memory, NoopConcurrencyManager, DisabledOffload> {
    let policy = PolicyConfig::builder().ttl(TTL).build();
    Cache::builder().backend(memory(capacity)).policy(policy).build()
}

/// The same with single flight: one caller at a time runs the function.
pub(crate) fn single_flight(
    capacity: usize,
) -> Cache<Memory, BroadcastConcurrencyManager<Result<u64, Infallible>>, DisabledOffload> {
    let one = ConcurrencyLimit::new(1).unwrap_or(ConcurrencyLimit::MIN);
    let policy = PolicyConfig::builder().ttl(TTL).concurrency(one).build();
    let manager = BroadcastConcurrencyManager::new();
    Cache::builder().backend(memory(capacity)).policy(policy).concurrency_manager(manager).build()
}

/// An item by its key.
#[cached(prefix = "item", skip(id))]
pub(crate) async fn item(key: String, id: u32) -> Result<Item, Infallible> {
    let _ = key;
    Ok(Item::all()[id as usize].clone())
}

/// A number that takes this long; none for none at all.
#[cached(prefix = "slow", skip(time))]
pub(crate) async fn slow(key: String, time: Duration) -> Result<u64, Infallible> {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
    Ok(key.len() as u64)
}
