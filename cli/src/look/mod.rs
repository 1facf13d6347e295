//! Looking into caches: one key, a namespace, a store.

pub(crate) mod carry;
pub(crate) mod config;
pub(crate) mod dictionary;
pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod invalidate;
mod items;
pub(crate) mod key;
pub(crate) mod ping;
pub(crate) mod scan;
mod value;

use larder::{Cache, Key, Larder, cache::Value, settings::redact_url};

use crate::{exit::Failure, open::Source};

/// Runs a command that talks to stores.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime could be started: {error}")))?;
    runtime.block_on(work)
}

/// One key of one cache.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// The key as it stands in the store, with or without its namespace: 'user:#7', 'shop/users@2:user:#7'.
    #[arg(value_name = "KEY")]
    key: String,
    /// The cache.
    #[arg(long, value_name = "NAME")]
    cache: String,
    #[command(flatten)]
    source: Source,
}

/// An open cache and a key of it.
#[derive(Debug)]
pub(crate) struct Opened<T> {
    pub(crate) larder: Larder,
    pub(crate) cache: Cache<T>,
    pub(crate) key: Key,
    pub(crate) name: String,
}

impl Target {
    /// Opens the cache.
    pub(crate) fn open<T: Value>(&self) -> Result<Opened<T>, Failure> {
        let larder = self.source.open()?;
        let cache = open_cache(&larder, &self.cache)?;
        let prefix = format!("{}:", cache.namespace());
        let text = self.key.strip_prefix(&prefix).unwrap_or(&self.key);
        let key = Key::parse(text).filter(|key| !key.is_empty()).ok_or_else(|| {
            Failure::new(format!(
                "{text:?} is no key; write it as it stands in the store, such as 'user:#7' (a number is #7, what is no letter or digit \
                 %20; docs/keys.md). A long key, which ends in ~ and a digest there, has to be given whole"
            ))
        })?;
        Ok(Opened { larder, cache, key, name: self.cache.clone() })
    }
}

/// The cache of this name, if others can see into it.
pub(crate) fn open_cache<T: Value>(larder: &Larder, name: &str) -> Result<Cache<T>, Failure> {
    let cache = larder.cache::<T>(name)?;
    if !cache.capabilities().shared {
        return Err(Failure::new(format!(
            "the cache {name:?} is in the memory of each process that has it, and nobody else can see into it; choose a cache on \
             Redis or Memcached, or ask the process itself (its metrics, Cache::stats)"
        )));
    }
    Ok(cache)
}

/// The name of the store that keeps a cache's entries: of a chain, the last.
pub(crate) fn store_of(larder: &Larder, cache: &str) -> Option<String> {
    let settings = larder.explain();
    let setting =
        settings.get(&format!("caches.{cache}.store")).or_else(|| settings.get("defaults.store"))?;
    match serde_json::from_str(&setting.value).ok()? {
        serde_json::Value::String(name) => Some(name),
        serde_json::Value::Array(names) => names.last()?.as_str().map(str::to_owned),
        _ => None,
    }
}

/// Where a store is, for messages: its backend, and its address, unless the configuration holds that for a secret, as it does with a
/// URL. Errors of the store have it then, without what is secret.
pub(crate) fn place_of(larder: &Larder, store: &str) -> String {
    let settings = larder.explain();
    let value = |key: &str| Some(settings.get(&format!("stores.{store}.{key}"))?.value.clone());
    let plain = |key: &str| serde_json::from_str::<String>(&value(key)?).ok();
    let backend = plain("backend").unwrap_or_else(|| "memory".to_owned());
    // `[{ address = "127.0.0.1:11211", weight = 1 }]`, as configurations are shown.
    let servers = || {
        let all = value("servers")?;
        let addresses = all.split("address = \"").skip(1).filter_map(|rest| rest.split('"').next());
        Some(addresses.collect::<Vec<_>>().join(", ")).filter(|addresses| !addresses.is_empty())
    };
    match plain("url").map(|url| redact_url(&url)).or_else(servers) {
        Some(address) => format!("{backend} at {address}"),
        None => backend,
    }
}
