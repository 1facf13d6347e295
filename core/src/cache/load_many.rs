//! `get_or_load_many`: several values, of which the loader makes those that are missing, in one call.

use std::{collections::HashMap, error::Error as StdError, sync::Arc, time::Instant};

use tracing::Instrument as _;

use super::{
    Cache, Event, Fetched, Status, Value,
    bulk::one_each,
    conduct::{Landing, Panicked, catch_panic},
    flight::{Arrival, Joined, Labels},
    lease::AT_ONCE,
    load::BoxError,
};
use crate::{
    backend::{Condition, SetItem, SetOptions},
    entry::{Entry, Meta, Stamp},
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, StoreKey},
};

/// One key that this call loads.
struct Wanted<T: Value> {
    key: Key,
    landing: Landing<T>,
    /// The store answered, so what is loaded may be written to it.
    may_store: bool,
    /// Somebody else may have loaded it since the store was asked.
    look_again: bool,
    /// What must still hold for the value to be stored.
    condition: Condition,
}

impl<T: Value> Cache<T> {
    /// The values of several keys; those that the store does not have are made by one call of the loader,
    /// which is given them. One answer per key, in the order of the keys; `None` for a key that the loader
    /// left out, of which nothing is stored. What the loader gives beyond the keys it was asked for is ignored.
    ///
    /// A key that another call is loading, alone or among others, is not loaded again: this call waits for it.
    /// Fences, lives and failures of the store are as for [`get_or_load`](Self::get_or_load); stale values
    /// count as missing.
    ///
    /// ```
    /// # use larder_core::{Cache, Key, backend::NullBackend};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
    /// # let cache: Cache<u64> = Cache::builder(NullBackend::new()).namespace("squares").build()?;
    /// let keys: Vec<Key> = (1..=3_u64).map(|n| Key::new("square").part(n)).collect();
    /// let squares = cache
    ///     .get_or_load_many(&keys, |missing| async move {
    ///         // A real loader would put all of them into one query.
    ///         Ok::<_, std::io::Error>(missing.into_iter().zip([1, 4, 9]))
    ///     })
    ///     .await?;
    /// assert_eq!(**squares[2].as_ref().unwrap().as_ref().unwrap(), 9);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] for all if one key is empty, before anything is asked. A loader that fails is
    /// an error in the places of the keys it was asked for; the others have their values.
    ///
    /// # Panics
    /// Outside a tokio runtime, when there is something to load.
    pub async fn get_or_load_many<'k, F, Fut, L, E>(
        &self,
        keys: impl IntoIterator<Item = &'k Key>,
        loader: F,
    ) -> Result<Vec<Result<Option<Fetched<T>>>>>
    where
        F: FnOnce(Vec<Key>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: IntoIterator<Item = (Key, T)> + Send,
        L::IntoIter: Send,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let (distinct, places) = self.distinct(keys, Operation::Get)?;
        let arrivals: Vec<Arrival> = distinct.iter().map(|key| self.inner.flights.arrive(key)).collect();
        let read = self.get_distinct(&distinct).await;

        let mut wanted = Vec::new();
        let mut answers = Vec::with_capacity(distinct.len());
        for ((key, arrival), read) in distinct.iter().zip(arrivals).zip(read) {
            let may_store = match read {
                Ok(Ok(fetched)) => {
                    answers.push(Ok(fetched));
                    continue;
                }
                Ok(Err(miss)) => !miss.is_from_the_future(),
                Err(_) => false,
            };
            answers.push(Err(match self.inner.flights.join(key, arrival, Labels::default) {
                Joined::Waiter(_, waiting) => {
                    self.inner.events.happened(&Event::Joined);
                    (waiting, Status::Joined)
                }
                Joined::Leader { flight, look_again } => {
                    let waiting = flight.wait();
                    let landing = Landing::new(self, key, flight);
                    let condition = Condition::Always;
                    wanted.push(Wanted { key: key.key().clone(), landing, may_store, look_again, condition });
                    (waiting, Status::Loaded)
                }
            }));
        }
        if !wanted.is_empty() {
            let cache = self.clone();
            let work = async move {
                let loader =
                    async |missing| Ok(loader(missing).await.map_err(Into::into)?.into_iter().collect());
                cache.load_wanted(wanted, loader).await;
            };
            tokio::spawn(work.in_current_span());
        }

        let mut found = Vec::with_capacity(answers.len());
        for answer in answers {
            found.push(match answer {
                Ok(fetched) => Ok(Some(fetched)),
                Err((waiting, Status::Joined)) => {
                    waiting.outcome().await.map(|made| made.map(|made| made.with_status(Status::Joined)))
                }
                Err((waiting, _)) => waiting.outcome().await,
            });
        }
        Ok(places.into_iter().map(|place| found[place].clone()).collect())
    }

    /// Loads these, stores what may be stored, and lands every flight.
    async fn load_wanted(
        &self,
        wanted: Vec<Wanted<T>>,
        loader: impl AsyncFnOnce(Vec<Key>) -> Result<HashMap<Key, T>, BoxError>,
    ) {
        let mut still = Vec::with_capacity(wanted.len());
        for one in wanted {
            if one.look_again && one.may_store {
                let key = StoreKey::new(&self.inner.namespace, &one.key);
                if let Ok(Ok(fetched)) = self.read_value(&key).await
                    && let Ok(fetched) = self.if_fresh(fetched)
                {
                    one.landing.land(Ok(Some(fetched)));
                    continue;
                }
            }
            still.push(one);
        }
        if still.is_empty() {
            return;
        }

        // Before the loader begins: an invalidation from now on kills what it makes.
        let ttl = self.inner.policy.ttl;
        let may_store = !ttl.is_zero() && still.iter().any(|one| one.may_store);
        let stamps = if may_store { self.count_errors(self.stamps(&[], ttl).await).ok() } else { None };
        if let Some(stamps) = &stamps {
            self.lease_many(&mut still, stamps).await;
        }
        let begun = Instant::now();
        self.inner.events.happened(&Event::LoadBegun);
        let missing = still.iter().map(|one| one.key.clone()).collect();
        let made = catch_panic(loader(missing)).await;
        let cost = begun.elapsed();
        let failed = |kind, message| Error::new(kind, Operation::Load, message);
        let made = match made {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(why)) => Err(failed(ErrorKind::Load, "the loader failed").with_source(why)),
            Err(Panicked) => Err(failed(ErrorKind::Panicked, "the loader panicked")),
        };
        match made {
            Ok(made) => {
                self.inner.events.happened(&Event::Loaded { took: cost });
                // What one value cost is what all cost, shared among them.
                let share = cost / u32::try_from(still.len()).unwrap_or(u32::MAX);
                self.keep_many(still, made, stamps, share).await;
            }
            Err(error) => {
                self.inner.events.happened(&Event::LoadFailed { error: &error, took: cost });
                self.release_many(&still).await;
                for one in still {
                    one.landing.land(Err(error.clone()));
                }
            }
        }
    }

    async fn keep_many(
        &self,
        wanted: Vec<Wanted<T>>,
        mut made: HashMap<Key, T>,
        stamps: Option<Arc<[Stamp]>>,
        load_cost: std::time::Duration,
    ) {
        let inner = &*self.inner;
        let (meta, kept) = self.meta(inner.policy.ttl, stamps.clone().unwrap_or_default(), Vec::new());
        let mut items: Vec<(Wanted<T>, Arc<T>, Entry, bool)> = Vec::with_capacity(wanted.len());
        for one in wanted {
            let Some(value) = made.remove(&one.key) else {
                self.release_many(std::slice::from_ref(&one)).await;
                one.landing.land(Ok(None));
                continue;
            };
            let value = Arc::new(value);
            let meta = Meta { load_cost, revision: crate::random::unique(), ..meta.clone() };
            let entry = self.entry(Arc::clone(&value), meta);
            let mut stores = stamps.is_some() && one.may_store;
            if stores && !one.landing.may_store() {
                inner.events.happened(&Event::Fenced);
                stores = false;
            }
            items.push((one, value, entry, stores));
        }

        let storing: Vec<SetItem<'_>> = items
            .iter()
            .filter(|(.., stores)| *stores)
            .map(|(one, _, entry, _)| SetItem {
                key: StoreKey::new(&inner.namespace, &one.key),
                entry: entry.clone(),
                options: SetOptions::new(kept).when(one.condition),
            })
            .collect();
        let stored = self.write_items(&storing).await;
        drop(storing);
        let mut stored = stored.into_iter();
        for (one, value, entry, stores) in items {
            let written = if stores { stored.next() } else { None };
            if matches!(written, Some(Ok(false))) {
                inner.events.happened(&Event::Fenced);
            }
            let is_stored = matches!(written, Some(Ok(true)));
            let status = if is_stored { Status::Loaded } else { Status::LoadedNotStored };
            one.landing.land(Ok(Some(Fetched { value, entry, status, at: inner.clock.now() })));
        }
    }

    /// Takes the leases of these keys in one call, if the policy wants leases. What another process is loading is loaded
    /// here as well, since it cannot be waited for one by one, and is not stored.
    async fn lease_many(&self, wanted: &mut [Wanted<T>], stamps: &Arc<[Stamp]>) {
        let inner = &*self.inner;
        let Some(time) = inner.policy.lease else { return };
        let leases: Vec<SetItem<'_>> = wanted
            .iter()
            .filter(|one| one.may_store)
            .map(|one| SetItem {
                key: StoreKey::new(&inner.namespace, &one.key),
                entry: self.lease_entry(time, Arc::clone(stamps)),
                options: SetOptions::new(time.into()).when(Condition::Absent),
            })
            .collect();
        let taken = one_each(inner.backend.set_many(&leases).await, leases.len(), Operation::Set);
        let tokens: Vec<_> = leases.into_iter().map(|lease| lease.entry.token()).collect();
        let storing = wanted.iter_mut().filter(|one| one.may_store);
        for ((one, taken), token) in storing.zip(taken).zip(tokens) {
            match self.count_errors(taken) {
                Ok(true) => one.condition = Condition::Unchanged(token),
                Ok(false) | Err(_) => one.may_store = false,
            }
        }
    }

    /// Ends the leases of keys of which nothing is stored.
    async fn release_many(&self, wanted: &[Wanted<T>]) {
        let inner = &*self.inner;
        let over: Vec<SetItem<'_>> = wanted
            .iter()
            .filter(|one| one.condition != Condition::Always)
            .map(|one| SetItem {
                key: StoreKey::new(&inner.namespace, &one.key),
                entry: self.lease_that_is_over(Arc::default()),
                options: SetOptions::new(AT_ONCE.into()).when(one.condition),
            })
            .collect();
        if !over.is_empty() {
            for released in inner.backend.set_many(&over).await {
                let _ = self.count_errors(released);
            }
        }
    }
}
