//! A chain: near tiers in this process in front of a store.

mod hearing;
mod near;
mod tickets;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;

use self::{
    hearing::{ChainEar, Hearing, Right, Rooms},
    near::Near,
    tickets::{Change, Ticket, Tickets},
};
use crate::{
    backend::{
        Backend, Bound, Bounded, Bus, Capabilities, CounterOptions, Counters, DeleteItem, DeleteOptions, Ear,
        Forward, GetOptions, Lookup, Observer, SetItem, SetOptions, TouchItem, TouchOptions, Usage, Written,
    },
    clock::Clock,
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::{Namespace, StoreKey},
    layer::counting::increment,
};

/// How long a near copy is served when nothing is said, and nothing is heard of what others change: one second.
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
/// - What others write to a store that has a [bus](crate::backend::Bus) is seen when the notice has come: after a
///   round trip, while the bus is alive. Copies live as long as their entries then. When it falls silent, a copy is served for
///   [`ttl_without_bus`](Self::ttl_without_bus) longer, and at least for [`SILENCE`](crate::backend::SILENCE); after a
///   gap, none from before.
/// - What others write to a store without a bus is seen when the copy ends: at most the [TTL of near copies](Self::near_ttl)
///   after the store was asked for it.
/// - A copy ends with its entry, and only values have copies: no negative answers, no leases.
/// - While the store fails, copies are served until they end or, with a bus, until nobody has vouched for them for that time.
///
/// A far hit pays one write into each near tier. A near hit pays some atomic loads beside the tier's own hit, and with a bus two
/// coarse readings of the clock; a lock only for the first hit after something became known of versions.
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
    said: Said,
    /// By what was said so far.
    tiers: Arc<Tiers>,
}

/// What the near side of a chain is to be.
struct Said {
    clock: Clock,
    near: Vec<Arc<dyn Backend>>,
    ttl: Option<Duration>,
    ttl_without_bus: Duration,
    listens: bool,
}

impl Said {
    fn tiers(&self) -> Arc<Tiers> {
        let ttl = self.ttl.or((!self.listens).then_some(self.ttl_without_bus));
        let mut near = Near::new(ttl, self.clock.clone());
        self.near.iter().for_each(|tier| near.add(Arc::clone(tier)));
        let hearing = Hearing::new(self.listens, self.ttl_without_bus);
        Arc::new(Tiers { near, tickets: Tickets::default(), hearing })
    }
}

/// The near side of a chain.
#[derive(Debug)]
struct Tiers {
    near: Near,
    tickets: Tickets,
    hearing: Hearing,
}

impl Tiers {
    #[inline]
    fn copy(&self, key: &StoreKey<'_>) -> Option<Entry> {
        self.tickets.read(key.seeded_hash(), || self.near.get(key, self.hearing.rooms(self.near.clock())))
    }

    fn remove(&self, key: &StoreKey<'_>) {
        self.near.remove(key, self.hearing.all());
    }

    /// It is another one now, or gone: no answer that is on its way is kept.
    fn changed(&self, key: &StoreKey<'_>) {
        self.tickets.change(key.seeded_hash()).end(|| self.remove(key));
    }
}

impl<B: Backend> Chain<B> {
    /// A chain that is only this store yet. The clock is that of the caches on it.
    pub fn new(far: B, clock: &Clock) -> Self {
        let said = Said {
            clock: clock.clone(),
            near: Vec::new(),
            ttl: None,
            ttl_without_bus: DEFAULT_NEAR_TTL,
            listens: far.bus().is_some(),
        };
        Self { far, tiers: said.tiers(), said }
    }

    /// Puts a tier in front of the store, behind the tiers that are there. Several chains and caches may share one: each chain has
    /// copies of its own in it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a store that is not in this process: only the last one may be shared.
    pub fn near(mut self, tier: impl Backend) -> Result<Self> {
        if tier.invalidation().here().is_none() {
            let message = "a near tier has to be a store in this process's memory; only the last store of a chain may be \
                           shared with others";
            return Err(Error::new(ErrorKind::Config, Operation::Build, message));
        }
        self.said.near.push(Arc::new(tier));
        self.tiers = self.said.tiers();
        Ok(self)
    }

