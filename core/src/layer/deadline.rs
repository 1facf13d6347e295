//! A bound on the time that a store may take.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{runtime::Handle, time::Instant};

use crate::{
    backend::{
        Backend, Capabilities, DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem, SetOptions,
        TouchItem, TouchOptions, Written,
    },
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
};

/// Ends every operation of a store after a fixed time, or when its caller's own time is up if that is sooner, with
/// [`ErrorKind::Timeout`], and puts the store's name into its errors.
///
/// A cache that is slower than what it caches is worth nothing: tens of milliseconds are a good deadline for
/// a store in the same network. A bulk operation is one operation. A write that timed out may have taken effect.
///
/// Outside a tokio runtime there is nothing to measure time with, and operations are not bounded.
#[derive(Debug)]
pub struct Deadline<B> {
    inner: B,
    store: Arc<str>,
    limit: Duration,
}

impl<B: Backend> Deadline<B> {
    /// Bounds the operations of a store of this name.
    pub fn new(inner: B, store: &str, limit: Duration) -> Self {
        Self { inner, store: store.into(), limit }
    }

    async fn bound<T>(
        &self,
        operation: Operation,
        until: Option<Instant>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let result = match self.no_longer_than(until, work).await {
            Some(result) => result,
            None => Err(self.late(operation)),
        };
        result.map_err(|error| error.in_store(&self.store))
    }

    async fn bound_many<T>(
        &self,
        operation: Operation,
        (count, until): (usize, Option<Instant>),
        work: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        if let Some(results) = self.no_longer_than(until, work).await {
            let name = |result: Result<T>| result.map_err(|error| error.in_store(&self.store));
            return results.into_iter().map(name).collect();
        }
        let late = self.late(operation).in_store(&self.store);
        (0..count).map(|_| Err(late.clone())).collect()
    }

    async fn no_longer_than<T>(&self, until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
        if Handle::try_current().is_err() {
            return Some(work.await);
        }
        let Some(end) = Instant::now().checked_add(self.limit).into_iter().chain(until).min() else {
            return Some(work.await);
        };
        tokio::time::timeout_at(end, work).await.ok()
    }

    fn late(&self, operation: Operation) -> Error {
        let message = format!("no answer within the deadline of {:?}", self.limit);
        Error::new(ErrorKind::Timeout, operation, message)
    }
}

#[async_trait]
impl<B: Backend> Forward for Deadline<B> {
    type Inner = B;

    fn inner(&self) -> &B {
        &self.inner
    }

    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        inner.with_deadline(Some(inner.deadline.map_or(self.limit, |limit| limit.min(self.limit))))
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.bound(Operation::Get, options.until, self.inner.get(key, options)).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        // Encoding is the caller's time, not the store's.
        entry.body_if_needed(&self.inner.capabilities()).await?;
        self.bound(Operation::Set, options.until, self.inner.set(key, entry, options)).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.bound(Operation::Touch, options.until, self.inner.touch(key, options)).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.bound(Operation::Delete, options.until, self.inner.delete(key, options)).await
    }

    async fn close(&self) -> Result<()> {
        self.bound(Operation::Close, None, self.inner.close()).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let bounds = (keys.len(), options.until);
        self.bound_many(Operation::Get, bounds, self.inner.get_many(keys, options)).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        for item in items {
            // A value that cannot be encoded fails again inside, where its own answer is given.
            let _ = item.entry.body_if_needed(&self.inner.capabilities()).await;
        }
        let until = items.iter().filter_map(|item| item.options.until).min();
        self.bound_many(Operation::Set, (items.len(), until), self.inner.set_many(items)).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let until = items.iter().filter_map(|item| item.options.until).min();
        self.bound_many(Operation::Touch, (items.len(), until), self.inner.touch_many(items)).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let until = items.iter().filter_map(|item| item.options.until).min();
        self.bound_many(Operation::Delete, (items.len(), until), self.inner.delete_many(items)).await
    }
}
