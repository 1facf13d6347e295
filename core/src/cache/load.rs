//! `get_or_load`: the value from the store, or from the caller's loader. Here is decided who waits for whom;
//! `conduct.rs` runs the loader.

use std::{error::Error as StdError, time::Duration};

use tracing::Instrument as _;

use super::{
    Cache, Encoded, Event, Fetched, LoadContext, Loaded, Status, Value,
    conduct::{Landing, Load, is_being_loaded_here, is_nested},
    flight::{Arrival, Joined, vanished},
    read::HasMeta,
    write::WriteOptions,
};
use crate::{
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, StoreKey},
    miss::Miss,
};

/// The error of a caller's loader, whatever its type.
pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// What makes a value.
pub(super) trait Loader<T>: Send + 'static {
    /// Whether it may name tags.
    const NAMES_TAGS: bool;

    fn load(self, context: LoadContext<T>) -> impl Future<Output = Result<Loaded<T>, BoxError>> + Send;
}

/// A loader that knows nothing and answers a value.
pub(super) struct Plain<F>(pub(super) F);

impl<T, F, Fut, E> Loader<T> for Plain<F>
where
    T: Value,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send,
    E: Into<BoxError>,
{
    const NAMES_TAGS: bool = false;

    async fn load(self, _: LoadContext<T>) -> Result<Loaded<T>, BoxError> {
        (self.0)().await.map(Loaded::new).map_err(Into::into)
    }
}

/// A loader that is told what is known and may answer more than a value.
pub(super) struct Knowing<F>(pub(super) F);

