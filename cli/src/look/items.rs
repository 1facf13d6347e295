//! The usable entries of a cache, one after the other: what stands under each key that the store lists.

use std::collections::BTreeSet;

use larder::{Cache, Key, backend::Listing, cache::Encoded, entry::Scope};
use serde_json::Value;

use crate::{exit::Failure, progress::Progress, screen::count};

/// So many distinct keys are remembered, so that none is taken twice; of a larger cache, a few may be.
const REMEMBERED: usize = 1 << 20;

/// What was passed over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Passed {
    /// Keys that are no key of a cache, or whose text stands for a longer one.
    pub(super) unreadable: u64,
    /// Entries that no program would use: expired, invalidated, of another schema; and negative answers.
    pub(super) unusable: u64,
}

/// Hands every key of the cache to `take`, without its namespace, until that says that it is enough.
pub(super) async fn keys(
    listing: &dyn Listing,
    cache: &Cache<Value>,
    mut take: impl AsyncFnMut(&str) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let prefix = format!("{}:", cache.namespace());
    let mut seen = BTreeSet::new();
    let mut progress = Progress::new();
    let (mut from, mut number) = (0, 0);
    loop {
        let listed = listing.list(cache.namespace(), from, None).await?;
        for key in listed.keys {
            let Some(key) = key.strip_prefix(&prefix) else { continue };
            if seen.len() < REMEMBERED && !seen.insert(key.to_owned()) {
                continue;
            }
            number += 1;
            progress.at(|| format!("{} keys", count(number)));
            if !take(key).await? {
                return Ok(());
            }
        }
        match listed.next {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

/// Hands every usable entry of the cache to `take`, until that says that it is enough.
pub(super) async fn entries(
    listing: &dyn Listing,
    cache: &Cache<Value>,
    mut take: impl AsyncFnMut(&Key, Encoded<Value>) -> Result<bool, Failure>,
) -> Result<Passed, Failure> {
    let mut passed = Passed::default();
    keys(listing, cache, async |text| {
        // What ends in `~` and a digest stands for a longer key, which nobody knows.
        let Some(key) = Key::parse(text).filter(|key| !key.is_empty()) else {
            passed.unreadable += 1;
            return Ok(true);
        };
        let Some(encoded) = cache.get_encoded(&key).await? else {
            passed.unusable += 1;
            return Ok(true);
        };
        take(&key, encoded).await
    })
    .await?;
    Ok(passed)
}

/// The tags of an entry.
pub(super) fn tags(encoded: &Encoded<Value>) -> Vec<String> {
    let scopes = encoded.meta().stamps.iter().map(|stamp| &stamp.scope);
    scopes
        .filter_map(|scope| match scope {
            Scope::Tag(tag) => Some(tag.to_string()),
            _ => None,
        })
        .collect()
}
