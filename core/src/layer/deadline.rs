//! A bound on the time that a store may take.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    backend::{Backend, Capabilities, Lookup, SetItem, SetOptions},
    entry::{Entry, Lifetime},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    ttl::Ttl,
    versions::Versions,
};

/// Ends every operation of a store after a fixed time with [`ErrorKind::Timeout`], and puts the store's name
/// into its errors.
///
/// A cache that is slower than what it caches is worth nothing: tens of milliseconds are a good deadline for
/// a store in the same network. A bulk operation is one operation. A write that timed out may have taken effect.
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

    async fn bound<T>(&self, operation: Operation, work: impl Future<Output = Result<T>>) -> Result<T> {
        let result =
            tokio::time::timeout(self.limit, work).await.unwrap_or_else(|_| Err(self.late(operation)));
        result.map_err(|error| error.in_store(&self.store))
    }

    async fn bound_many<T>(
        &self,
        operation: Operation,
        count: usize,
        work: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        if let Ok(results) = tokio::time::timeout(self.limit, work).await {
            let name = |result: Result<T>| result.map_err(|error| error.in_store(&self.store));
            return results.into_iter().map(name).collect();
        }
        let late = self.late(operation).in_store(&self.store);
        (0..count).map(|_| Err(late.clone())).collect()
    }

    fn late(&self, operation: Operation) -> Error {
        let message = format!("no answer within the deadline of {:?}", self.limit);
        Error::new(ErrorKind::Timeout, operation, message)
    }
}

#[async_trait]
impl<B: Backend> Backend for Deadline<B> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        self.inner.get_now(key)
    }

    async fn get(&self, key: &StoreKey<'_>) -> Result<Lookup> {
        self.bound(Operation::Get, self.inner.get(key)).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<bool> {
        // Encoding is the caller's time, not the store's.
        entry.body_if_needed(&self.inner.capabilities()).await?;
        self.bound(Operation::Set, self.inner.set(key, entry, options)).await
    }

    async fn touch(&self, key: &StoreKey<'_>, lifetime: Lifetime, ttl: Ttl) -> Result<bool> {
        self.bound(Operation::Touch, self.inner.touch(key, lifetime, ttl)).await
    }

    async fn delete(&self, key: &StoreKey<'_>) -> Result<bool> {
        self.bound(Operation::Delete, self.inner.delete(key)).await
    }

    async fn close(&self) -> Result<()> {
        self.bound(Operation::Close, self.inner.close()).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>]) -> Vec<Result<Lookup>> {
        self.bound_many(Operation::Get, keys.len(), self.inner.get_many(keys)).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<bool>> {
        for item in items {
            // A value that cannot be encoded fails again inside, where its own answer is given.
            let _ = item.entry.body_if_needed(&self.inner.capabilities()).await;
        }
        self.bound_many(Operation::Set, items.len(), self.inner.set_many(items)).await
    }

    async fn delete_many(&self, keys: &[StoreKey<'_>]) -> Vec<Result<bool>> {
        self.bound_many(Operation::Delete, keys.len(), self.inner.delete_many(keys)).await
    }

    fn versions(&self) -> Option<&Versions> {
        self.inner.versions()
    }
}
