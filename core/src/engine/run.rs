//! A load, from its permit to its landing: one loader for as many keys as were wanted together. One key is a load of one.

mod elsewhere;
mod loading;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_core::future::BoxFuture;
use tokio::{sync::SemaphorePermit, time::Instant};
use tracing::Instrument as _;

use self::loading::all_abandoned;
use super::{
    Few,
    budget::{Budget, Paused},
    call::Order,
    events::Event,
    fetched::Status,
    keep::{self, Ran},
    kit::Kit,
    lease::{Hold, Patience},
    loader::Loader,
    panics::caught_now,
    reading::fetched,
    register::Each,
    store::Found,
    waits::Node,
    wanted::Wanted,
};
use crate::{entry::Stamps, error::Result, key::StoreKey, policy::Abandon, value::Value};

/// How often a load that waits for its permit says that it is still there.
const BEAT: Duration = Duration::from_secs(1);

/// A load that is about to begin.
pub(crate) struct Load<T: Value, L> {
    pub(crate) kit: Arc<Kit<T>>,
    pub(crate) order: Arc<Order<L>>,
    /// On the heap: what a future holds is copied whenever it moves, and this is most of it.
    pub(crate) wanted: Vec<Wanted<T>>,
    pub(crate) node: Arc<Node>,
    /// It was begun by a loader, which has a permit.
    pub(crate) nested: bool,
    /// What its callers still wait for the store.
    pub(crate) budget: Paused,
}

impl<T: Value, L: Loader<T>> Load<T, L> {
    /// Begins it; it goes on in a task of its own when its callers go away.
    ///
    /// `at_once`: somebody waits for it, however long it takes. Then it begins on the spot, and gets a task when it has to wait
    /// for something: a loader that answers at once needs none, and a question to a store leaves without waiting for a
    /// thread. A loader's own loads do not, or loaders that nest deeply would use up the stack.
    pub(crate) fn begin(self, at_once: bool) {
        let at_once = at_once && !self.nested;
        // Of one type, whatever is loaded and how: else each call in a program that loads would have a copy of the runtime's
        // tasks of its own, which took a quarter of the time of building a program with many.
        let mut work: BoxFuture<'static, ()> = Box::pin(self.work().in_current_span());
        if at_once {
            // Its task polls it anew, and is woken from then on.
            let mut context = Context::from_waker(Waker::noop());
            if !matches!(caught_now(|| work.as_mut().poll(&mut context)), Ok(Poll::Pending)) {
                // After a panic, its callers hear of it when what it held is dropped, as when a task ends by one.
                let _ = caught_now(|| drop(work));
                return;
            }
        }
        tokio::spawn(work);
    }

