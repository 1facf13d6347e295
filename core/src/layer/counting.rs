//! Counting through a layer.

use crate::{
    backend::{Backend, CounterOptions},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
};

/// Counts in the store inside. A layer has counters only if that has them.
pub(crate) async fn increment(
    inner: &impl Backend,
    key: &StoreKey<'_>,
    by: i64,
    options: &CounterOptions,
) -> Result<Option<u64>> {
    match inner.counters() {
        Some(counters) => counters.increment(key, by, options).await,
        // Nobody is given the layer's counters then.
        None => Err(Error::new(ErrorKind::Unsupported, Operation::Increment, "the store has no counters")),
    }
}
