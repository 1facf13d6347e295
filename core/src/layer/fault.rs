//! A store that fails on purpose.

mod faults;
mod rules;

use std::future::pending;

use async_trait::async_trait;

pub use self::{
    faults::Faults,
    rules::{Calls, FaultRule, Mishap},
};
use super::counting::increment;
use crate::{
    backend::{
        Backend, CounterOptions, Counters, DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem,
        SetOptions, TouchItem, TouchOptions, Written,
    },
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
};

/// Makes a store fail on purpose: for tests of what a program does when its cache fails.
///
/// ```
/// use larder_core::{Cache, Clock, ErrorKind, Key, backend::NullBackend, layer::{Fault, Faults, Mishap}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
/// let faults = Faults::new(&Clock::system());
/// let store = Fault::new(NullBackend::new(), faults.clone());
/// let users: Cache<String> = Cache::builder(store).namespace("users").build()?;
/// let (ada, load) = (Key::new("ada"), || async { Ok::<_, std::io::Error>("Ada".to_owned()) });
///
/// faults.always(Mishap::Fails(ErrorKind::Timeout));
/// assert_eq!(users.get(&ada).await.unwrap_err().kind(), ErrorKind::Timeout);
/// assert_eq!(*users.get_or_load(&ada, load).await?, "Ada");
///
/// faults.none();
/// assert!(users.get(&ada).await?.is_none());
/// # Ok(()) }
/// ```
///
/// # Notes
/// - It belongs inside of [`Deadline`](super::Deadline) and [`Breaker`](super::Breaker), beside the store: they then see what
///   they would see of a server.
/// - A bulk call is one call, and has one mishap for all of its keys.
/// - While anything may go wrong, a store in this process's memory is asked like one elsewhere: no
///   [`get_now`](Backend::get_now). Its versions of tags and namespaces are not reached by calls, so invalidations of tags and
///   clears do not fail.
/// - Closing does not fail, and nothing is said of a bus.
///
/// # Cancellation safety
/// That of the store. A reply that is lost is waited for before: dropped until then, it is a call of the store that is dropped.
#[derive(Debug)]
pub struct Fault<B> {
    inner: B,
    faults: Faults,
}

impl<B: Backend> Fault<B> {
    /// Around a store. What goes wrong is said by the handle.
    pub fn new(inner: B, faults: Faults) -> Self {
        Self { inner, faults }
    }

    async fn one<T>(
        &self,
        (call, operation): (Calls, Operation),
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.draw(call).await {
            None => work.await,
            Some((kind, is_done)) => {
                if is_done {
                    let _lost = work.await;
                }
                Err(error(kind, operation))
            }
        }
    }

    async fn many<T>(
        &self,
        (call, operation, count): (Calls, Operation, usize),
        work: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        if count == 0 {
            return work.await;
        }
        match self.draw(call).await {
            None => work.await,
            Some((kind, is_done)) => {
                if is_done {
                    let _lost = work.await;
                }
                (0..count).map(|_| Err(error(kind, operation))).collect()
            }
        }
    }

    /// How a call fails, if it does, and whether the store does it before.
    async fn draw(&self, call: Calls) -> Option<(ErrorKind, bool)> {
        let (delay, mishap) = self.faults.draw(call);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match mishap? {
            Mishap::Fails(kind) => Some((kind, false)),
            Mishap::LosesReply(kind) => Some((kind, true)),
            Mishap::Hangs => pending().await,
            // It has been waited for.
            Mishap::Delays(_) => None,
        }
    }
}

fn error(kind: ErrorKind, operation: Operation) -> Error {
    Error::new(kind, operation, "this fault was asked for")
}

#[async_trait]
impl<B: Backend> Forward for Fault<B> {
    type Inner = B;

    fn inner(&self) -> &B {
        &self.inner
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        if self.faults.are_on() { None } else { self.inner.get_now(key) }
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.inner.counters().map(|_| self as &dyn Counters)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.one((Calls::Reads, Operation::Get), self.inner.get(key, options)).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.one((Calls::Writes, Operation::Set), self.inner.set(key, entry, options)).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.one((Calls::Writes, Operation::Touch), self.inner.touch(key, options)).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.one((Calls::Deletes, Operation::Delete), self.inner.delete(key, options)).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let call = (Calls::Reads, Operation::Get, keys.len());
        self.many(call, self.inner.get_many(keys, options)).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        self.many((Calls::Writes, Operation::Set, items.len()), self.inner.set_many(items)).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        self.many((Calls::Writes, Operation::Touch, items.len()), self.inner.touch_many(items)).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        self.many((Calls::Deletes, Operation::Delete, items.len()), self.inner.delete_many(items)).await
    }
}

#[async_trait]
impl<B: Backend> Counters for Fault<B> {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let work = increment(&self.inner, key, by, options);
        self.one((Calls::Writes, Operation::Increment), work).await
    }
}
