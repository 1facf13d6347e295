//! Running a load: the loader, in a task of its own, and what becomes of its answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::{
    Abandon, Cache, Event, Fetched, LoadContext, Loaded, Status, Value,
    flight::{Flight, Labels, Outcome},
    lease::{Hold, Turn},
    load::Loader,
    loaded::What,
    stamps::Stamps,
    write::WriteOptions,
};
use crate::{
    backend::{Condition, SetOptions},
    entry::{Lifetime, Meta, Token},
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, OwnedStoreKey, StoreKey},
    ttl::Ttl,
};

/// What a load needs to know.
pub(super) struct Load<T> {
    pub(super) key: Key,
    pub(super) options: WriteOptions,
    /// The store answered, so what is loaded may be written to it.
    pub(super) may_store: bool,
    /// Somebody else may have loaded it since the store was asked.
    pub(super) look_again: bool,
    /// Nobody waits for it.
    pub(super) behind: bool,
    /// What there is in the meantime.
    pub(super) old: Option<Fetched<T>>,
    /// The state of the entry that the store has meanwhile.
    pub(super) in_place: Option<Token>,
    /// The revision of the fresh entry that is to be replaced ahead of time; 0 for none.
    pub(super) revision: u64,
}

impl<T> Load<T> {
    pub(super) fn new(key: &Key, options: WriteOptions) -> Self {
        Self {
            key: key.clone(),
            options,
            may_store: true,
            look_again: false,
            behind: false,
            old: None,
            in_place: None,
            revision: 0,
        }
    }
}

impl<T: Value> Load<T> {
    /// Under which tags its value will be.
    pub(super) fn labels<L: Loader<T>>(&self) -> Labels {
        Labels { tags: self.options.tags.clone(), any: L::NAMES_TAGS }
    }
}

/// Sees to it that a flight lands, whatever becomes of its task.
pub(super) struct Landing<T: Value> {
    cache: Cache<T>,
    key: OwnedStoreKey,
    flight: Arc<Flight<T>>,
    /// The loads in whose loaders this one was begun.
    chain: Option<Arc<Link>>,
    landed: bool,
}

impl<T: Value> Landing<T> {
    pub(super) fn new(cache: &Cache<T>, key: &StoreKey<'_>, flight: Arc<Flight<T>>) -> Self {
        let chain = LOADING.try_with(Arc::clone).ok();
        Self { cache: cache.clone(), key: key.to_owned(), flight, chain, landed: false }
    }

    pub(super) async fn run(self, load: Load<T>, loader: impl Loader<T>) {
        let cancels = self.cache.inner.policy.abandon == Abandon::Cancel && !load.behind;
        let had_old = load.in_place.is_some();
        let outcome = {
            let work = self.cache.load_and_store(load, &self.flight, self.chain.clone(), loader);
            if cancels {
                tokio::select! {
                    outcome = work => Some(outcome),
                    () = self.flight.abandoned() => None,
                }
            } else {
                Some(work.await)
            }
        };
        let Some(outcome) = outcome else { return };
        let outcome = outcome.map(Some);
        if let Err(error) = &outcome
            && had_old
        {
            let inner = &*self.cache.inner;
            inner.flights.rest(&self.key, inner.clock.now(), inner.policy.error_backoff);
            tracing::warn!(cache = %inner.name, %error, "a value could not be renewed");
        }
        self.land(outcome);
    }

    /// Claims the right to store the value. `false` if the key was written meanwhile.
    pub(super) fn may_store(&self) -> bool {
        self.flight.may_store()
    }

    pub(super) fn land(mut self, outcome: Outcome<T>) {
        self.landed = true;
        self.cache.inner.flights.land(&self.key, &self.flight, outcome);
    }
}

impl<T: Value> Drop for Landing<T> {
    fn drop(&mut self) {
        if !self.landed {
            let outcome = Err(super::flight::vanished());
            self.cache.inner.flights.land(&self.key, &self.flight, outcome);
        }
    }
}

tokio::task_local! {
    /// The load whose loader this task runs.
    pub(super) static LOADING: Arc<Link>;
}

/// A load, and the load in whose loader it was begun.
pub(super) struct Link {
    cache: usize,
    key: OwnedStoreKey,
    outer: Option<Arc<Link>>,
}

/// The links of a loader that makes several values.
pub(super) fn links<'k, T: Value>(
    cache: &Cache<T>,
    keys: impl IntoIterator<Item = &'k Key>,
    outer: Option<Arc<Link>>,
) -> Option<Arc<Link>> {
    keys.into_iter().fold(outer, |outer, key| {
        let key = StoreKey::new(&cache.inner.namespace, key).to_owned();
        Some(Arc::new(Link { cache: identity(cache), key, outer }))
    })
}

/// The loads in whose loaders this task runs.
pub(super) fn chain() -> Option<Arc<Link>> {
    LOADING.try_with(Arc::clone).ok()
}