    async fn work(mut self) {
        let kit = Arc::clone(&self.kit);
        let Some(mut permit) = self.permit(&kit).await else { return };
        let mut budget = self.budget.resume();
        if self.wanted.iter().any(|wanted| self.is_due(wanted)) {
            Box::pin(self.look_again(budget)).await;
        }
        if self.wanted.is_empty() {
            return;
        }
        let stores =
            !self.order.call.ttl.is_zero() && self.wanted.iter().any(|wanted| wanted.place.is_some());
        let mut stamps = self.stamps(stores, budget).await;
        match self.order.call.policy.lease {
            _ if !stores => {}
            None => self.hold(stamps.as_ref()),
            Some(time) => {
                let mut patience = Patience::new(time);
                while let Some(current) = &stamps {
                    Box::pin(self.take_leases(time, current, budget)).await;
                    if !self.part_from_elsewhere(time, budget) {
                        break;
                    }
                    // All are being loaded elsewhere. Only loaders have permits, and only round trips a budget.
                    drop(permit);
                    let paused = budget.pause();
                    self.node.beat();
                    if self.or_abandoned(patience.pause()).await.is_none() {
                        return self.leave().await;
                    }
                    Box::pin(self.look_elsewhere()).await;
                    if self.wanted.is_empty() {
                        return;
                    }
                    let Some(again) = self.permit(&kit).await else { return self.leave().await };
                    permit = again;
                    budget = paused.resume();
                    if patience.is_over() {
                        break;
                    }
                    stamps = self.stamps(stores, budget).await;
                }
            }
        }
        let marks = if L::NAMES_TAGS {
            let held = self.wanted.iter().filter(|wanted| wanted.hold.is_some()).map(Wanted::key);
            kit.store.marks(held, self.order.call.policy.kept(self.order.call.ttl), budget).await
        } else {
            Each::none()
        };

        let paused = budget.pause();
        let begun = Instant::now();
        self.node.beat_at(begun);
        let used = paused.used_since(self.budget);
        for wanted in &self.wanted {
            let stamps = stamps.as_ref().and_then(|stamps| stamps.of(kit.store.part(&wanted.key())));
            wanted.flight().loader_begins(begun, stamps, used);
        }
        let made = self.load(begun).await;
        drop(permit);
        let took = begun.elapsed();
        let Some(made) = made else { return self.leave().await };
        let Self { order, wanted, .. } = self;
        match made {
            Ok(made) => {
                kit.events.happened(&Event::Loaded { took });
                // What one value cost is what all cost, shared among them.
                let cost = took / u32::try_from(wanted.len()).unwrap_or(u32::MAX);
                keep::keep(&kit, &order.call, wanted, made, Ran { marks, cost, budget: paused.resume() })
                    .await;
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
    async fn permit<'k>(&self, kit: &'k Kit<T>) -> Option<Option<SemaphorePermit<'k>>> {
        if self.nested {
            return Some(None);
        }
        if let Ok(permit) = kit.permits.try_acquire() {
            return Some(Some(permit));
        }
        let waiting = async {
            let mut permit = pin!(kit.permits.acquire());
            loop {
                tokio::select! {
                    permit = &mut permit => return permit.ok(),
                    // The loader of one that has its permit has come to wait for this one.
                    () = self.node.is_hurried() => return None,
                    () = tokio::time::sleep(BEAT) => self.node.beat(),
                }
            }
        };
        self.or_abandoned(waiting).await
    }

    /// Does this, unless everybody leaves who waits for the load and it was said that it ends with that.
    async fn or_abandoned<W: Future>(&self, work: W) -> Option<W::Output> {
        if self.order.call.policy.abandon == Abandon::Finish {
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
    fn hold(&mut self, stamps: Option<&Each<Stamps>>) {
        for wanted in &mut self.wanted {
            let condition = wanted.place.and_then(|place| self.kit.store.condition(place));
            let stamps = stamps.and_then(|stamps| stamps.of(self.kit.store.part(&wanted.key())));
            wanted.hold = condition.zip(stamps).map(|(condition, stamps)| Hold {
                stamps: stamps.clone(),
                condition,
                lease: None,
            });
        }
    }

    fn is_due(&self, wanted: &Wanted<T>) -> bool {
        wanted.look_again && wanted.place.is_some() && !self.order.call.fresh
    }

    /// Looks once more at keys that others may have stored since the store was asked. Those that are there land.
    async fn look_again(&mut self, budget: Budget) {
        let looked = Instant::now();
        let wanted = std::mem::take(&mut self.wanted);
        let (due, rest): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|wanted| self.is_due(wanted));
        let keys: Few<StoreKey<'_>> = due.iter().map(Wanted::key).collect();
        let found = self.kit.store.read_many(&keys, &self.order.call.tags, budget).await;
        drop(keys);
        self.wanted = rest;
        self.land_found(due, found, (Status::Hit, looked)).await;
    }

    /// Lands what was found fresh; the rest is still wanted.
    async fn land_found(
        &mut self,
        looked_for: Vec<Wanted<T>>,
        found: Few<Result<Found>>,
        (status, looked): (Status, Instant),
    ) {
        let kit = Arc::clone(&self.kit);
        for (mut wanted, found) in looked_for.into_iter().zip(found) {
            wanted.saw(&found);
            if let Ok(Ok(entry)) = found
                && entry.is_fresh(kit.clock.now())
                && entry.meta().revision != wanted.revision
                && let Ok(fetched) =
                    fetched(&kit, &wanted.key(), (entry, false), status, kit.clock.now()).await
            {
                wanted.flight().vouch_for_those_before(looked);
                wanted.land(Ok(Some(fetched)));
            } else {
                self.wanted.push(wanted);
            }
        }
    }

    /// The stamps for what is made from now on: an invalidation from now on kills it. Without them nothing is stored.
    async fn stamps(&mut self, stores: bool, budget: Budget) -> Option<Each<Stamps>> {
        // In memory they cost nothing, and say whether who comes later may have what is made.
        if !stores && !self.kit.store.is_here() {
            return None;
        }
        if L::NAMES_TAGS {
            self.kit.store.will_mark(self.wanted.iter().map(Wanted::key));
        }
        let kept = self.order.call.policy.kept(self.order.call.ttl);
        let keys = self.wanted.iter().map(Wanted::key);
        let stamps = self.kit.store.stamps_each(keys, &self.order.call.tags, kept, budget).await;
        let (stamps, failed) = stamps.split();
        if !failed.is_empty() {
            for wanted in &mut self.wanted {
                let part = self.kit.store.part(&wanted.key());
                if let Some(error) = failed.of(part) {
                    wanted.cut_off(error.clone());
                }
            }
        }
        (!stamps.is_empty()).then_some(stamps)
    }
}
