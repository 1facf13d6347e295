//! A store that fails on request, around the real one, and counts what it is asked.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use larder_core::{
    Backend, Entry, Error, ErrorKind, Result,
    backend::{
        DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem, SetOptions, TouchItem, TouchOptions,
        Written,
    },
    error::Operation,
    key::StoreKey,
};

use crate::context::Context;

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    /// The store does it.
    #[default]
    None,
    /// It fails in this way, and the store is not asked.
    Fails(ErrorKind),
    /// It never ends.
    Hangs,
    /// Of several keys those that end in "!" fail, as those of a shard that is down do.
    OneShard,
}

#[derive(Debug, Clone, Copy, Default)]
struct Plan {
    reads: Fault,
    writes: Fault,
    deletes: Fault,
}

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
    deletes: AtomicUsize,
    /// Of the reads, looks into this process's memory, which wait for nothing.
    looks: AtomicUsize,
}

/// The store, with faults. Clones fail together.
#[derive(Clone)]
pub(crate) struct Faulty {
    inner: Arc<dyn Backend>,
    plan: Arc<Mutex<Plan>>,
    counts: Arc<Counts>,
}

impl Faulty {
    /// The case's store, without faults as yet.
    pub(crate) fn new(t: &Context) -> Self {
        Self { inner: t.backend().clone(), plan: Arc::default(), counts: Arc::default() }
    }

    pub(crate) fn reads(&self, fault: Fault) {
        self.plan().reads = fault;
    }

    /// Writes and touches.
    pub(crate) fn writes(&self, fault: Fault) {
        self.plan().writes = fault;
    }

    pub(crate) fn deletes(&self, fault: Fault) {
        self.plan().deletes = fault;
    }

    pub(crate) fn all(&self, fault: Fault) {
        *self.plan() = Plan { reads: fault, writes: fault, deletes: fault };
    }

    /// How many requests to read, write and delete there were; one of many keys counts once.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let Counts { reads, writes, deletes, .. } = &*self.counts;
        (reads.load(Ordering::SeqCst), writes.load(Ordering::SeqCst), deletes.load(Ordering::SeqCst))
    }

    /// How many of the reads were looks into this process's memory, which wait for nothing.
    pub(crate) fn looks(&self) -> usize {
        self.counts.looks.load(Ordering::SeqCst)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) -> Fault {
        self.counts.reads.fetch_add(1, Ordering::SeqCst);
        let fault = self.plan().reads;
        hang(fault).await
    }

    async fn write(&self) -> Fault {
        self.counts.writes.fetch_add(1, Ordering::SeqCst);
        let fault = self.plan().writes;
        hang(fault).await
    }

    async fn remove(&self) -> Fault {
        self.counts.deletes.fetch_add(1, Ordering::SeqCst);
        let fault = self.plan().deletes;
        hang(fault).await
    }
}

async fn hang(fault: Fault) -> Fault {
    if fault == Fault::Hangs {
        std::future::pending::<()>().await;
    }
    fault
}

fn check(fault: Fault, operation: Operation) -> Result<()> {
    match fault {
        Fault::Fails(kind) => Err(Error::new(kind, operation, "it was told to fail")),
        _ => Ok(()),
    }
}

/// What each key of several fails with.
fn failing(fault: Fault, operation: Operation, key: &StoreKey<'_>) -> Option<Error> {
    match fault {
        // The text of a key escapes "!".
        Fault::OneShard if key.key().text().ends_with("%21") => {
            Some(Error::new(ErrorKind::Unavailable, operation, "the shard of this key is down"))
        }
        fault => check(fault, operation).err(),
    }
}

/// Puts the errors of those that fail between the answers of the others.
fn merge<R>(failing: Vec<Option<Error>>, answers: Vec<Result<R>>) -> Vec<Result<R>> {
    let mut answers = answers.into_iter();
    failing
        .into_iter()
        .filter_map(|error| error.map_or_else(|| answers.next(), |error| Some(Err(error))))
        .collect()
}

/// Those that do not fail.
fn spared<I: Clone>(items: &[I], failing: &[Option<Error>]) -> Vec<I> {
    let spared = items.iter().zip(failing).filter(|(_, error)| error.is_none());
    spared.map(|(item, _)| item.clone()).collect()
}

#[async_trait]
impl Forward for Faulty {
    type Inner = dyn Backend;

    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        let is_well = self.plan().reads == Fault::None;
        let found = is_well.then(|| self.inner().get_now(key)).flatten();
        if found.is_some() {
            self.counts.reads.fetch_add(1, Ordering::SeqCst);
            self.counts.looks.fetch_add(1, Ordering::SeqCst);
        }
        found
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        check(self.read().await, Operation::Get)?;
        self.inner().get(key, options).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        check(self.write().await, Operation::Set)?;
        self.inner().set(key, entry, options).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        check(self.write().await, Operation::Touch)?;
        self.inner().touch(key, options).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        check(self.remove().await, Operation::Delete)?;
        self.inner().delete(key, options).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let fault = self.read().await;
        let failing: Vec<_> = keys.iter().map(|key| failing(fault, Operation::Get, key)).collect();
        let asked = spared(keys, &failing);
        merge(failing, self.inner().get_many(&asked, options).await)
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let fault = self.write().await;
        let failing: Vec<_> = items.iter().map(|item| failing(fault, Operation::Set, &item.key)).collect();
        let asked = spared(items, &failing);
        merge(failing, self.inner().set_many(&asked).await)
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let fault = self.write().await;
        let failing: Vec<_> = items.iter().map(|item| failing(fault, Operation::Touch, &item.key)).collect();
        let asked = spared(items, &failing);
        merge(failing, self.inner().touch_many(&asked).await)
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let fault = self.remove().await;
        let failing: Vec<_> = items.iter().map(|item| failing(fault, Operation::Delete, &item.key)).collect();
        let asked = spared(items, &failing);
        merge(failing, self.inner().delete_many(&asked).await)
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).finish_non_exhaustive()
    }
}