/// Whether this task runs a loader.
pub(super) fn is_nested() -> bool {
    LOADING.try_with(|_| ()).is_ok()
}

/// Whether this task runs a loader of this key, directly or by way of the loaders of others. Tasks that a loader
/// spawns are not seen.
pub(super) fn is_being_loaded_here<T: Value>(cache: &Cache<T>, key: &StoreKey<'_>) -> bool {
    let innermost = LOADING.try_with(Arc::clone).ok();
    std::iter::successors(innermost, |link| link.outer.clone())
        .any(|link| link.cache == identity(cache) && key.matches(&link.key))
}

fn identity<T: Value>(cache: &Cache<T>) -> usize {
    Arc::as_ptr(&cache.inner) as usize
}

/// What is needed to keep what a loader made.
struct Keep<'a, T> {
    ttl: Ttl,
    /// None: it is not to be stored.
    hold: Option<Hold>,
    /// When the loader began, by the invalidations of tags.
    mark: Option<u64>,
    old: Option<Fetched<T>>,
    options: &'a WriteOptions,
    load_cost: Duration,
}

impl<T: Value> Cache<T> {
    async fn load_and_store<L: Loader<T>>(
        &self,
        load: Load<T>,
        flight: &Flight<T>,
        chain: Option<Arc<Link>>,
        loader: L,
    ) -> Result<Fetched<T>> {
        let inner = &*self.inner;
        let key = self.store_key(&load.key, Operation::Load)?;
        // A load that a loader began has its turn already: waiting for another could be waiting for itself.
        let nested = chain.is_some();
        let _turn = if nested {
            None
        } else {
            tokio::select! {
                turn = inner.turns.acquire() => turn.ok(),
                // The loader of one that has its turn has come to wait for this one.
                () = flight.is_hurried() => None,
            }
        };
        let looked = Instant::now();
        if load.look_again
            && load.may_store
            && let Ok(Ok(fetched)) = self.read_value(&key).await
            && fetched.entry.is_fresh(inner.clock.now())
            && fetched.meta().revision != load.revision
        {
            flight.vouch_for_those_before(looked);
            return Ok(fetched);
        }

        if L::NAMES_TAGS && inner.backend.versions().is_none() {
            inner.stamps.will_mark();
        }
        let tags = Stamps::tag_scopes(&load.options.tags, Operation::Load)?;
        let ttl = load.options.ttl.unwrap_or(inner.policy.ttl);
        let mut hold = match self.turn(&key, &load, &tags, flight).await {
            Turn::Ours(hold) => hold,
            Turn::Theirs(fetched) => return Ok(fetched),
        };

        let mark = match &hold {
            Some(_) if L::NAMES_TAGS => self.count_errors(self.mark(ttl).await).ok(),
            _ => None,
        };
        let Load { key: logical, options, old, .. } = &load;
        let link = Link { cache: identity(self), key: key.to_owned(), outer: chain };
        let context = LoadContext { key: logical.clone(), old: old.clone() };
        let running = LOADING.scope(Arc::new(link), self.run_loader(loader, context));
        match self.keep_lease(&key, hold.as_mut(), running).await {
            Ok((loaded, load_cost)) => {
                let keep = Keep { ttl, hold, mark, old: old.clone(), options, load_cost };
                self.keep(&key, keep, flight, loaded).await
            }
            Err(error) => {
                self.release(&key, hold.as_ref(), flight).await;
                Err(error)
            }
        }
    }

