//! The [`Backend`] itself.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Ttl,
    backend::{
        Bound, Bounded, Capabilities, CounterOptions, Counters, DeleteItem, DeleteOptions, GetOptions,
        Invalidation, Lookup, Observer, SetItem, SetOptions, TouchItem, TouchOptions, Usage, Written,
    },
    error::{Operation, Result},
    key::{Namespace, StoreKey},
    versions::Versions,
};

use crate::{config::MemoryConfig, heat::Heat, map::Map, snapshot::Snapshot, sweeper::Sweeper, table::Table};

/// How far the system's clock may lag behind where it is read coarsely: one tick of the kernel's timer.
const TICK: Duration = Duration::from_millis(10);

/// A store in this process's memory, on a map.
///
/// - **Bounded** by entries or bytes; what goes when it is full is the map's choice. What an entry weighs includes what is made
///   of it later.
/// - **A hit** allocates nothing and shares the entry with the store; readers do not wait for each other.
/// - **Conditions** are checked and written in one step: of N concurrent adds exactly one is `true`.
/// - **Expired entries** are never returned, and are freed about a second later without being asked for, by a
///   thread that the first such write starts and that ends with the store. TTLs are counted by a clock that nobody sets
///   ([`Clock::steady`]).
/// - **A warm start**, where configured: a clean close leaves a snapshot for the next start.
/// - **What leaves** is reported to the caches that it belongs to: [`Bounded`].
///
/// It needs no runtime, connects to nothing, and fails only when it is closed or a value is too large.
pub struct MemoryBackend<M: Map> {
    table: Arc<Table<M>>,
    sweeper: Sweeper,
    versions: Versions,
    snapshot: Option<Snapshot>,
}

impl<M: Map> MemoryBackend<M> {
    /// A store that is empty, unless a [snapshot](MemoryConfig::snapshot) was left for it, which is read now. Expiry goes by the
    /// steady form of this clock, which must be the one that the caches on the store have.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](larder_core::ErrorKind::Config) when both bounds are given, or one that is zero, or what is said of
    /// the snapshot makes no sense. A snapshot that cannot be read is a line in the log.
    #[allow(clippy::needless_pass_by_value, reason = "all backends are made alike, and settings may grow")]
    pub fn new(config: MemoryConfig, clock: Clock) -> Result<Self> {
        let (bound, snapshot) = (config.bound()?, config.snapshot_settings()?);
        let snapshot = snapshot.and_then(|settings| Snapshot::begin(settings, clock.clone()));
        let keys = match bound {
            Bound::Entries(entries) => entries,
            Bound::Bytes(bytes) => bytes / 1024,
        };
        let heat = snapshot.as_ref().map(|_| Heat::new(keys));
        let (table, versions) = (Arc::new(Table::new(bound, &clock, heat)), Versions::new());
        let store = Self { table, sweeper: Sweeper::default(), versions, snapshot };
        if let Some(snapshot) = &store.snapshot {
            snapshot.restore(&store.table, &store.versions);
            // It also lets old uses count less.
            store.sweeper.start(&store.table);
        }
        Ok(store)
    }

    fn set_now(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let written = self.table.set(key, entry, options)?;
        self.sweep_after(options.ttl);
        Ok(written)
    }

    fn touch_now(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let touched = self.table.touch(key, options)?;
        self.sweep_after(options.ttl);
        Ok(touched)
    }

    fn sweep_after(&self, ttl: Ttl) {
        if M::SETTLES || ttl != Ttl::Never {
            self.sweeper.start(&self.table);
        }
    }
}

#[async_trait]
impl<M: Map> Backend for MemoryBackend<M> {
    fn capabilities(&self) -> Capabilities {
        let coarse = cfg!(target_os = "linux") && !self.table.clock().is_manual();
        let capabilities = Capabilities::in_process();
        if coarse { capabilities.with_ttl_resolution(TICK) } else { capabilities }
    }

    #[inline]
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        if self.table.is_closed() {
            // A lookup cannot say so; `get` can.
            return None;
        }
        Some(self.table.get(key))
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.table.open(Operation::Get)?;
        Ok(self.table.get(key))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.set_now(key, entry, options)
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.touch_now(key, options)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.table.delete(key, options.condition)
    }

    async fn close(&self) -> Result<()> {
        self.table.close();
        self.versions.seal();
        if let Some(snapshot) = &self.snapshot {
            snapshot.leave(&self.table, &self.versions).await;
        }
        Ok(())
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], _: &GetOptions) -> Vec<Result<Lookup>> {
        keys.iter().map(|key| self.table.open(Operation::Get).map(|()| self.table.get(key))).collect()
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        items.iter().map(|item| self.set_now(&item.key, &item.entry, &item.options)).collect()
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        items.iter().map(|item| self.touch_now(&item.key, &item.options)).collect()
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        items.iter().map(|item| self.table.delete(&item.key, item.options.condition)).collect()
    }

    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::Here(&self.versions)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }

    fn bounded(&self) -> Option<&dyn Bounded> {
        Some(self)
    }
}

/// A counter is an entry of eight bytes under a key of its own. It counts against the bound, and may be evicted, as any
/// other.
#[async_trait]
impl<M: Map> Counters for MemoryBackend<M> {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let number = self.table.count(key, by, options)?;
        self.sweep_after(options.ttl);
        Ok(number)
    }
}

impl<M: Map> Bounded for MemoryBackend<M> {
    fn usage(&self) -> Usage {
        self.table.usage()
    }

    fn observe(&self, namespace: &Namespace, observer: Weak<dyn Observer>) {
        self.table.observers.add(namespace.text(), observer);
    }

    fn grew(&self, key: &StoreKey<'_>) {
        self.table.grew(key);
    }

    fn exchange(&self, key: &StoreKey<'_>, from: &Entry, to: &Entry) {
        self.table.exchange(key, from, to);
    }
}

/// How full it is; never what is in it.
impl<M: Map> fmt::Debug for MemoryBackend<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}
