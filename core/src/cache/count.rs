//! Counters.

use super::{Cache, Value};
use crate::{
    engine::count,
    error::{Operation, Result},
    key::Key,
    ttl::Ttl,
};

impl<T: Value> Cache<T> {
    /// Adds `by`, which may be negative, to the counter of this key, and gives its new value. A counter that is missing becomes
    /// `initial`, unchanged by `by`, and lives for `ttl`; without `initial` it stays missing, and the answer is `None`. One that is
    /// there keeps its TTL.
    ///
    /// A counter is an unsigned 64-bit number beside the entries: [`get`](Self::get) does not see it, `delete` does not remove it,
    /// and [`clear`](Self::clear) does. Concurrent changes lose nothing. What happens at its ends is the store's
    /// [`counter_ends`](crate::backend::Capabilities::counter_ends). It costs one round trip, and one more where the namespace's
    /// version is not known.
    ///
    /// ```
    /// # use larder_core::{Cache, ErrorKind, Key, backend::NullBackend};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
    /// # let cache: Cache<String> = Cache::builder(NullBackend::new()).namespace("n").build()?;
    /// let tries = cache.increment(&Key::new("tries").part("ada"), 1, Some(1), Duration::from_secs(60)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What the store says when it fails, and [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if it has no counters.
    pub async fn increment(
        &self,
        key: &Key,
        by: i64,
        initial: Option<u64>,
        ttl: impl Into<Ttl>,
    ) -> Result<Option<u64>> {
        let key = self.store_key(key, Operation::Increment)?;
        count::increment(&self.kit, &key, by, (initial, ttl.into())).await
    }
}
