//! `get_or_load`: the value from the store, or from the caller's loader.

use std::{
    error::Error as StdError,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use tracing::Instrument as _;

use super::{
    Cache, Encoded, Fetched, Status, Value,
    flight::{Flight, Joined},
    stamps::Stamps,
    stats::{add, micros},
    write::WriteOptions,
};
use crate::{
    backend::Condition,
    entry::Meta,
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, OwnedStoreKey, StoreKey},
};

impl<T: Value> Cache<T> {
    /// The value of this key; if the store has none, or fails, what the loader makes.
    ///
    /// Of all who ask for one key at once in this process, one runs its loader, in a task of its own: it goes
    /// on when the caller goes away. What it makes is stored for the cache's default life, unless the key was
    /// written, deleted or invalidated meanwhile; [`at`](Self::at) has more options. When the store failed,
    /// nothing is written to it.
    ///
    /// A hit in memory costs no allocation and does not call `loader`.
    ///
    /// # Errors
    /// Only what the loader does: [`ErrorKind::Load`] with the loader's own error as
    /// [`load_error`](Error::load_error), [`ErrorKind::Panicked`]; and [`ErrorKind::InvalidKey`] for an empty
    /// key. Nothing is stored then, and the next call tries again.
    ///
    /// # Panics
    /// Outside a tokio runtime, when there is something to load.
    pub async fn get_or_load<F, Fut, E>(&self, key: &Key, loader: F) -> Result<Fetched<T>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let store_key = self.store_key(key, Operation::Get)?;
        if let Some(fetched) = self.hit_now(&store_key) {
            return Ok(fetched);
        }
        self.load(key, WriteOptions::default(), loader).await
    }

    /// The slow half: asks the store, then joins a load or begins one.
    pub(super) async fn load<F, Fut, E>(
        &self,
        key: &Key,
        options: WriteOptions,
        loader: F,
    ) -> Result<Fetched<T>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let store_key = self.store_key(key, Operation::Get)?;
        let inner = &*self.inner;
        let landed = inner.flights.landed(&store_key);
        let may_store = match self.count(self.read_value(&store_key).await) {
            Ok(Ok(fetched)) => return Ok(fetched),
            Ok(Err(miss)) => !miss.is_from_the_future(),
            Err(_) => false,
        };
        let load = Load { key: key.clone(), options, may_store, look_again: false };
        self.join_or_begin(&store_key, landed, load, loader).await
    }

    /// The same without decoding what the store has.
    pub(super) async fn load_encoded<F, Fut, E>(
        &self,
        key: &Key,
        options: WriteOptions,
        loader: F,
    ) -> Result<Encoded<T>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let store_key = self.store_key(key, Operation::Get)?;
        let landed = self.inner.flights.landed(&store_key);
        let may_store = match self.count(self.read(&store_key).await) {
            Ok(Ok(entry)) => return self.encoded(entry, Status::Hit).await,
            Ok(Err(miss)) => !miss.is_from_the_future(),
            Err(_) => false,
        };
        let load = Load { key: key.clone(), options, may_store, look_again: false };
        let fetched = self.join_or_begin(&store_key, landed, load, loader).await?;
        self.encoded(fetched.entry, fetched.status).await
    }

    /// Waits for the load of this key that is in progress, or begins one.
    async fn join_or_begin<F, Fut, E>(
        &self,
        store_key: &StoreKey<'_>,
        landed: u64,
        load: Load,
        loader: F,
    ) -> Result<Fetched<T>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let inner = &*self.inner;
        match inner.flights.join(store_key, landed) {
            Joined::Waiter(waiting) => {
                add(&inner.counters.joined);
                waiting.outcome().await.map(|fetched| fetched.with_status(Status::Joined))
            }
            Joined::Leader { flight, look_again } => {
                let waiting = flight.wait();
                let landing =
                    Landing { cache: self.clone(), key: store_key.to_owned(), flight, landed: false };
                let load = Load { look_again, ..load };
                tokio::spawn(landing.run(load, loader).in_current_span());
                waiting.outcome().await
            }
        }
    }

    async fn load_and_store<F, Fut, E>(&self, load: Load, flight: &Flight<T>, loader: F) -> Result<Fetched<T>>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let inner = &*self.inner;
        let key = self.store_key(&load.key, Operation::Load)?;
        if load.look_again
            && load.may_store
            && let Ok(Ok(fetched)) = self.read_value(&key).await
        {
            return Ok(fetched);
        }

        // Before the loader begins: an invalidation from now on kills what it makes.
        let tags = Stamps::tag_scopes(&load.options.tags, Operation::Load)?;
        let ttl = load.options.ttl.unwrap_or(inner.ttl);
        let stamps = if load.may_store && !ttl.is_zero() {
            let now = inner.clock.now();
            self.count_errors(inner.stamps.current(&*inner.backend, now, &tags, ttl).await).ok()
        } else {
            None
        };

        let (value, load_cost) = self.run(loader).await?;

        let stored = stamps.is_some();
        let meta = self.meta(ttl, stamps.unwrap_or_default(), load.options.user);
        let entry = self.entry(Arc::clone(&value), Meta { load_cost, ..meta });
        let status = if !stored {
            Status::LoadedNotStored
        } else if !flight.may_store() {
            add(&inner.counters.fenced);
            Status::LoadedNotStored
        } else {
            match self.store(&key, &entry, ttl, Condition::Always).await {
                Ok(_) => Status::Loaded,
                Err(error) => {
                    tracing::warn!(cache = %inner.name, kind = error.kind().as_str(), %error, "a loaded value was not stored");
                    Status::LoadedNotStored
                }
            }
        };
        Ok(Fetched { value, entry, status, at: inner.clock.now() })
    }
    /// Runs the loader, and tells how long it took.
    async fn run<F, Fut, E>(&self, loader: F) -> Result<(Arc<T>, Duration)>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let counters = &self.inner.counters;
        add(&counters.loads);
        let begun = Instant::now();
        let result = catch_panic(async { loader().await }).await;
        let load_cost = begun.elapsed();
        let error = |kind, message| Error::new(kind, Operation::Load, message);
        let result = match result {
            Ok(Ok(value)) => Ok((Arc::new(value), load_cost)),
            Ok(Err(why)) => Err(error(ErrorKind::Load, "the loader failed").with_source(why)),
            Err(Panicked) => Err(error(ErrorKind::Panicked, "the loader panicked")),
        };
        match &result {
            Ok(_) => drop(counters.load_micros.fetch_add(micros(load_cost), Ordering::Relaxed)),
            Err(_) => add(&counters.load_failures),
        }
        result
    }
}

