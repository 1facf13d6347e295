//! A store in this process's memory: it has entries, objects in them, and the versions beside them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Miss, Result,
    backend::{
        Capabilities, Condition, DeleteOptions, GetOptions, Invalidation, Lookup, SetOptions, TouchOptions,
        Written,
    },
    clock::Timestamp,
    error::Operation,
    key::{OwnedStoreKey, StoreKey},
    versions::Versions,
};

/// By the keys' hashes, so that looking one up allocates nothing. Of two keys that share one, the latest written is there.
type Entries = HashMap<u64, (OwnedStoreKey, Entry, Timestamp)>;

pub struct Local {
    kept: Mutex<Entries>,
    clock: Clock,
    versions: Versions,
    /// The heaviest entry that is taken.
    limit: u64,
}

impl Local {
    pub fn new(clock: &Clock) -> Arc<Self> {
        Self::with_limit(clock, u64::MAX - 1)
    }

    pub fn with_limit(clock: &Clock, limit: u64) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), clock: clock.clone(), versions: Versions::new(), limit })
    }

    /// How many entries there are, live or not.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// As a store does that makes room.
    pub fn evict_all(&self) {
        let entries = std::mem::take(&mut *self.lock());
        drop(entries);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.kept.lock().unwrap()
    }

    fn live(&self, entries: &Entries, key: &StoreKey<'_>) -> Option<Entry> {
        let (owned, entry, expires) = entries.get(&key.seeded_hash())?;
        (key.matches(owned) && self.clock.now() < *expires).then(|| entry.clone())
    }
}

#[async_trait]
impl Backend for Local {
    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process()
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        Some(self.live(&self.lock(), key).map_or(Lookup::Miss(Miss::Absent), Lookup::Hit))
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        Ok(self.live(&self.lock(), key).map_or(Lookup::Miss(Miss::Absent), Lookup::Hit))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let is_too_large = entry.weight() > self.limit;
        let mut entries = self.lock();
        if is_too_large {
            if options.condition == Condition::Always {
                entries.remove(&key.seeded_hash());
            }
            return Err(Error::new(ErrorKind::TooLarge, Operation::Set, "heavier than the test allows"));
        }
        if !options.condition.holds(self.live(&entries, key).as_ref()) {
            return Ok(Written::No);
        }
        let entry = entry.known_by_revision();
        let written = Written::when(true, &entry);
        let expires = options.ttl.expires(self.clock.now());
        let replaced = entries.insert(key.seeded_hash(), (key.into_owned(), entry, expires));
        drop(entries);
        // What the value's drop does is done outside the lock.
        drop(replaced);
        Ok(written)
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let mut entries = self.lock();
        let Some(entry) = self.live(&entries, key) else { return Ok(false) };
        if !options.condition.holds(Some(&entry)) {
            return Ok(false);
        }
        let expires = options.ttl.expires(self.clock.now());
        entries.insert(key.seeded_hash(), (key.into_owned(), entry.with_lifetime(options.lifetime), expires));
        Ok(true)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let mut entries = self.lock();
        let live = self.live(&entries, key);
        if !options.condition.holds(live.as_ref()) {
            return Ok(false);
        }
        let removed = entries.remove(&key.seeded_hash());
        drop(entries);
        drop(removed);
        Ok(live.is_some())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::Here(&self.versions)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Local")
    }
}
