//! The [`Backend`] itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry,
    backend::{
        Capabilities, CounterOptions, Counters, DeleteItem, DeleteOptions, GetOptions, Invalidation, Lookup,
        SetItem, SetOptions, TouchItem, TouchOptions, Written,
    },
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    versions::Versions,
};

use crate::{config::MokaConfig, sweeper::Sweeper, table::Table};

/// The name of this backend in a configuration.
pub const NAME: &str = "moka";

/// How far the system's clock may lag behind where it is read coarsely: one tick of the kernel's timer.
const TICK: Duration = Duration::from_millis(10);

/// A store in this process's memory, on `moka`.
///
/// - **Bounded** by entries or bytes; when it is full, what is asked for least goes (TinyLFU), and that may be
///   what was written last: a new key has to prove itself against the old ones.
/// - **A hit** allocates nothing and shares the entry with the store; readers do not wait for each other, but
///   one in 64 of them brings the books of all up to date.
/// - **Conditions** are checked and written in one step: of N concurrent adds exactly one is `true`.
/// - **Expired entries** are never returned, and are freed about a second later without being asked for, by a
///   thread that the first write starts and that ends with the store. It also evicts what the last writes left
///   above the bound.
///
/// It needs no runtime, connects to nothing, and fails only when it is closed or a value is too large.
#[derive(Debug)]
pub struct MokaBackend {
    table: Arc<Table>,
    sweeper: Sweeper,
    closed: AtomicBool,
    versions: Versions,
}

impl MokaBackend {
    /// An empty store. Expiry goes by this clock, so it must be the one that the caches on the store have.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when both bounds are given, or one that is zero.
    #[allow(clippy::needless_pass_by_value, reason = "all backends are made alike, and settings may grow")]
    pub fn new(config: MokaConfig, clock: Clock) -> Result<Self> {
        Ok(Self {
            table: Arc::new(Table::new(config.bound()?, clock)),
            sweeper: Sweeper::default(),
            closed: AtomicBool::new(false),
            versions: Versions::new(),
        })
    }

    /// How many entries are kept, expired ones that are not freed yet included. Brings moka's books up to date.
    pub fn entries(&self) -> u64 {
        self.table.len()
    }

    /// What they count against the bound: their number, or the bytes they were estimated to take when they
    /// were written.
    pub fn weight(&self) -> u64 {
        self.table.weight()
    }

    #[inline]
    fn open(&self, operation: Operation) -> Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, operation, "the store was closed"));
        }
        Ok(())
    }

    fn set_now(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.open(Operation::Set)?;
        // The entry's own lifetime says when it is over; `options.ttl` says the same for stores that count
        // time themselves.
        let written = self.table.set(key, entry, options.condition)?;
        self.sweeper.start(&self.table);
        Ok(written)
    }

    fn touch_now(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.open(Operation::Touch)?;
        Ok(self.table.touch(key, options.lifetime, options.condition))
    }

    fn delete_now(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.open(Operation::Delete)?;
        Ok(self.table.delete(key, options.condition))
    }
}

#[async_trait]
impl Backend for MokaBackend {
    fn capabilities(&self) -> Capabilities {
        let coarse = cfg!(target_os = "linux") && !self.table.clock().is_manual();
        let capabilities = Capabilities::in_process();
        if coarse { capabilities.with_ttl_resolution(TICK) } else { capabilities }
    }

    #[inline]
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        if self.closed.load(Ordering::Relaxed) {
            // A lookup cannot say so; `get` can.
            return None;
        }
        Some(self.table.get(key))
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.open(Operation::Get)?;
        Ok(self.table.get(key))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.set_now(key, entry, options)
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.touch_now(key, options)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.delete_now(key, options)
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], _: &GetOptions) -> Vec<Result<Lookup>> {
        keys.iter().map(|key| self.open(Operation::Get).map(|()| self.table.get(key))).collect()
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        items.iter().map(|item| self.set_now(&item.key, &item.entry, &item.options)).collect()
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        items.iter().map(|item| self.touch_now(&item.key, &item.options)).collect()
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        items.iter().map(|item| self.delete_now(&item.key, &item.options)).collect()
    }

    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::Here(&self.versions)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }
}

/// A counter is an entry of eight bytes under a key of its own. It counts against the bound, and may be evicted, as any
/// other.
#[async_trait]
impl Counters for MokaBackend {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        self.open(Operation::Increment)?;
        let number = self.table.count(key, by, options)?;
        self.sweeper.start(&self.table);
        Ok(number)
    }
}