    /// For how long a copy may be served after the store was asked for it. Default: as long as its entry lives, if the store has
    /// a bus; else [`ttl_without_bus`](Self::ttl_without_bus).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for zero.
    pub fn near_ttl(mut self, ttl: Duration) -> Result<Self> {
        if ttl.is_zero() {
            let message = "the TTL of near copies is zero; for none at all, leave the near tiers out";
            return Err(Error::new(ErrorKind::Config, Operation::Build, message));
        }
        self.said.ttl = Some(ttl);
        self.tiers = self.said.tiers();
        Ok(self)
    }

    /// For how long a copy may be served that nobody has vouched for, because the store has no bus, or its bus is silent: since
    /// the store was asked for it, or since the bus was last alive. Zero: with a bus, such a one is not served. Default:
    /// [`DEFAULT_NEAR_TTL`]. Without effect where the store has no bus and [`near_ttl`](Self::near_ttl) is given.
    #[must_use]
    pub fn ttl_without_bus(mut self, ttl: Duration) -> Self {
        self.said.ttl_without_bus = ttl;
        self.tiers = self.said.tiers();
        self
    }

    /// Does not listen to the store's bus, so that copies live as in front of a store that has none: for few writes that are seen
    /// late, and no connection that listens.
    #[must_use]
    pub fn without_bus(mut self) -> Self {
        self.said.listens = false;
        self.tiers = self.said.tiers();
        self
    }

    /// Keeps what the store has answered, unless something was written meanwhile.
    fn promote(&self, key: &StoreKey<'_>, (ticket, right): (Ticket, Right), found: &Result<Lookup>) {
        let Ok(lookup) = found else { return };
        let Tiers { near, tickets, .. } = &*self.tiers;
        let remove = || self.tiers.remove(key);
        match lookup {
            Lookup::Hit(entry) => tickets.fill(ticket, || near.put(key, entry, None, right), remove),
            // Others have removed it.
            Lookup::Miss(_) => tickets.fill(ticket, remove, remove),
        }
    }

    /// The right to keep what the store will answer.
    fn ticket(&self, key: &StoreKey<'_>) -> (Ticket, Right) {
        (self.tiers.tickets.take(key.seeded_hash()), self.tiers.hearing.right())
    }

    fn tiers_bounded(&self) -> impl Iterator<Item = &dyn Bounded> {
        self.tiers.near.bounded().chain(self.far.bounded())
    }

    fn change<'a>(&'a self, key: &'a StoreKey<'a>) -> Changing<'a> {
        let change = self.tiers.tickets.change(key.seeded_hash());
        Changing { tiers: &self.tiers, key, change, right: self.tiers.hearing.right() }
    }
}

/// A change of one key that has begun. When it is dropped, its copies go.
struct Changing<'a> {
    tiers: &'a Tiers,
    key: &'a StoreKey<'a>,
    change: Change<'a>,
    right: Right,
}

impl Changing<'_> {
    /// This was written: it is the copy, unless others write the key as well.
    fn wrote(mut self, entry: &Entry, options: &SetOptions, written: &Result<Written>) {
        if let Ok(Written::Yes(token)) = written {
            let entry = if entry.token() == *token { entry.clone() } else { entry.with_token(*token) };
            let Self { tiers, key, change, right } = &mut self;
            change.fill(|| tiers.near.put(key, &entry, Some(options.ttl), *right));
        }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let Self { tiers, key, change, .. } = self;
        change.end(|| tiers.remove(key));
    }
}

#[async_trait]
impl<B: Backend> Forward for Chain<B> {
    type Inner = B;

    fn inner(&self) -> &B {
        &self.far
    }

