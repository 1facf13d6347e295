//! A load, from its turn to its landing: one loader for as many keys as were wanted together. One key is a load of one.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_core::future::BoxFuture;
use tokio::{sync::SemaphorePermit, time::Instant};
use tracing::Instrument as _;

use super::{
    budget::{Budget, Paused},
    call::Call,
    events::Event,
    fetched::Status,
    flight::Flight,
    keep::{self, Ran},
    kit::Kit,
    lease::{self, Hold, Patience, Taken},
    loaded::Loaded,
    loader::{Loader, Slot},
    panics::{Panicked, caught},
    reading::fetched,
    store::{Found, Place},
    waits::{self, Node},
    wanted::Wanted,
};
use crate::{
    backend::Condition,
    entry::Stamps,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    policy::Abandon,
    value::Value,
};

/// How often a load that waits for its turn says that it is still there.
const BEAT: Duration = Duration::from_secs(1);
/// How often a lease is tried at once, each time in place of what was just seen, before it is waited.
const TRIES: u32 = 3;

/// A load that is about to begin.
pub(crate) struct Load<T: Value> {
    pub(crate) kit: Arc<Kit<T>>,
    pub(crate) call: Arc<Call>,
    pub(crate) wanted: Vec<Wanted<T>>,
    pub(crate) node: Arc<Node>,
    /// It was begun by a loader, which has a turn.
    pub(crate) nested: bool,
    /// What its callers still wait for the store.
    pub(crate) budget: Paused,
}

impl<T: Value> Load<T> {
    /// Begins it, in a task of its own: it goes on when its callers go away.
    pub(crate) fn begin<L: Loader<T>>(self, loader: Arc<Slot<L>>) {
        tokio::spawn(self.work(loader).in_current_span());
    }

    async fn work<L: Loader<T>>(mut self, loader: Arc<Slot<L>>) {
        let kit = Arc::clone(&self.kit);
        let Some(mut turn) = self.turn(&kit).await else { return };
        let mut budget = self.budget.resume();
        self.look_again(budget).await;
        if self.wanted.is_empty() {
            return;
        }
        let stores = !self.call.ttl.is_zero() && self.wanted.iter().any(|wanted| wanted.place.is_some());
        let mut stamps = self.stamps::<L>(stores, budget).await;
        match self.call.policy.lease {
            _ if !stores => {}
            None => self.hold(stamps.as_ref()),
            Some(time) => {
                let mut patience = Patience::new(time);
                while let Some(current) = &stamps {
                    self.take_leases(time, current, budget).await;
                    if !self.part_from_elsewhere(time, &loader, budget) {
                        break;
                    }
                    // All are being loaded elsewhere. Only loaders have turns, and only round trips a budget.
                    drop(turn);
                    let paused = budget.pause();
                    self.node.beat();
                    if self.or_abandoned(patience.pause()).await.is_none() {
                        return self.leave().await;
                    }
                    self.look_elsewhere().await;
                    if self.wanted.is_empty() {
                        return;
                    }
                    let Some(again) = self.turn(&kit).await else { return self.leave().await };
                    turn = again;
                    budget = paused.resume();
                    if patience.is_over() {
                        break;
                    }
                    stamps = self.stamps::<L>(stores, budget).await;
                }
            }
        }
        let mark = if L::NAMES_TAGS && self.wanted.iter().any(|wanted| wanted.hold.is_some()) {
            kit.store.mark(self.call.policy.kept(self.call.ttl), budget).await.ok()
        } else {
            None
        };

        let paused = budget.pause();
        let begun = Instant::now();
        self.node.beat();
        let used = paused.used_since(self.budget);
        self.wanted.iter().for_each(|wanted| wanted.flight().loader_begins(stamps.as_ref(), used));
        let made = self.load(&loader).await;
        drop(turn);
        let took = begun.elapsed();
        let Some(made) = made else { return self.leave().await };
        let Self { call, wanted, .. } = self;
        match made {
            Ok(made) => {
                kit.events.happened(&Event::Loaded { took });
                // What one value cost is what all cost, shared among them.
                let cost = took / u32::try_from(wanted.len()).unwrap_or(u32::MAX);
                keep::keep(&kit, &call, wanted, made, Ran { mark, cost, budget: paused.resume() }).await;
            }
            Err(error) => {
                kit.events.happened(&Event::LoadFailed { error: &error, took });
                wanted.iter().for_each(|wanted| wanted.make(Err(error.clone())));
                keep::release_all(&kit, wanted.iter()).await;
                wanted.into_iter().for_each(|wanted| wanted.land(Err(error.clone())));
            }
        }
    }

