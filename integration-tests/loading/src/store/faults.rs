//! A store that sometimes fails.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use larder_core::{
    Backend, Error, ErrorKind, Result,
    backend::{
        Capabilities, CounterOptions, Counters, DeleteOptions, GetOptions, Invalidation, Lookup, SetOptions,
        Shards, TouchOptions, Written,
    },
    entry::Entry,
    error::Operation,
    key::StoreKey,
};

use crate::random::{self, Random};

/// The kind of a fault that was made here. When it is told, all that the operation does is done.
pub(crate) const KIND: ErrorKind = ErrorKind::Other;

/// One in so many operations fails.
const ONE_IN: u64 = 32;

/// Fails some operations, half of them before they reach the store, and half after.
#[derive(Debug)]
pub(super) struct Faults<B> {
    inner: B,
    random: Mutex<Random>,
}

/// What is to happen to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Well,
    Before,
    After,
}

impl<B: Backend> Faults<B> {
    pub(super) fn new(inner: B) -> Self {
        // Which operation it is that draws, nobody can foresee: a seed would be of no use.
        let random = Mutex::new(Random::of_task(random::seed(), 0, 0));
        Self { inner, random }
    }

    fn draw(&self) -> Fate {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        match random.below(2 * ONE_IN) {
            0 => Fate::Before,
            1 => Fate::After,
            _ => Fate::Well,
        }
    }

    async fn perhaps<T>(&self, operation: Operation, work: impl Future<Output = Result<T>>) -> Result<T> {
        let fate = self.draw();
        if fate != Fate::Before {
            let done = work.await;
            if fate == Fate::Well {
                return done;
            }
        }
        Err(Error::new(KIND, operation, "a fault that was asked for"))
    }
}

/// Bulk operations are the defaults, which are made of these.
#[async_trait]
impl<B: Backend> Backend for Faults<B> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        // What is here cannot fail.
        self.inner.get_now(key)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.perhaps(Operation::Get, self.inner.get(key, options)).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.perhaps(Operation::Set, self.inner.set(key, entry, options)).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.perhaps(Operation::Touch, self.inner.touch(key, options)).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.perhaps(Operation::Delete, self.inner.delete(key, options)).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }

    fn invalidation(&self) -> Invalidation<'_> {
        self.inner.invalidation()
    }

    fn shards(&self) -> Option<&dyn Shards> {
        self.inner.shards()
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.inner.counters().map(|_| self as &dyn Counters)
    }
}

#[async_trait]
impl<B: Backend> Counters for Faults<B> {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let Some(counters) = self.inner.counters() else {
            let message = "the store inside has no counters";
            return Err(Error::new(ErrorKind::Unsupported, Operation::Increment, message));
        };
        self.perhaps(Operation::Increment, counters.increment(key, by, options)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use larder_core::backend::NullBackend;

    #[tokio::test]
    async fn some_operations_fail_and_half_of_those_are_done_all_the_same() {
        let store = Faults::new(NullBackend::new());
        let (mut failed, mut done) = (0, 0);
        for _ in 0..6400 {
            let mut was_done = false;
            let work = async {
                was_done = true;
                Ok(())
            };
            if store.perhaps(Operation::Set, work).await.is_err() {
                failed += 1;
                done += u64::from(was_done);
            } else {
                assert!(was_done);
            }
        }
        assert!((100..300).contains(&failed), "{failed}");
        assert!((failed / 4..failed * 3 / 4).contains(&done), "{done} of {failed}");
    }
}
