//! A span for each call of a store.

use std::sync::Arc;

use async_trait::async_trait;
use tracing::{Instrument as _, Span, field::Empty};

use super::counting::increment;
use crate::{
    backend::{
        Backend, CounterOptions, Counters, DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem,
        SetOptions, TouchItem, TouchOptions, Written,
    },
    entry::Entry,
    error::{Operation, Result},
    key::StoreKey,
};

/// Makes a span of each call of a store, for whoever collects spans (`tracing-subscriber`, `tracing-opentelemetry`).
///
/// ```
/// use larder_core::{Cache, Key, backend::NullBackend, layer::Trace};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
/// let store = Trace::new(NullBackend::new(), "shared");
/// let users: Cache<String> = Cache::builder(store).namespace("users").build()?;
/// // A span `store{store="shared", operation="get", keys=1, outcome="miss"}`.
/// users.get(&Key::new("ada")).await?;
/// # Ok(()) }
/// ```
///
/// The span is called `store`, is of the level `DEBUG` and the target `larder::store`, and has these fields:
///
/// | field | |
/// |---|---|
/// | `store` | the store's name |
/// | `operation` | `get`, `set`, `delete`, … as [`Operation`] has them |
/// | `keys` | how many keys the call has: one, or those of a bulk call |
/// | `outcome` | `hit`, `miss`, `done`, `not_done` for a condition that was not met or a key that was not there, or the [kind](crate::ErrorKind) of the error; of a bulk call `done`, or the kind of its first error |
/// | `failed` | of a bulk call, for how many keys it failed |
///
/// Keys and values are not in it: they may be personal. A call that is dropped has no outcome.
///
/// # Cost
/// A span where somebody collects them, and otherwise a look at whether somebody does. What a store in this process's memory
/// answers without a future ([`Backend::get_now`]) has no span.
#[derive(Debug)]
pub struct Trace<B> {
    inner: B,
    store: Arc<str>,
}

impl<B: Backend> Trace<B> {
    /// Around the store of this name. Outside of a [`Breaker`](super::Breaker) or [`Deadline`](super::Deadline) it shows what
    /// callers get; inside, what the store does.
    pub fn new(inner: B, store: impl Into<Arc<str>>) -> Self {
        Self { inner, store: store.into() }
    }

    fn span(&self, operation: Operation, keys: usize) -> Span {
        tracing::debug_span!(
            target: "larder::store",
            "store",
            store = &*self.store,
            operation = operation.as_str(),
            keys,
            outcome = Empty,
            failed = Empty,
        )
    }

    async fn one<T>(
        &self,
        operation: Operation,
        named: impl FnOnce(&T) -> &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let span = self.span(operation, 1);
        let result = work.instrument(span.clone()).await;
        span.record("outcome", result.as_ref().map_or_else(|error| error.kind().as_str(), named));
        result
    }

    async fn many<T>(
        &self,
        operation: Operation,
        keys: usize,
        work: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        let span = self.span(operation, keys);
        let results = work.instrument(span.clone()).await;
        if span.is_disabled() {
            return results;
        }
        let mut errors = results.iter().filter_map(|result| result.as_ref().err()).peekable();
        span.record("outcome", errors.peek().map_or("done", |error| error.kind().as_str()));
        span.record("failed", errors.count());
        results
    }
}

fn whether(done: bool) -> &'static str {
    if done { "done" } else { "not_done" }
}

#[async_trait]
impl<B: Backend> Forward for Trace<B> {
    type Inner = B;

    fn inner(&self) -> &B {
        &self.inner
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.inner.counters().map(|_| self as &dyn Counters)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        let named = |lookup: &Lookup| match lookup {
            Lookup::Hit(_) => "hit",
            Lookup::Miss(_) => "miss",
        };
        self.one(Operation::Get, named, self.inner.get(key, options)).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let named = |written: &Written| whether(written.took_place());
        self.one(Operation::Set, named, self.inner.set(key, entry, options)).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.one(Operation::Touch, |done| whether(*done), self.inner.touch(key, options)).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.one(Operation::Delete, |done| whether(*done), self.inner.delete(key, options)).await
    }

    async fn close(&self) -> Result<()> {
        self.one(Operation::Close, |()| "done", self.inner.close()).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        self.many(Operation::Get, keys.len(), self.inner.get_many(keys, options)).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        self.many(Operation::Set, items.len(), self.inner.set_many(items)).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        self.many(Operation::Touch, items.len(), self.inner.touch_many(items)).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        self.many(Operation::Delete, items.len(), self.inner.delete_many(items)).await
    }
}

#[async_trait]
impl<B: Backend> Counters for Trace<B> {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let work = increment(&self.inner, key, by, options);
        let named = |counted: &Option<u64>| whether(counted.is_some());
        self.one(Operation::Increment, named, work).await
    }
}
