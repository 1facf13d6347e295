//! A bound on the time that a store may take.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    counting::increment,
    limit::{Limit, encode},
};
use crate::{
    backend::{
        Backend, Capabilities, CounterOptions, Counters, DeleteItem, DeleteOptions, Forward, GetOptions,
        Lookup, SetItem, SetOptions, TouchItem, TouchOptions, Written,
    },
    entry::Entry,
    error::{Operation, Result},
    key::StoreKey,
};

/// Ends every operation of a store after a fixed time, or when its caller's own time is up if that is sooner, with
/// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), and puts the store's name into its errors.
///
/// A cache that is slower than what it caches is worth nothing: tens of milliseconds are a good deadline for
/// a store in the same network. A bulk operation is one operation. A write that timed out may have taken effect.
///
/// Outside a tokio runtime there is nothing to measure time with, and operations are not bounded.
#[derive(Debug)]
pub struct Deadline<B> {
    inner: B,
    store: Arc<str>,
    limit: Limit,
}

impl<B: Backend> Deadline<B> {
    /// Bounds the operations of a store of this name.
    pub fn new(inner: B, store: &str, limit: Duration) -> Self {
        Self { inner, store: store.into(), limit: Limit::new(limit) }
    }

    async fn bound<T>(
        &self,
        operation: Operation,
        until: Option<Instant>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let result = self.limit.one(operation, (Instant::now(), until), work).await;
        result.map_err(|error| error.in_store(&self.store))
    }

    async fn bound_many<T>(
        &self,
        operation: Operation,
        (count, until): (usize, Option<Instant>),
        work: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        let results = self.limit.many(operation, (count, Instant::now(), until), work).await;
        let name = |result: Result<T>| result.map_err(|error| error.in_store(&self.store));
        results.into_iter().map(name).collect()
    }
}

#[async_trait]
impl<B: Backend> Forward for Deadline<B> {
    type Inner = B;

    fn inner(&self) -> &B {
        &self.inner
    }

    fn capabilities(&self) -> Capabilities {
        self.limit.on(self.inner.capabilities())
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.inner.counters().map(|_| self as &dyn Counters)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.bound(Operation::Get, options.until, self.inner.get(key, options)).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        // Encoding is the caller's time, not the store's.
        encode(entry, &self.inner.capabilities()).await?;
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
            let _ = encode(&item.entry, &self.inner.capabilities()).await;
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

#[async_trait]
impl<B: Backend> Counters for Deadline<B> {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let work = increment(&self.inner, key, by, options);
        self.bound(Operation::Increment, options.until, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::NullBackend,
        key::{Key, Namespace},
        ttl::Ttl,
    };

    /// Counters that never answer.
    #[derive(Debug)]
    struct Hanging(NullBackend);

    impl Forward for Hanging {
        type Inner = NullBackend;

        fn inner(&self) -> &NullBackend {
            &self.0
        }

        fn counters(&self) -> Option<&dyn Counters> {
            Some(self)
        }
    }

    #[async_trait]
    impl Counters for Hanging {
        async fn increment(&self, _: &StoreKey<'_>, _: i64, _: &CounterOptions) -> Result<Option<u64>> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn counting_is_bounded_and_names_the_store() {
        let store = Deadline::new(Hanging(NullBackend::new()), "shared", Duration::from_millis(50));
        let (namespace, key) = (Namespace::new("n", 0).unwrap(), Key::new("k"));
        let begun = Instant::now();
        let options = CounterOptions::new(Ttl::Never);
        let counters = Backend::counters(&store).unwrap();
        let error = counters.increment(&StoreKey::new(&namespace, &key), 1, &options).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (crate::ErrorKind::Timeout, Operation::Increment));
        assert_eq!(error.store(), Some("shared"));
        assert!(begun.elapsed() < Duration::from_millis(60), "{:?}", begun.elapsed());
        let soon = options.with_until(Some(Instant::now() + Duration::from_millis(10)));
        let begun = Instant::now();
        counters.increment(&StoreKey::new(&namespace, &key), 1, &soon).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_millis(20), "{:?}", begun.elapsed());
    }
}