    /// Does with a loader's answer what it says.
    async fn keep(
        &self,
        key: &StoreKey<'_>,
        keep: Keep<'_, T>,
        flight: &Flight<T>,
        loaded: Loaded<T>,
    ) -> Result<Fetched<T>> {
        let inner = &*self.inner;
        let Keep { ttl, mut hold, mark, old, options, load_cost } = keep;
        let Loaded { what, ttl: own_ttl, user, tags } = loaded;
        let is_negative = matches!(what, What::Negative(_));
        let (value, ttl, stored) = match what {
            What::Value(value) => (value, own_ttl.unwrap_or(ttl), true),
            What::Negative(value) => (value, own_ttl.unwrap_or(inner.policy.negative_ttl.into()), true),
            What::NotStored(value) => (value, ttl, false),
            What::Unchanged => {
                return self.renew(key, old, (hold, flight), own_ttl.unwrap_or(ttl)).await;
            }
        };
        let value = Arc::new(value);
        let mut stored = stored && !ttl.is_zero();
        let own = match options.tags_beyond(&tags) {
            Ok(own) => own,
            Err(error) => {
                self.release(key, hold.as_ref(), flight).await;
                return Err(error);
            }
        };
        if let Some(hold) = &mut hold
            && stored
            && !own.is_empty()
        {
            let own = self.decided(own, ttl, mark).await;
            match self.count_errors(own) {
                Ok(Some(own)) => hold.stamps = hold.stamps.iter().cloned().chain(own).collect(),
                // Overtaken.
                Ok(None) => {
                    inner.events.happened(&Event::Fenced);
                    stored = false;
                }
                Err(_) => stored = false,
            }
        }
        let user = options.user.iter().cloned().chain(user).collect();
        let stamps = hold.as_ref().map(|hold| Arc::clone(&hold.stamps)).unwrap_or_default();
        let (mut meta, mut kept) = self.meta(ttl, stamps, user);
        if is_negative {
            // That something was not there is no excuse for saying so when it is.
            meta.lifetime = Lifetime::until(meta.lifetime.fresh_until);
            kept = meta.lifetime.ttl(inner.clock.now());
        }
        let entry = self.entry(Arc::clone(&value), Meta { load_cost, ..meta });
        let (Some(hold), true) = (&hold, stored) else {
            self.release(key, hold.as_ref(), flight).await;
            return Ok(Fetched { value, entry, status: Status::LoadedNotStored, at: inner.clock.now() });
        };
        let filled = if flight.may_store() {
            self.fill(key, &entry, kept, hold, flight).await
        } else {
            // Whatever has overtaken the load may have left its lease.
            self.release(key, Some(hold), flight).await;
            Ok(false)
        };
        let status = match filled {
            Ok(true) => Status::Loaded,
            Ok(false) => {
                inner.events.happened(&Event::Fenced);
                Status::LoadedNotStored
            }
            Err(error) => {
                tracing::warn!(cache = %inner.name, kind = error.kind().as_str(), %error, "a loaded value was not stored");
                self.release(key, Some(hold), flight).await;
                Status::LoadedNotStored
            }
        };
        Ok(Fetched { value, entry, status, at: inner.clock.now() })
    }

    /// Gives an old value that is still right a new life.
    async fn renew(
        &self,
        key: &StoreKey<'_>,
        old: Option<Fetched<T>>,
        (hold, flight): (Option<Hold>, &Flight<T>),
        ttl: Ttl,
    ) -> Result<Fetched<T>> {
        let inner = &*self.inner;
        let Some(old) = old else {
            self.release(key, hold.as_ref(), flight).await;
            let message = "the loader says that the value is unchanged, and there was none";
            return Err(Error::new(ErrorKind::Load, Operation::Load, message));
        };
        let now = inner.clock.now();
        let (lifetime, kept) = inner.policy.life_like(old.meta().lifetime, now, ttl);
        // It was found right just now: its age begins anew, too.
        let entry = old.entry.renewed(now, lifetime);
        self.keep_stamps(&entry, kept).await;
        let mut status = Status::LoadedNotStored;
        let Some(hold) = hold else {
            return Ok(Fetched { value: old.value, entry, status, at: inner.clock.now() });
        };
        if flight.may_store() {
            let options = SetOptions::new(kept).when(hold.condition);
            let begun = Instant::now();
            // Without a condition, the store need not be sent the value again; but a touch leaves its age, by which an
            // early refresh would soon be due with every read.
            let renewed = match hold.condition {
                Condition::Always if !inner.policy.refreshes_early() => {
                    match inner.backend.touch(key, lifetime, kept).await {
                        Ok(false) => inner.backend.set(key, &entry, &options).await,
                        touched => touched,
                    }
                }
                _ => inner.backend.set(key, &entry, &options).await,
            };
            match self.count_errors(renewed) {
                Ok(true) => {
                    if inner.policy.lease.is_some() && self.stands(&entry, begun).await {
                        flight.vouch_for_those_before(begun);
                    }
                    status = Status::Loaded;
                }
                Ok(false) => inner.events.happened(&Event::Fenced),
                Err(_) => {}
            }
        } else {
            inner.events.happened(&Event::Fenced);
        }
        Ok(Fetched { value: old.value, entry, status, at: inner.clock.now() })
    }

    /// Runs the loader, and tells how long it took.
    async fn run_loader(
        &self,
        loader: impl Loader<T>,
        context: LoadContext<T>,
    ) -> Result<(Loaded<T>, Duration)> {
        let events = &self.inner.events;
        events.happened(&Event::LoadBegun);
        let begun = Instant::now();
        let result = catch_panic(async { loader.load(context).await }).await;
        let load_cost = begun.elapsed();
        let error = |kind, message| Error::new(kind, Operation::Load, message);
        let result = match result {
            Ok(Ok(loaded)) => Ok((loaded, load_cost)),
            Ok(Err(why)) => Err(error(ErrorKind::Load, "the loader failed").with_source(why)),
            Err(Panicked) => Err(error(ErrorKind::Panicked, "the loader panicked")),
        };
        match &result {
            Ok(_) => events.happened(&Event::Loaded { took: load_cost }),
            Err(error) => events.happened(&Event::LoadFailed { error, took: load_cost }),
        }
        result
    }
}

/// The loader panicked. What it said went to the panic hook.
pub(super) struct Panicked;

/// Runs a future to its end or its panic.
pub(super) async fn catch_panic<F: Future>(future: F) -> Result<F::Output, Panicked> {
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
