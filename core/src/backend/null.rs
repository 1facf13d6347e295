//! The store that keeps nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::{
    Backend, Capabilities, Condition, CounterOptions, Counters, DeleteOptions, GetOptions, Invalidation,
    Lookup, SetOptions, TouchOptions, Written,
};
use crate::{
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    miss::Miss,
    versions::Versions,
};

/// A store that keeps nothing: for deployments without a cache, and for measuring what a cache is worth.
///
/// `set` and `add` succeed, `get` misses, `touch` and `delete` are `false`, `get_or_load` loads, and a counter is missing and
/// so becomes its initial value, always.
/// It never holds a value and never makes one up.
#[derive(Debug, Default)]
pub struct NullBackend {
    closed: AtomicBool,
    versions: Versions,
}

impl NullBackend {
    /// A store that keeps nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn open(&self, operation: Operation) -> Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, operation, "the store was closed"));
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for NullBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities { keeps: false, ..Capabilities::in_process() }
    }

    async fn get(&self, _: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.open(Operation::Get)?;
        Ok(Lookup::Miss(Miss::Absent))
    }

    async fn set(&self, _: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.open(Operation::Set)?;
        Ok(Written::when(matches!(options.condition, Condition::Always | Condition::Absent), entry))
    }

    async fn touch(&self, _: &StoreKey<'_>, _: &TouchOptions) -> Result<bool> {
        self.open(Operation::Touch)?;
        Ok(false)
    }

    async fn delete(&self, _: &StoreKey<'_>, _: &DeleteOptions) -> Result<bool> {
        self.open(Operation::Delete)?;
        Ok(false)
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
impl Counters for NullBackend {
    async fn increment(&self, _: &StoreKey<'_>, _: i64, options: &CounterOptions) -> Result<Option<u64>> {
        self.open(Operation::Increment)?;
        Ok(options.initial)
    }
}
