//! The plainest store that keeps every promise: a map under a lock. The suite's own tests break it in one way
//! after another, and the model test compares with it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Miss, Result,
    backend::{
        Capabilities, Condition, CounterOptions, Counters, DeleteOptions, GetOptions, Invalidation, Lookup,
        SetOptions, TouchOptions, Written,
    },
    entry::Token,
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
    /// The next token, if they are not the entries' revisions.
    tokens: Option<AtomicU64>,
}

impl ReferenceBackend {
    /// An empty store that counts time by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// The same with tokens of its own, which say nothing of the entries, as a store has that numbers its writes.
    #[must_use]
    pub fn with_own_tokens(self) -> Self {
        Self { tokens: Some(AtomicU64::new(1)), ..self }
    }

    /// The entry as it is kept.
    pub(crate) fn kept(&self, entry: &Entry) -> Entry {
        match &self.tokens {
            Some(next) => entry.with_token(Token(next.fetch_add(1, Ordering::Relaxed))),
            None => entry.known_by_revision(),
        }
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
        match self.entries().get(&key.into_owned()) {
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

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.open(Operation::Get)?;
        Ok(self.look_up(key))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.open(Operation::Set)?;
        let mut entries = self.entries();
        if !options.condition.holds(live(&entries, key, &self.clock)) {
            return Ok(Written::No);
        }
        let kept = self.kept(entry);
        let token = kept.token();
        entries.insert(key.into_owned(), kept);
        Ok(Written::Yes(token))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.open(Operation::Touch)?;
        let mut entries = self.entries();
        let Some(entry) = meant(&entries, key, &self.clock, options.condition) else { return Ok(false) };
        let touched = entry.with_lifetime(options.lifetime);
        entries.insert(key.into_owned(), touched);
        Ok(true)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.open(Operation::Delete)?;
        let mut entries = self.entries();
        let is_meant = meant(&entries, key, &self.clock, options.condition).is_some();
        if is_meant || options.condition == Condition::Always {
            entries.remove(&key.into_owned());
        }
        Ok(is_meant)
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::Here(&self.versions)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }
}

#[async_trait]
impl Counters for ReferenceBackend {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        self.open(Operation::Increment)?;
        let key = key.of_counter();
        let mut entries = self.entries();
        let Some((value, entry)) = options.step(live(&entries, &key, &self.clock), by, self.clock.now())
        else {
            return Ok(None);
        };
        entries.insert(key.into_owned(), entry);
        Ok(Some(value))
    }
}

type Entries = HashMap<OwnedStoreKey, Entry>;

fn live<'e>(entries: &'e Entries, key: &StoreKey<'_>, clock: &Clock) -> Option<&'e Entry> {
    entries.get(&key.into_owned()).filter(|entry| entry.is_live(clock.now()))
}

/// The live entry that the condition means.
fn meant<'e>(
    entries: &'e Entries,
    key: &StoreKey<'_>,
    clock: &Clock,
    condition: Condition,
) -> Option<&'e Entry> {
    live(entries, key, clock).filter(|entry| condition.holds(Some(entry)))
}

impl fmt::Debug for ReferenceBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceBackend").field("entries", &self.entries().len()).finish_non_exhaustive()
    }
}