    fn capabilities(&self) -> Capabilities {
        let Tiers { near, hearing, .. } = &*self.tiers;
        let without = near.ttl.unwrap_or(Duration::MAX);
        let ttl = if hearing.has_bus() { without.min(hearing.patience()) } else { without };
        self.far.capabilities().with_near_ttl((!near.is_empty()).then_some(ttl))
    }

    #[inline]
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        if let Some(entry) = self.tiers.copy(key) {
            return Some(Lookup::Hit(entry));
        }
        // A store that is in this process as well may have it; another would say nothing, and need not be measured.
        self.far.invalidation().here()?;
        let ticket = self.ticket(key);
        let found = Ok(self.far.get_now(key)?);
        self.promote(key, ticket, &found);
        found.ok()
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        if !options.far
            && let Some(entry) = self.tiers.copy(key)
        {
            return Ok(Lookup::Hit(entry));
        }
        let ticket = self.ticket(key);
        let found = self.far.get(key, options).await;
        self.promote(key, ticket, &found);
        found
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let near = |key| if options.far { None } else { self.tiers.copy(key) };
        let mut found: Vec<Option<Result<Lookup>>> =
            keys.iter().map(|key| near(key).map(|entry| Ok(Lookup::Hit(entry)))).collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|place| found[*place].is_none()).collect();
        if !missing.is_empty() {
            let tickets: Vec<_> = missing.iter().map(|place| self.ticket(&keys[*place])).collect();
            let far: Vec<StoreKey<'_>> = missing.iter().map(|place| keys[*place]).collect();
            let answers = self.far.get_many(&far, options).await;
            if answers.len() != far.len() {
                // Nobody knows which answer is whose.
                let message = format!("the store gave {} answers to {} questions", answers.len(), far.len());
                let error = Error::new(ErrorKind::Protocol, Operation::Get, message);
                return keys.iter().map(|_| Err(error.clone())).collect();
            }
            for ((place, ticket), answer) in missing.into_iter().zip(tickets).zip(answers) {
                self.promote(&keys[place], ticket, &answer);
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
        closed.and(self.tiers.near.close().await)
    }

    fn bus(&self) -> Option<&dyn Bus> {
        (self.tiers.hearing.has_bus() && !self.tiers.near.is_empty()).then_some(self)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.far.counters().is_some().then_some(self)
    }

    fn bounded(&self) -> Option<&dyn Bounded> {
        self.tiers_bounded().next().is_some().then_some(self)
    }
}

/// What is heard of the store. When an ear hears of a change, the near tiers have followed it.
impl<B: Backend> Bus for Chain<B> {
    fn listen(&self, namespace: &Namespace, ear: Weak<dyn Ear>) {
        let Some(bus) = self.far.bus() else { return };
        let own = Arc::new(ChainEar::new(Arc::downgrade(&self.tiers), namespace.clone(), ear));
        self.tiers.hearing.add(Arc::clone(&own));
        // From here on a weak one of another type.
        let own: Arc<dyn Ear> = own;
        bus.listen(namespace, Arc::downgrade(&own));
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
        let rooms = self.tiers.hearing.all();
        for room in [Some(rooms.first), rooms.second].into_iter().flatten() {
            self.tiers.near.bounded().for_each(|tier| tier.grew(&key.in_room(room)));
        }
        if let Some(far) = self.far.bounded() {
            far.grew(key);
        }
    }

    fn exchange(&self, key: &StoreKey<'_>, from: &Entry, to: &Entry) {
        let Rooms { first, second } = self.tiers.hearing.all();
        for key in [Some(first), second].into_iter().flatten().map(|room| key.in_room(room)) {
            self.tiers.near.bounded().for_each(|tier| tier.exchange(&key, from, to));
        }
    }
}

impl<B: Backend> fmt::Debug for Chain<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("near", &self.tiers.near)
            .field("far", &self.far)
            .finish_non_exhaustive()
    }
}
