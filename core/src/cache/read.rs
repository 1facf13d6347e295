//! Reading: from a key to a value, or to the reason why there is none.

use std::sync::Arc;

use super::{Cache, Encoded, Fetched, Found, Status, Value};
use crate::{
    clock::Timestamp,
    engine::{
        look::{self, if_fresh},
        reading::AsIs,
        remove,
    },
    error::{Operation, Result},
    key::Key,
    ttl::Ttl,
};

impl<T: Value> Cache<T> {
    /// The value of this key, or `None`.
    ///
    /// # Errors
    /// What the store says when it fails; [`get_or_load`](Self::get_or_load) would ask the loader instead.
    pub async fn get(&self, key: &Key) -> Result<Option<Fetched<T>>> {
        match self.look_up(key).await? {
            Found::Hit(fetched) => Ok(Some(fetched)),
            Found::Miss(_) => Ok(None),
        }
    }

    /// The value of this key, or why there is none.
    ///
    /// # Errors
    /// What the store says when it fails.
    pub async fn look_up(&self, key: &Key) -> Result<Found<Fetched<T>>> {
        let key = self.store_key(key, Operation::Get)?;
        match look::now(&self.kit, &key) {
            look::Now::Hit(fetched) => Ok(Found::Hit(fetched)),
            look::Now::Early(_) | look::Now::Unknown => look::look(&self.kit, &key).await,
        }
    }

    /// The encoded value of this key, as it is stored: nothing is decompressed or decoded. On a store in
    /// memory, which holds the value itself, it is encoded once and then kept beside it.
    ///
    /// # Errors
    /// What the store says when it fails, and
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) on a store in memory if the value cannot be written in
    /// the cache's format.
    pub async fn get_encoded(&self, key: &Key) -> Result<Option<Encoded<T>>> {
        let key = self.store_key(key, Operation::Get)?;
        match look::look::<T, AsIs>(&self.kit, &key).await? {
            Found::Hit(read) => Ok(Some(look::encoded(&self.kit, &key, read).await?)),
            Found::Miss(_) => Ok(None),
        }
    }

    /// Removes an entry and gives it back: of several callers at once, one has it. A load of the key that is in progress is
    /// not stored.
    ///
    /// # Errors
    /// What the store says when it fails: then the entry may still be there, or be lost.
    pub async fn take(&self, key: &Key) -> Result<Option<Fetched<T>>> {
        let key = self.store_key(key, Operation::Delete)?;
        let Ok(entry) = remove::take(&self.kit, &key).await? else { return Ok(None) };
        Ok(look::decoded(&self.kit, &key, entry, Status::Hit).await)
    }

    /// Whether there is a live entry. It is not decoded, and its TTL does not change.
    ///
    /// # Errors
    /// What the store says when it fails.
    pub async fn contains(&self, key: &Key) -> Result<bool> {
        Ok(self.ttl(key).await?.is_some())
    }

    /// How long the entry still has to live; `None` if there is none.
    ///
    /// # Errors
    /// What the store says when it fails.
    pub async fn ttl(&self, key: &Key) -> Result<Option<Ttl>> {
        let (key, kit) = (self.store_key(key, Operation::Get)?, Arc::clone(&self.kit));
        let found = kit.store.counted(kit.store.read(&key, &[], kit.store.budget()).await)?;
        Ok(if_fresh(&kit, found).ok().map(|entry| match entry.meta().lifetime.fresh_until {
            Timestamp::NEVER => Ttl::Never,
            end => Ttl::After(end.since(kit.clock.now())),
        }))
    }
}
