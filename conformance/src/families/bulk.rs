//! Many keys at once: one answer for each, in order, whatever the others do.

mod reading;
mod removing;
mod requests;
mod sizes;
mod writing;

use larder_core::{Key, Result};

use crate::{case::Case, probe::Probe, value::Value};

pub(crate) fn cases() -> Vec<Case> {
    [reading::CASES, writing::CASES, removing::CASES, sizes::CASES, requests::CASES].concat()
}

/// These names as keys.
fn keys<const N: usize>(names: [&str; N]) -> Vec<Key> {
    names.map(Key::from).into()
}

/// What each key has, if none of them failed.
async fn found(cache: &Probe, keys: &[Key]) -> Result<Vec<Option<Value>>> {
    cache.get_many(keys).await?.into_iter().collect()
}
