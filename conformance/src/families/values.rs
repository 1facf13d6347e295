//! Values: whatever was written is what is read, of every kind and size.

mod any;
mod bytes;
mod kinds;
mod sizes;

use crate::{case::Case, failure::Verdict, failure::same, probe::Probe, value::Value};

pub(crate) fn cases() -> Vec<Case> {
    [kinds::CASES, bytes::CASES, sizes::CASES].concat()
}

/// Written, each of these is read back equal.
async fn all_come_back(cache: &Probe, values: impl IntoIterator<Item = Value>) -> Verdict {
    for value in values {
        cache.set("k", value.clone()).await?;
        same(cache.get("k").await?, Some(value))?;
    }
    Ok(())
}