/// What a load needs to know.
struct Load {
    key: Key,
    options: WriteOptions,
    /// The store answered, so what is loaded may be written to it.
    may_store: bool,
    /// Somebody else may have loaded it since the store was asked.
    look_again: bool,
}

/// Sees to it that a flight lands, whatever becomes of its task.
struct Landing<T: Value> {
    cache: Cache<T>,
    key: OwnedStoreKey,
    flight: Arc<Flight<T>>,
    landed: bool,
}

impl<T: Value> Landing<T> {
    async fn run<F, Fut, E>(mut self, load: Load, loader: F)
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<T, E>> + Send,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let outcome = self.cache.load_and_store(load, &self.flight, loader).await;
        self.landed = true;
        self.cache.inner.flights.land(&self.key, &self.flight, outcome);
    }
}

impl<T: Value> Drop for Landing<T> {
    fn drop(&mut self) {
        if !self.landed {
            let message = "the load was abandoned; is the runtime shutting down?";
            let outcome = Err(Error::new(ErrorKind::Load, Operation::Load, message));
            self.cache.inner.flights.land(&self.key, &self.flight, outcome);
        }
    }
}

/// The loader panicked. What it said went to the panic hook.
struct Panicked;

/// Runs a future to its end or its panic.
async fn catch_panic<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        // A future that panicked is not polled again, so no broken state of its own is seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}
