//! A chain: near tiers in this process in front of a store.

mod near;
mod tickets;

use std::{fmt, sync::Weak, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use self::{
    near::Near,
    tickets::{Change, Ticket, Tickets},
};
use crate::{
    backend::{
        Backend, Bound, Bounded, Capabilities, CounterOptions, Counters, DeleteItem, DeleteOptions, Forward,
        GetOptions, Lookup, Observer, SetItem, SetOptions, TouchItem, TouchOptions, Usage, Written,
    },
    clock::Clock,
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::{Namespace, StoreKey},
    layer::counting::increment,
};

/// How long a near copy is served when nothing is said: one second.
pub const DEFAULT_NEAR_TTL: Duration = Duration::from_secs(1);

/// Near tiers in this process in front of a store, so that what is read often costs no round trip.
///
/// A read looks near first. What the store has instead is copied into every near tier. A copy is an entry of the store, under the
/// stamps that it has there, so what invalidates the entry invalidates its copy as soon as this process hears of it.
///
/// # Promises
/// - What is written, removed or touched through this chain, by whatever cache or handle, is seen by every read through it
///   that begins afterwards. A read that was on its way meanwhile leaves no older copy; of two writes at once,
///   neither is the copy; a write that fails or is given up leaves none.
/// - What others write to the store is seen when the copy ends: at most the [TTL of near copies](Self::near_ttl) after the store
///   was asked for it.
/// - A copy ends with its entry, and only values have copies: no negative answers, no leases.
/// - While the store fails, copies are served until they end.
///
/// A far hit pays one write into each near tier; a near hit two atomic loads beside the tier's own hit.
///
/// ```
/// # use larder_core::{Backend, Cache, Chain, Clock, Error, backend::NullBackend};
/// fn pages(memory: impl Backend, redis: impl Backend) -> Result<Cache<String>, Error> {
///     let chain = Chain::new(redis, &Clock::system()).near(memory)?;
///     Cache::builder(chain).namespace("pages").build()
/// }
/// # assert!(pages(NullBackend::new(), NullBackend::new()).is_ok());
/// ```
pub struct Chain<B> {
    far: B,
    near: Near,
    tickets: Tickets,
}

impl<B: Backend> Chain<B> {
    /// A chain that is only this store yet. The clock is that of the caches on it.
    pub fn new(far: B, clock: &Clock) -> Self {
        Self { far, near: Near::new(DEFAULT_NEAR_TTL, clock.clone()), tickets: Tickets::default() }
    }

    /// Puts a tier in front of the store, behind the tiers that are there. Several chains and caches may share one, each
    /// in namespaces of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a store that is not in this process: only the last one may be shared.
    pub fn near(mut self, tier: impl Backend) -> Result<Self> {
        if tier.invalidation().here().is_none() {
            let message = "a near tier has to be a store in this process's memory; only the last store of a chain may be \
                           shared with others";
            return Err(Error::new(ErrorKind::Config, Operation::Build, message));
        }
        self.near.add(tier);
        Ok(self)
    }

    /// For how long a copy may be served after the store was asked for it. Default: [`DEFAULT_NEAR_TTL`].
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for zero.
    pub fn near_ttl(mut self, ttl: Duration) -> Result<Self> {
        if ttl.is_zero() {
            let message = "the TTL of near copies is zero; for none at all, leave the near tiers out";
            return Err(Error::new(ErrorKind::Config, Operation::Build, message));
        }
        self.near.ttl = ttl;
        Ok(self)
    }

    fn copy(&self, key: &StoreKey<'_>) -> Option<Entry> {
        self.tickets.read(key.seeded_hash(), || self.near.get(key))
    }

    /// Keeps what the store has answered, unless something was written meanwhile.
    fn promote(&self, key: &StoreKey<'_>, ticket: Ticket, found: &Result<Lookup>, asked: Instant) {
        let Ok(lookup) = found else { return };
        let remove = || self.near.remove(key);
        match lookup {
            Lookup::Hit(entry) => {
                self.tickets.fill(ticket, || self.near.put(key, entry, None, asked), remove);
            }
            // Others have removed it.
            Lookup::Miss(_) => self.tickets.fill(ticket, remove, remove),
        }
    }

    fn tiers_bounded(&self) -> impl Iterator<Item = &dyn Bounded> {
        self.near.bounded().chain(self.far.bounded())
    }

    fn change<'a>(&'a self, key: &'a StoreKey<'a>) -> Changing<'a> {
        Changing {
            near: &self.near,
            key,
            change: self.tickets.change(key.seeded_hash()),
            begun: Instant::now(),
        }
    }
}

/// A change of one key that has begun. When it is dropped, its copies go.
struct Changing<'a> {
    near: &'a Near,
    key: &'a StoreKey<'a>,
    change: Change<'a>,
    begun: Instant,
}

