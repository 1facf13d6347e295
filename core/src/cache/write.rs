//! Writing and removing. Each of these wins over a load of the same key that is in progress.

use super::{Cache, Value};
use crate::{
    backend::Condition,
    engine::{call::Options, change, remove},
    error::{Operation, Result},
    key::{Key, StoreKey},
    ttl::Ttl,
};

impl<T: Value> Cache<T> {
    /// Writes a value for the cache's default TTL; [`at`](Self::at) has more options. Value, TTL, tags and
    /// metadata of an existing entry are all replaced.
    ///
    /// # Errors
    /// What the store says when it fails; [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) when the value is too large,
    /// after which the key is absent; [`ErrorKind::Encode`](crate::ErrorKind::Encode) when it cannot be serialized, after
    /// which an existing entry is unchanged. A store in memory does not serialize and accepts such a value.
    pub async fn set(&self, key: &Key, value: T) -> Result<()> {
        self.at(key).set(value).await
    }

    /// Writes a value if there is no live entry: `true` if it was written. An existing entry keeps value and
    /// TTL. Of several at once exactly one is `true`.
    ///
    /// # Errors
    /// As for [`set`](Self::set).
    pub async fn add(&self, key: &Key, value: T) -> Result<bool> {
        self.at(key).add(value).await
    }

    /// Writes a value if there is a live entry: `true` if it was written.
    ///
    /// # Errors
    /// As for [`set`](Self::set), but what is there stays when the new value is too large.
    pub async fn replace(&self, key: &Key, value: T) -> Result<bool> {
        self.at(key).replace(value).await
    }

    /// Removes an entry: `true` if a live one was there. A load of the key that is in progress is not stored.
    /// On a store that other processes share, an entry that only a tag or a clear had invalidated counts as live, and so
    /// does a [lease](super::Policy::lease).
    ///
    /// # Errors
    /// What the store says when it fails: then the entry may still be there.
    pub async fn delete(&self, key: &Key) -> Result<bool> {
        let key = self.store_key(key, Operation::Delete)?;
        let mut removed = remove::remove(&self.kit, std::slice::from_ref(&key)).await;
        removed.pop().unwrap_or(Ok(false))
    }

    /// Lets an entry count as stale from now on: `true` if there was a fresh one. It is served where the cache's
    /// [`stale_while_revalidate`](super::Policy::stale_while_revalidate) and
    /// [`stale_if_error`](super::Policy::stale_if_error) allow it, while one load makes another value; where they do not, it is
    /// removed. A load of the key that is in progress is not stored.
    ///
    /// # Errors
    /// What the store says when it fails: then the entry may still count as fresh.
    pub async fn expire(&self, key: &Key) -> Result<bool> {
        let key = self.store_key(key, Operation::Touch)?;
        remove::expire(&self.kit, &key).await
    }

    /// Gives a live entry another TTL, which begins now: `true` if there was one. A TTL of zero removes it.
    ///
    /// # Errors
    /// What the store says when it fails.
    pub async fn touch(&self, key: &Key, ttl: impl Into<Ttl>) -> Result<bool> {
        let key = self.store_key(key, Operation::Touch)?;
        remove::touch(&self.kit, &key, ttl.into()).await
    }

    pub(super) async fn write(
        &self,
        items: Vec<(StoreKey<'_>, T)>,
        options: Options,
        condition: Condition,
    ) -> Result<Vec<Result<bool>>> {
        let call = self.call(options, Operation::Set)?;
        change::write(&self.kit, &call, items, condition).await
    }
}
