//! Larder as a service has it: out of a configuration.

use larder::cache::Listener;
use larder::{Cache, Key, Larder};
use serde::Serialize;

use super::{CAPACITY, TTL};
use crate::harness::Outcome;
use crate::harness::values::{Item, KEYS};

/// A key as services write it.
pub(crate) fn key(id: u32) -> Key {
    Key::new("item").part(id)
}

/// The keys of all items.
pub(crate) fn keys() -> Vec<Key> {
    (0..KEYS).map(key).collect()
}

/// A Larder with one store, `main`, on this backend.
pub(crate) fn on(backend: &str) -> larder::LarderBuilder {
    Larder::builder()
        // Nothing of the process's environment.
        .environment([("LARDER_BENCH", "")])
        .set("stores.main.backend", backend)
        .set("defaults.ttl", format!("{}s", TTL.as_secs()))
}

/// The same on one that keeps entries in memory.
pub(crate) fn in_memory(backend: &str) -> larder::LarderBuilder {
    on(backend).set("stores.main.max_entries", CAPACITY)
}

/// A cache of items, all of them loaded (so that each knows what its load has cost), with these tags.
pub(crate) async fn filled(larder: &Larder, tags: &[&str]) -> Outcome<Cache<Item>> {
    let cache = larder.cache::<Item>("items")?;
    for (id, item) in (0..).zip(Item::all()) {
        let item = item.clone();
        let load = move || async move { Ok::<_, std::io::Error>(item) };
        cache.at(&key(id)).tags(tags.iter().copied()).get_or_load(load).await?;
    }
    Ok(cache)
}

/// The same with one setting more, or a listener.
pub(crate) async fn filled_with(
    setting: Option<(&str, impl Serialize)>,
    listener: Option<impl Listener>,
) -> Outcome<Cache<Item>> {
    let mut builder = in_memory("quick-cache");
    if let Some((path, value)) = setting {
        builder = builder.set(path, value);
    }
    if let Some(listener) = listener {
        builder = builder.listener(listener);
    }
    filled(&builder.build()?, &[]).await
}
