//! A store that keeps bytes, as those with a server do, and costs next to nothing: what remains is codec and cache.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use larder::backend::{
    Backend, Capabilities, Condition, DeleteOptions, GetOptions, Invalidation, Lookup, SetOptions,
    TouchOptions, Written,
};
use larder::envelope::{self, Envelope};
use larder::error::Operation;
use larder::key::{OwnedStoreKey, StoreKey};
use larder::versions::Versions;
use larder::{Entry, Error, ErrorKind, Miss, Result};

/// The store. It can do what the row asks of it; everything else is refused.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    entries: Mutex<HashMap<u64, (OwnedStoreKey, Bytes)>>,
    versions: Versions,
}

impl Shelf {
    fn entries(&self) -> MutexGuard<'_, HashMap<u64, (OwnedStoreKey, Bytes)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Shelf {
    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process()
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        let found = self
            .entries()
            .get(&key.seeded_hash())
            .filter(|(owned, _)| key.matches(owned))
            .map(|(_, bytes)| bytes.clone());
        Ok(found.map_or(Lookup::Miss(Miss::Absent), |bytes| envelope::read(key, &bytes).into()))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        if options.condition != Condition::Always {
            return Err(Error::new(ErrorKind::Unsupported, Operation::Set, "a condition"));
        }
        let bytes = Envelope::write(key, entry).await?.to_bytes();
        self.entries().insert(key.seeded_hash(), (key.into_owned(), bytes));
        Ok(Written::when(true, entry))
    }

    async fn touch(&self, _: &StoreKey<'_>, _: &TouchOptions) -> Result<bool> {
        Err(Error::new(ErrorKind::Unsupported, Operation::Touch, "entries keep their TTL"))
    }

    async fn delete(&self, key: &StoreKey<'_>, _: &DeleteOptions) -> Result<bool> {
        Ok(self.entries().remove(&key.seeded_hash()).is_some())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::Here(&self.versions)
    }
}
