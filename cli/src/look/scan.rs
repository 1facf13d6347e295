//! `larder scan`: the keys of a cache, where its store can list them.

use clap::Args;
use larder::Backend;
use serde_json::{Value, json};

use super::{items, key::pretty, open_cache, place_of, store_of, wait};
use crate::{
    exit::{Failure, Outcome},
    open::Source,
    screen::{printable, say},
};

/// More of a key is not shown; a key has up to 200 bytes.
const SHOWN_KEY: usize = 400;

/// What may be said to `larder scan`.
#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// The cache.
    #[arg(long, value_name = "NAME")]
    cache: String,
    /// Only keys that begin so: user:
    #[arg(long, value_name = "TEXT", default_value = "")]
    begins: String,
    /// Ends after so many keys.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    most: u64,
    #[command(flatten)]
    source: Source,
}

/// Lists keys.
pub(crate) fn run(arguments: &Scan, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        let cache = open_cache::<Value>(&larder, &arguments.cache)?;
        let store = listing_store(&larder, &arguments.cache)?;
        let listing = listing_of(&*store, &larder, &arguments.cache)?;
        let mut found = Vec::new();
        let mut are_more = false;
        items::keys(listing, &cache, async |key| {
            if !key.starts_with(&arguments.begins) {
                return Ok(true);
            }
            if found.len() as u64 == arguments.most {
                are_more = true;
                return Ok(false);
            }
            if !as_json {
                say(&printable(key, SHOWN_KEY));
            }
            found.push(key.to_owned());
            Ok(true)
        })
        .await
        .map_err(|why| {
            let name = store_of(&larder, &arguments.cache).unwrap_or_default();
            Failure::new(format!("listing the store {name:?} ({}): {why}", place_of(&larder, &name)))
        })?;
        if as_json {
            say(&pretty(&json!({ "namespace": cache.namespace().text(), "keys": found, "more": are_more })));
        } else if are_more {
            crate::screen::warn(&format!("there are more than {} keys; --most shows more", arguments.most));
        }
        Ok(if found.is_empty() { Outcome::No } else { Outcome::Done })
    })
}

/// The store that has the cache's entries.
pub(super) fn listing_store(
    larder: &larder::Larder,
    cache: &str,
) -> Result<std::sync::Arc<dyn Backend>, Failure> {
    let name = store_of(larder, cache).unwrap_or_default();
    larder.store(&name).ok_or_else(|| Failure::new(format!("the store of the cache {cache:?} is not known")))
}

/// How it lists keys.
pub(super) fn listing_of<'a>(
    store: &'a dyn Backend,
    larder: &larder::Larder,
    cache: &str,
) -> Result<&'a dyn larder::backend::Listing, Failure> {
    store.listing().ok_or_else(|| {
        let name = store_of(larder, cache).unwrap_or_default();
        Failure::new(format!(
            "the store {name:?} ({}) of the cache {cache:?} cannot list its keys; Redis can, Memcached and a failover of two stores \
             cannot",
            place_of(larder, &name)
        ))
    })
}