impl Changing<'_> {
    /// This was written: it is the copy, unless others write the key as well.
    fn wrote(mut self, entry: &Entry, options: &SetOptions, written: &Result<Written>) {
        if let Ok(Written::Yes(token)) = written {
            let entry = if entry.token() == *token { entry.clone() } else { entry.with_token(*token) };
            let Self { near, key, change, begun } = &mut self;
            change.fill(|| near.put(key, &entry, Some(options.ttl), *begun));
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let Self { near, key, change, .. } = self;
        change.end(|| near.remove(key));
    }
}

#[async_trait]
impl<B: Backend> Forward for Chain<B> {
    type Inner = B;

    fn inner(&self) -> &B {
        &self.far
    }

    fn capabilities(&self) -> Capabilities {
        self.far.capabilities().with_near_ttl((!self.near.is_empty()).then_some(self.near.ttl))
    }

    #[inline]
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        if let Some(entry) = self.copy(key) {
            return Some(Lookup::Hit(entry));
        }
        // A store that is in this process as well may have it; another would say nothing, and need not be measured.
        self.far.invalidation().here()?;
        let (ticket, asked) = (self.tickets.take(key.seeded_hash()), Instant::now());
        let found = Ok(self.far.get_now(key)?);
        self.promote(key, ticket, &found, asked);
        found.ok()
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        if !options.far
            && let Some(entry) = self.copy(key)
        {
            return Ok(Lookup::Hit(entry));
        }
        let (ticket, asked) = (self.tickets.take(key.seeded_hash()), Instant::now());
        let found = self.far.get(key, options).await;
        self.promote(key, ticket, &found, asked);
        found
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let near = |key| if options.far { None } else { self.copy(key) };
        let mut found: Vec<Option<Result<Lookup>>> =
            keys.iter().map(|key| near(key).map(|entry| Ok(Lookup::Hit(entry)))).collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|place| found[*place].is_none()).collect();
        if !missing.is_empty() {
            let tickets: Vec<Ticket> =
                missing.iter().map(|place| self.tickets.take(keys[*place].seeded_hash())).collect();
            let asked = Instant::now();
            let far: Vec<StoreKey<'_>> = missing.iter().map(|place| keys[*place]).collect();
            let answers = self.far.get_many(&far, options).await;
            if answers.len() != far.len() {
                // Nobody knows which answer is whose.
                let message = format!("the store gave {} answers to {} questions", answers.len(), far.len());
                let error = Error::new(ErrorKind::Protocol, Operation::Get, message);
                return keys.iter().map(|_| Err(error.clone())).collect();
            }
            for ((place, ticket), answer) in missing.into_iter().zip(tickets).zip(answers) {
                self.promote(&keys[place], ticket, &answer, asked);
                found[place] = Some(answer);
            }
        }
        // Each place has its answer by now.
        found.into_iter().flatten().collect()
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let changing = self.change(key);
        let written = self.far.set(key, entry, options).await;
        changing.wrote(entry, options, &written);
        written
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let changing: Vec<_> = items.iter().map(|item| self.change(&item.key)).collect();
        let written = self.far.set_many(items).await;
        for ((changing, item), written) in changing.into_iter().zip(items).zip(&written) {
            changing.wrote(&item.entry, &item.options, written);
        }
        written
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let _changing = self.change(key);
        self.far.touch(key, options).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let _changing: Vec<_> = items.iter().map(|item| self.change(&item.key)).collect();
        self.far.touch_many(items).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let _changing = self.change(key);
        self.far.delete(key, options).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let _changing: Vec<_> = items.iter().map(|item| self.change(&item.key)).collect();
        self.far.delete_many(items).await
    }

    async fn close(&self) -> Result<()> {
        let closed = self.far.close().await;
        closed.and(self.near.close().await)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.far.counters().is_some().then_some(self)
    }

    fn bounded(&self) -> Option<&dyn Bounded> {
        self.tiers_bounded().next().is_some().then_some(self)
    }
}

/// Counters are the store's. A key that is counted has no copy.
#[async_trait]
impl<B: Backend> Counters for Chain<B> {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let _changing = self.change(key);
        increment(&self.far, key, by, options).await
    }
}

/// How full the nearest tier is that has a bound; what grows, grows in all of them. That a copy leaves is nobody's concern: the store has the entry.
impl<B: Backend> Bounded for Chain<B> {
    fn usage(&self) -> Usage {
        let usage = self.tiers_bounded().next().map(Bounded::usage);
        // Only a chain with a bounded tier shows this ability.
        usage.unwrap_or(Usage::new(0, 0, Bound::Entries(0)))
    }

    fn observe(&self, namespace: &Namespace, observer: Weak<dyn Observer>) {
        if let Some(far) = self.far.bounded() {
            far.observe(namespace, observer);
        }
    }

    fn grew(&self, key: &StoreKey<'_>) {
        self.tiers_bounded().for_each(|tier| tier.grew(key));
    }
}

impl<B: Backend> fmt::Debug for Chain<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("near", &self.near).field("far", &self.far).finish_non_exhaustive()
    }
}
