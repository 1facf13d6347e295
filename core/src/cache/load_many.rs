//! `get_or_load_many`: several values, of which the loader makes those that are missing, in one call.

use std::{
    collections::HashMap,
    error::Error as StdError,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::Instrument as _;

use super::{
    Cache, Event, Fetched, Status, Value,
    bulk::one_each,
    conduct::{LOADING, Landing, Link, Panicked, catch_panic, chain, is_being_loaded_here, is_nested, links},
    flight::{Arrival, Flights, Joined, Labels},
    lease::{AT_ONCE, Seen},
    load::BoxError,
    load::waits_for_itself,
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
    /// Under [leases](super::Policy::lease) it is loaded again, and not stored: that load may have begun before another
    /// process removed the key.
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
        let arrivals: Vec<Arrival> = distinct.iter().map(|key| self.arrive(key)).collect();
        let read = self.get_distinct(&distinct).await;

        let leases = self.inner.policy.lease.is_some();
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
            let (flight, look_again, may_store) = match self.inner.flights.join(key, arrival, Labels::default)
            {
                Joined::Waiter(..) if is_being_loaded_here(self, key) => {
                    answers.push(Err(None));
                    continue;
                }
                // What another process may have removed since that load began cannot be told in time.
                Joined::Waiter(flight, _) if leases || !flight.is_for(&arrival, false) => {
                    (Flights::apart(&arrival), false, false)
                }
                Joined::Waiter(flight, waiting) => {
                    if is_nested() {
                        flight.hurry();
                    }
                    self.inner.events.happened(&Event::Joined);
                    answers.push(Err(Some((waiting, Status::Joined))));
                    continue;
                }
                Joined::Leader { flight, look_again } => (flight, look_again, may_store),
            };
            let waiting = flight.wait();
            let landing = Landing::new(self, key, flight);
            let condition = Condition::Always;
            wanted.push(Wanted { key: key.key().clone(), landing, may_store, look_again, condition });
            answers.push(Err(Some((waiting, Status::Loaded))));
        }
        if !wanted.is_empty() {
            let (cache, chain) = (self.clone(), chain());
            let work = async move {
                let loader =
                    async |missing| Ok(loader(missing).await.map_err(Into::into)?.into_iter().collect());
                cache.load_wanted(wanted, chain, loader).await;
            };
            tokio::spawn(work.in_current_span());
        }

        let mut found = Vec::with_capacity(answers.len());
        for answer in answers {
            found.push(match answer {
                Ok(fetched) => Ok(Some(fetched)),
                Err(None) => Err(waits_for_itself()),
                Err(Some((waiting, Status::Joined))) => {
                    waiting.outcome().await.map(|made| made.map(|made| made.with_status(Status::Joined)))
                }
                Err(Some((waiting, _))) => waiting.outcome().await,
            });
        }
        Ok(places.into_iter().map(|place| found[place].clone()).collect())
    }

    /// Loads these, stores what may be stored, and lands every flight.
    async fn load_wanted(
        &self,
        wanted: Vec<Wanted<T>>,
        chain: Option<Arc<Link>>,
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
        let links = links(self, still.iter().map(|one| &one.key), chain);
        let running = catch_panic(loader(missing));
        let made = match links {
            Some(links) => LOADING.scope(links, running).await,
            None => running.await,
        };
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
        let mut left_out = Vec::new();
        for one in wanted {
            let Some(value) = made.remove(&one.key) else {
                left_out.push(one);
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
        self.release_many(&left_out).await;
        for one in left_out {
            one.landing.land(Ok(None));
        }
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
        let mut in_the_way = Vec::new();
        let storing = wanted.iter_mut().filter(|one| one.may_store);
        for ((one, taken), token) in storing.zip(taken).zip(tokens) {
            // One that failed may have taken effect, and is used and released all the same: both are conditional.
            if self.count_errors(taken).unwrap_or(true) {
                one.condition = Condition::Unchanged(token);
            } else {
                one.may_store = false;
                in_the_way.push(one);
            }
        }
        if !in_the_way.is_empty() {
            self.lease_over(in_the_way, time, stamps).await;
        }
    }

    /// Takes the leases of keys where there is something: over what is dead, stale or unreadable, and nothing else.
    async fn lease_over(&self, wanted: Vec<&mut Wanted<T>>, time: Duration, stamps: &Arc<[Stamp]>) {
        let inner = &*self.inner;
        let keys: Vec<Key> = wanted.iter().map(|one| one.key.clone()).collect();
        let keys: Vec<StoreKey<'_>> = keys.iter().map(|key| StoreKey::new(&inner.namespace, key)).collect();
        let since = Instant::now();
        let lookups = one_each(inner.backend.get_many(&keys).await, keys.len(), Operation::Get);
        let mut leases = Vec::new();
        let mut replacing = Vec::new();
        for ((one, key), lookup) in wanted.into_iter().zip(&keys).zip(lookups) {
            let seen = match lookup {
                Ok(lookup) => self.seen(lookup, since).await,
                Err(error) => Err(error),
            };
            if let Ok(Seen::Replaceable(condition)) = self.count_errors(seen) {
                let entry = self.lease_entry(time, Arc::clone(stamps));
                let options = SetOptions::new(time.into()).when(condition);
                leases.push(SetItem { key: *key, entry, options });
                replacing.push(one);
            }
        }
        let taken = one_each(inner.backend.set_many(&leases).await, leases.len(), Operation::Set);
        for ((one, lease), taken) in replacing.into_iter().zip(&leases).zip(taken) {
            if self.count_errors(taken).unwrap_or(true) {
                one.condition = Condition::Unchanged(lease.entry.token());
                one.may_store = true;
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
