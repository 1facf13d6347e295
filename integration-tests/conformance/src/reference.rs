//! The plainest store that keeps every promise: a map under a lock. The suite's own tests break it in one way
//! after another, and the model test compares with it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Miss, Result, Ttl,
    backend::{Capabilities, Condition, Lookup, SetOptions},
    entry::Lifetime,
    error::Operation,
    key::{OwnedStoreKey, StoreKey},
    versions::Versions,
};

/// A map under a lock. It is bounded by nothing, so it is no store for production.
#[derive(Default)]
pub struct ReferenceBackend {
    pub(crate) entries: Mutex<HashMap<OwnedStoreKey, Entry>>,
    pub(crate) clock: Clock,
    pub(crate) versions: Versions,
    closed: AtomicBool,
}

impl ReferenceBackend {
    /// An empty store that counts time by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, HashMap<OwnedStoreKey, Entry>> {
        // Nothing in here can panic half-way through a change.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, operation: Operation) -> Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, operation, "the store was closed"));
        }
        Ok(())
    }

    pub(crate) fn look_up(&self, key: &StoreKey<'_>) -> Lookup {
        match self.entries().get(&key.to_owned()) {
            None => Lookup::Miss(Miss::Absent),
            Some(entry) if entry.is_live(self.clock.now()) => Lookup::Hit(entry.clone()),
            Some(_) => Lookup::Miss(Miss::Expired),
        }
    }
}

#[async_trait]
impl Backend for ReferenceBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process()
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        self.open(Operation::Get).is_ok().then(|| self.look_up(key))
    }

    async fn get(&self, key: &StoreKey<'_>) -> Result<Lookup> {
        self.open(Operation::Get)?;
        Ok(self.look_up(key))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<bool> {
        self.open(Operation::Set)?;
        let now = self.clock.now();
        let mut entries = self.entries();
        let current = entries.get(&key.to_owned()).filter(|current| current.is_live(now));
        let applies = match options.condition {
            Condition::Always => true,
            Condition::Absent => current.is_none(),
            Condition::Present => current.is_some(),
            Condition::Unchanged(token) => current.is_some_and(|current| current.token() == token),
            _ => return Err(Error::new(ErrorKind::Unsupported, Operation::Set, "an unknown condition")),
        };
        if applies {
            entries.insert(key.to_owned(), entry.clone());
        }
        Ok(applies)
    }

    async fn touch(&self, key: &StoreKey<'_>, lifetime: Lifetime, _: Ttl) -> Result<bool> {
        self.open(Operation::Touch)?;
        let now = self.clock.now();
        match self.entries().get_mut(&key.to_owned()) {
            Some(entry) if entry.is_live(now) => {
                *entry = entry.with_lifetime(lifetime);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn delete(&self, key: &StoreKey<'_>) -> Result<bool> {
        self.open(Operation::Delete)?;
        let now = self.clock.now();
        Ok(self.entries().remove(&key.to_owned()).is_some_and(|entry| entry.is_live(now)))
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn versions(&self) -> Option<&Versions> {
        Some(&self.versions)
    }
}

impl fmt::Debug for ReferenceBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceBackend").field("entries", &self.entries().len()).finish_non_exhaustive()
    }
}