impl<T, F, Fut, E> Loader<T> for Knowing<F>
where
    T: Value,
    F: FnOnce(LoadContext<T>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Loaded<T>, E>> + Send,
    E: Into<BoxError>,
{
    const NAMES_TAGS: bool = true;

    async fn load(self, context: LoadContext<T>) -> Result<Loaded<T>, BoxError> {
        (self.0)(context).await.map_err(Into::into)
    }
}

/// What came of asking the store first.
enum Answer<T, R> {
    /// The store had it.
    Found(R, Status),
    /// A loader made it.
    Made(Fetched<T>),
}

impl<T: Value> Cache<T> {
    /// The value of this key; if the store has none, or fails, what the loader makes.
    ///
    /// Of all who ask for one key at once in this process, one runs its loader, in a task of its own: it goes
    /// on when the caller goes away. What it makes is stored for the cache's default life, unless the key was
    /// written, deleted or invalidated meanwhile; [`at`](Self::at) has more options, and the cache's
    /// [`Policy`](super::Policy) says when a stale value is served instead. When the store failed, nothing is
    /// written to it.
    ///
    /// A hit in memory costs no allocation and does not call `loader`.
    ///
    /// # Errors
    /// Only what the loader does: [`ErrorKind::Load`] with the loader's own error as
    /// [`load_error`](Error::load_error), [`ErrorKind::Panicked`], [`ErrorKind::Timeout`] after the policy's
    /// hard deadline, [`ErrorKind::Recursion`] when the loader of a key waits for that key; and
    /// [`ErrorKind::InvalidKey`] for an empty key. Nothing is stored then, and the next call tries again.
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
        match self.hit_now(&store_key) {
            Some(fetched) => Ok(fetched),
            None => self.load(key, WriteOptions::default(), Plain(loader)).await,
        }
    }

    /// The slow half: asks the store, then joins a load or begins one.
    pub(super) async fn load(
        &self,
        key: &Key,
        options: WriteOptions,
        loader: impl Loader<T>,
    ) -> Result<Fetched<T>> {
        let store_key = self.store_key(key, Operation::Get)?;
        let arrival = self.arrive(&store_key);
        let read = self.read_value(&store_key).await;
        let old = |fetched: &Fetched<T>| Some(fetched.clone());
        match self.answer(key, options, loader, arrival, read, old).await? {
            Answer::Found(fetched, status) => Ok(fetched.with_status(status)),
            Answer::Made(fetched) => Ok(fetched),
        }
    }

    /// The same without decoding what the store has.
    pub(super) async fn load_encoded(
        &self,
        key: &Key,
        options: WriteOptions,
        loader: impl Loader<T>,
    ) -> Result<Encoded<T>> {
        let store_key = self.store_key(key, Operation::Get)?;
        let arrival = self.arrive(&store_key);
        let read = self.read(&store_key).await;
        match self.answer(key, options, loader, arrival, read, |_| None).await? {
            Answer::Found(entry, status) => self.encoded(entry, status).await,
            Answer::Made(fetched) => self.encoded(fetched.entry, fetched.status).await,
        }
    }

    /// What follows from what the store said.
    async fn answer<R: HasMeta>(
        &self,
        key: &Key,
        options: WriteOptions,
        loader: impl Loader<T>,
        arrival: Arrival,
        read: Result<Result<R, Miss>>,
        old: impl FnOnce(&R) -> Option<Fetched<T>>,
    ) -> Result<Answer<T, R>> {
        let inner = &*self.inner;
        let policy = &inner.policy;
        let store_key = self.store_key(key, Operation::Get)?;
        let now = inner.clock.now();
        let load = Load::new(key, options);
        let (found, load) = match read {
            Ok(Ok(found)) => (found, load),
            read => {
                let may_store = matches!(&read, Ok(Err(miss)) if !miss.is_from_the_future());
                let _ = self.count(read);
                let waiting = self.join_or_begin(&store_key, arrival, Load { may_store, ..load }, loader);
                return self.no_longer_than(policy.hard_deadline, waiting).await.map(Answer::Made);
            }
        };

        let load = Load { in_place: Some(found.entry_of().token()), ..load };
        let fresh_until = found.meta_of().lifetime.fresh_until;
        let rests = inner.flights.is_resting(&store_key, now);
        if now < fresh_until {
            inner.events.hit(found.meta_of().load_cost);
            self.slide(&store_key, found.entry_of()).await;
            if !rests && policy.refreshes_early() && policy.is_early(found.meta_of(), now) {
                let load = Load { old: old(&found), revision: found.meta_of().revision, ..load };
                self.begin_behind(&store_key, arrival, load, loader);
            }
            return Ok(Answer::Found(found, Status::Hit));
        }

        inner.events.happened(&Event::Miss { reason: &Miss::Stale });
        let stale_for = now.since(fresh_until);
        let load = Load { old: old(&found), ..load };
        let serve_stale = |found| {
            inner.events.happened(&Event::Stale);
            Ok(Answer::Found(found, Status::Stale))
        };
        if policy.may_revalidate(stale_for) {
            if !rests {
                self.begin_behind(&store_key, arrival, load, loader);
            }
            return serve_stale(found);
        }
        if !policy.may_excuse(stale_for) {
            // Kept for another process's policy, or by a store that is late in removing it.
            let waiting = self.join_or_begin(&store_key, arrival, Load { old: None, ..load }, loader);
            return self.no_longer_than(policy.hard_deadline, waiting).await.map(Answer::Made);
        }
        if rests {
            return serve_stale(found);
        }
        let limit = [policy.soft_deadline, policy.hard_deadline].into_iter().flatten().min();
        let waiting = self.join_or_begin(&store_key, arrival, load, loader);
        match self.no_longer_than(limit, waiting).await {
            Ok(fetched) => Ok(Answer::Made(fetched)),
            Err(_) => serve_stale(found),
        }
    }

    /// To be called before looking into the store.
    pub(super) fn arrive(&self, key: &StoreKey<'_>) -> Arrival {
        self.inner.flights.arrive(key, self.inner.stamps.generation_here(&*self.inner.backend))
    }

    async fn no_longer_than(
        &self,
        limit: Option<Duration>,
        waiting: impl Future<Output = Result<Fetched<T>>>,
    ) -> Result<Fetched<T>> {
        let Some(limit) = limit else { return waiting.await };
        tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| {
            let message = format!("the loader took longer than {limit:?}; it goes on behind");
            Err(Error::new(ErrorKind::Timeout, Operation::Load, message))
        })
    }

    /// Waits for the load of this key that is in progress, or begins one.
    async fn join_or_begin<L: Loader<T>>(
        &self,
        store_key: &StoreKey<'_>,
        arrival: Arrival,
        load: Load<T>,
        loader: L,
    ) -> Result<Fetched<T>> {
        let inner = &*self.inner;
        loop {
            match inner.flights.join(store_key, arrival, || load.labels::<L>()) {
                Joined::Waiter(flight, waiting) => {
                    if is_nested() {
                        // Who waits for it has a turn that it may be waiting for.
                        flight.hurry();
                    }
                    if is_being_loaded_here(self, store_key) {
                        return Err(waits_for_itself());
                    }
                    inner.events.happened(&Event::Joined);
                    // A loader of several may have left this one out: then it is our turn. Nor may it be old: under
                    // leases, another process may have removed the key after that load began and before we came.
                    if let Some(fetched) = waiting.outcome().await?
                        && flight.is_for(&arrival, inner.policy.lease.is_some())
                    {
                        return Ok(fetched.with_status(Status::Joined));
                    }
                }
                Joined::Leader { flight, look_again } => {
                    let waiting = flight.wait();
                    let landing = Landing::new(self, store_key, flight);
                    tokio::spawn(landing.run(Load { look_again, ..load }, loader).in_current_span());
                    return waiting.outcome().await?.ok_or_else(vanished);
                }
            }
        }
    }

    /// Begins a load of this key unless there is one. Nobody waits for it.
    fn begin_behind<L: Loader<T>>(
        &self,
        store_key: &StoreKey<'_>,
        arrival: Arrival,
        load: Load<T>,
        loader: L,
    ) {
        let joined = self.inner.flights.join(store_key, arrival, || load.labels::<L>());
        if let Joined::Leader { flight, look_again } = joined {
            let landing = Landing::new(self, store_key, flight);
            let load = Load { look_again, behind: true, ..load };
            tokio::spawn(landing.run(load, loader).in_current_span());
        }
    }
}

pub(super) fn waits_for_itself() -> Error {
    Error::new(ErrorKind::Recursion, Operation::Load, "the loader of this key waits for the key itself")
}
