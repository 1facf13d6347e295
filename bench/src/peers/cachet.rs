//! cachet, in memory, on its moka.

use std::hash::Hash;

use cachet::Cache;
use tick::Clock;

use super::{CAPACITY, TTL};

/// An empty one, with or without its single flight. Must be called on a runtime.
pub(crate) fn cache<K, V>(capacity: usize, single_flight: bool) -> Cache<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let builder = Cache::builder::<K, V>(Clock::new_tokio());
    let builder = builder.memory_with(|memory| memory.max_capacity(capacity as u64)).ttl(TTL);
    if single_flight { builder.stampede_protection().build() } else { builder.build() }
}

/// One that holds [`CAPACITY`] values.
pub(crate) fn large<V: Clone + Send + Sync + 'static>(single_flight: bool) -> Cache<String, V> {
    cache(CAPACITY, single_flight)
}