    /// Waits for a place among the loads that may run at once; a loader's own loads have its place already, and waiting for
    /// another could be waiting for itself. `None`: nobody waits for this any more.
    async fn turn<'k>(&self, kit: &'k Kit<T>) -> Option<Option<SemaphorePermit<'k>>> {
        if self.nested {
            return Some(None);
        }
        if let Ok(turn) = kit.turns.try_acquire() {
            return Some(Some(turn));
        }
        let waiting = async {
            let mut turn = pin!(kit.turns.acquire());
            loop {
                tokio::select! {
                    turn = &mut turn => return turn.ok(),
                    // The loader of one that has its turn has come to wait for this one.
                    () = self.node.is_hurried() => return None,
                    () = tokio::time::sleep(BEAT) => self.node.beat(),
                }
            }
        };
        self.or_abandoned(waiting).await
    }

    /// Does this, unless everybody leaves who waits for the load and it was said that it ends with that.
    async fn or_abandoned<W: Future>(&self, work: W) -> Option<W::Output> {
        if self.call.policy.abandon == Abandon::Finish {
            return Some(work.await);
        }
        let flights: Vec<_> = self.wanted.iter().map(|wanted| Arc::clone(wanted.flight())).collect();
        tokio::select! {
            done = work => Some(done),
            () = all_abandoned(&flights) => None,
        }
    }

    /// Ends it without an answer: who comes meanwhile begins another.
    async fn leave(self) {
        keep::release_all(&self.kit, self.wanted.iter()).await;
    }

    /// What is made may replace what is there now, and nothing else.
    fn hold(&mut self, stamps: Option<&Stamps>) {
        for wanted in &mut self.wanted {
            let condition = wanted.place.and_then(|place| self.kit.store.condition(place));
            wanted.hold = condition.zip(stamps).map(|(condition, stamps)| Hold {
                stamps: stamps.clone(),
                condition,
                lease: None,
            });
        }
    }

    /// Looks once more at keys that others may have stored since the store was asked. Those that are there land.
    async fn look_again(&mut self, budget: Budget) {
        let is_due = |wanted: &Wanted<T>| wanted.look_again && wanted.place.is_some() && !self.call.fresh;
        if !self.wanted.iter().any(is_due) {
            return;
        }
        let looked = Instant::now();
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.wanted).into_iter().partition(is_due);
        let keys: Vec<StoreKey<'_>> = due.iter().map(Wanted::key).collect();
        let found = self.kit.store.read_many(&keys, &self.call.tags, budget).await;
        self.wanted = rest;
        self.land_found(due, found, (Status::Hit, looked)).await;
    }

    /// Lands what was found fresh; the rest is still wanted.
    async fn land_found(
        &mut self,
        looked_for: Vec<Wanted<T>>,
        found: Vec<Result<Found>>,
        (status, looked): (Status, Instant),
    ) {
        let kit = Arc::clone(&self.kit);
        for (mut wanted, found) in looked_for.into_iter().zip(found) {
            wanted.saw(&found);
            if let Ok(Ok(entry)) = found
                && entry.is_fresh(kit.clock.now())
                && entry.meta().revision != wanted.revision
                && let Ok(fetched) = fetched(&kit, &wanted.key(), entry, status, kit.clock.now()).await
            {
                wanted.flight().vouch_for_those_before(looked);
                wanted.land(Ok(Some(fetched)));
            } else {
                self.wanted.push(wanted);
            }
        }
    }

    /// The stamps for what is made from now on: an invalidation from now on kills it. Without them nothing is stored.
    async fn stamps<L: Loader<T>>(&mut self, stores: bool, budget: Budget) -> Option<Stamps> {
        // In memory they cost nothing, and say whether who comes later may have what is made.
        if !stores && !self.kit.store.is_here() {
            return None;
        }
        if L::NAMES_TAGS {
            self.kit.store.will_mark();
        }
        let kept = self.call.policy.kept(self.call.ttl);
        match self.kit.store.stamps(&self.call.tags, kept, budget).await {
            Ok(stamps) => Some(stamps),
            Err(error) => {
                self.wanted.iter_mut().for_each(|wanted| wanted.cut_off(error.clone()));
                None
            }
        }
    }

    /// Takes the leases of these keys, and finds out which of them are being loaded elsewhere.
    async fn take_leases(&mut self, time: Duration, stamps: &Stamps, budget: Budget) {
        let kit = Arc::clone(&self.kit);
        for _ in 0..TRIES {
            let mut trying = Vec::new();
            for wanted in &mut self.wanted {
                let Some(place) = wanted.place.filter(|_| wanted.hold.is_none()) else {
                    continue;
                };
                if wanted.stands {
                    // What is there must stay: others are served it meanwhile.
                    let condition = kit.store.condition(place);
                    wanted.hold =
                        condition.map(|condition| Hold { stamps: stamps.clone(), condition, lease: None });
                } else if place == Place::Future {
                    wanted.place = None;
                } else if !wanted.is_elsewhere(time) {
                    trying.push((place, wanted));
                }
            }
            if trying.is_empty() {
                return;
            }
            let keys: Vec<_> = trying.iter().map(|(place, wanted)| (wanted.key(), *place)).collect();
            let taken = lease::take(&kit.store, &keys, time, stamps, budget).await;
            drop(keys);
            let mut refused = Vec::new();
            for ((_, wanted), taken) in trying.into_iter().zip(taken) {
                match taken {
                    Taken::Ours(token) => {
                        let condition = Condition::Unchanged(token);
                        wanted.hold = Some(Hold { stamps: stamps.clone(), condition, lease: Some(token) });
                        wanted.sighting = None;
                    }
                    Taken::Refused => refused.push(wanted),
                    // It may yet be taken, after the loader has begun: then it vouches for nothing, and is only removed.
                    Taken::Failed(token, error) => {
                        wanted.perhaps = Some(token);
                        wanted.cut_off(error);
                    }
                }
            }
            if refused.is_empty() {
                return;
            }
            let keys: Vec<StoreKey<'_>> = refused.iter().map(|wanted| wanted.key()).collect();
            let found = kit.store.read_many(&keys, &self.call.tags, budget).await;
            drop(keys);
            for (wanted, found) in refused.into_iter().zip(&found) {
                wanted.saw(found);
            }
        }
    }

    /// Leaves the keys that are being loaded elsewhere to a load of their own, if there are others to be loaded now. `true`
    /// if all are elsewhere.
    fn part_from_elsewhere<L: Loader<T>>(
        &mut self,
        time: Duration,
        loader: &Arc<Slot<L>>,
        budget: Budget,
    ) -> bool {
        let is_elsewhere =
            |wanted: &Wanted<T>| wanted.hold.is_none() && wanted.place.is_some() && wanted.is_elsewhere(time);
        let elsewhere = self.wanted.iter().filter(|wanted| is_elsewhere(wanted)).count();
        if elsewhere == 0 || elsewhere == self.wanted.len() {
            return elsewhere > 0;
        }
        if let Some(again) = loader.again() {
            let (later, now) = std::mem::take(&mut self.wanted).into_iter().partition(is_elsewhere);
            self.wanted = now;
            let later = Self {
                kit: Arc::clone(&self.kit),
                call: Arc::clone(&self.call),
                wanted: later,
                node: Arc::clone(&self.node),
                nested: self.nested,
                budget: budget.pause(),
            };
            later.begin_boxed(Arc::new(Slot::new(again)));
        }
        false
    }

    /// A load that begins another is a type within itself.
    fn begin_boxed<L: Loader<T>>(self, loader: Arc<Slot<L>>) {
        let work: BoxFuture<'static, ()> = Box::pin(self.work(loader));
        tokio::spawn(work.in_current_span());
    }

    /// Looks whether other processes have made what they have leases for.
    async fn look_elsewhere(&mut self) {
        let looked = Instant::now();
        let waiting = std::mem::take(&mut self.wanted);
        let keys: Vec<StoreKey<'_>> = waiting.iter().map(Wanted::key).collect();
        let found = self.kit.store.read_many(&keys, &self.call.tags, self.kit.store.budget()).await;
        drop(keys);
        self.land_found(waiting, found, (Status::Joined, looked)).await;
    }

    /// Runs the loader, within its limit, and keeps the leases meanwhile. `None`: nobody waits for it any more.
    async fn load<L: Loader<T>>(&mut self, loader: &Slot<L>) -> Option<Result<Vec<Option<Loaded<T>>>>> {
        let failed = |kind, message: &str| Error::new(kind, Operation::Load, message);
        let Some(loader) = loader.again().or_else(|| loader.take()) else {
            return Some(Err(failed(ErrorKind::Load, "the loader was called already")));
        };
        let flights: Vec<_> = match self.call.policy.abandon {
            Abandon::Finish => Vec::new(),
            Abandon::Cancel => self.wanted.iter().map(|wanted| Arc::clone(wanted.flight())).collect(),
        };
        let Self { kit, call, wanted, node, .. } = self;
        kit.events.happened(&Event::LoadBegun);
        let asked: Vec<_> =
            wanted.iter().map(|wanted| (wanted.flight().key.clone(), wanted.old.clone())).collect();
        let count = asked.len();
        let running = waits::within(Arc::clone(node), caught(async { loader.load(asked).await }));
        let limit = call.policy.load_limit;
        let limited = async {
            let limited = async {
                match limit {
                    Some(limit) => tokio::time::timeout(limit, running).await.ok(),
                    None => Some(running.await),
                }
            };
            if flights.is_empty() {
                return Some(limited.await);
            }
            tokio::select! {
                ended = limited => Some(ended),
                () = all_abandoned(&flights) => None,
            }
        };
        let first = wanted.first().map(|wanted| wanted.flight().key.clone());
        let mut holds: Vec<_> = wanted
            .iter_mut()
            .filter_map(|wanted| {
                let Wanted { landing, hold, .. } = wanted;
                Some((StoreKey::new(&landing.kit.namespace, &landing.flight.key), hold.as_mut()?))
            })
            .collect();
        let made = lease::keep(&kit.store, call.policy.lease, &mut holds, limited).await?;
        Some(match made {
            Some(Ok(Ok(mut made))) => {
                made.resize_with(count, || None);
                Ok(made)
            }
            Some(Ok(Err(why))) => Err(failed(ErrorKind::Load, "the loader failed").with_source(why)),
            Some(Err(Panicked)) => Err(failed(ErrorKind::Panicked, "the loader panicked")),
            None => {
                let limit = limit.unwrap_or_default();
                tracing::warn!(
                    cache = %kit.name, key = first.as_ref().map_or("", |key| key.text()), keys = count, ?limit,
                    "a loader did not end and was given up; does it wait for its own key in a task that it has spawned?"
                );
                let message =
                    format!("the loader did not end within the load limit of {limit:?} and was given up");
                Err(failed(ErrorKind::Timeout, &message))
            }
        })
    }
}

async fn all_abandoned<O: Clone>(flights: &[Arc<Flight<O>>]) {
    loop {
        for flight in flights {
            flight.abandoned().await;
        }
        // While the last ones were waited for, somebody may have joined the first.
        if flights.iter().all(|flight| flight.is_abandoned()) {
            return;
        }
    }
}
