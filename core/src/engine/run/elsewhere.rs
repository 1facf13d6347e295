//! Under leases: which keys other processes are loading, and waiting for those.

use std::{sync::Arc, time::Duration};

use futures_core::future::BoxFuture;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::super::{
    Few,
    budget::Budget,
    call::Order,
    fetched::Status,
    lease::{self, Hold, Taken},
    loader::{Loader, Slot},
    register::Each,
    store::Place,
    wanted::Wanted,
};
use super::Load;
use crate::{backend::Condition, entry::Stamps, key::StoreKey, value::Value};

/// How often a lease is tried at once, each time in place of what was just seen, before it is waited.
pub(super) const TRIES: u32 = 3;

impl<T: Value, L: Loader<T>> Load<T, L> {
    /// Takes the leases of these keys, and finds out which of them are being loaded elsewhere.
    pub(super) async fn take_leases(&mut self, time: Duration, stamps: &Each<Stamps>, budget: Budget) {
        let kit = Arc::clone(&self.kit);
        for _ in 0..TRIES {
            let mut trying = Vec::new();
            for wanted in &mut self.wanted {
                let Some(place) = wanted.place.filter(|_| wanted.hold.is_none()) else {
                    continue;
                };
                // Without any, its part of the store has failed.
                let Some(stamps) = stamps.of(kit.store.part(&wanted.key())) else { continue };
                if wanted.stands {
                    // What is there must stay: others are served it meanwhile.
                    let condition = kit.store.condition(place);
                    wanted.hold =
                        condition.map(|condition| Hold { stamps: stamps.clone(), condition, lease: None });
                } else if place == Place::Future {
                    wanted.place = None;
                } else if !wanted.is_elsewhere(time) {
                    trying.push((place, stamps, wanted));
                }
            }
            if trying.is_empty() {
                return;
            }
            let keys: Vec<_> =
                trying.iter().map(|(place, stamps, wanted)| (wanted.key(), *place, *stamps)).collect();
            let taken = lease::take(&kit.store, &keys, time, budget).await;
            drop(keys);
            let mut refused = Vec::new();
            for ((_, stamps, wanted), taken) in trying.into_iter().zip(taken) {
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
            let found = kit.store.read_many(&keys, &self.order.call.tags, budget).await;
            drop(keys);
            for (wanted, found) in refused.into_iter().zip(&found) {
                wanted.saw(found);
            }
        }
    }

    /// Leaves the keys that are being loaded elsewhere to a load of their own, if there are others to be loaded now. `true`
    /// if all are elsewhere.
    pub(super) fn part_from_elsewhere(&mut self, time: Duration, budget: Budget) -> bool {
        let is_elsewhere =
            |wanted: &Wanted<T>| wanted.hold.is_none() && wanted.place.is_some() && wanted.is_elsewhere(time);
        let elsewhere = self.wanted.iter().filter(|wanted| is_elsewhere(wanted)).count();
        if elsewhere == 0 || elsewhere == self.wanted.len() {
            return elsewhere > 0;
        }
        if let Some(again) = self.order.loader.again() {
            let (later, now) = std::mem::take(&mut self.wanted).into_iter().partition(is_elsewhere);
            self.wanted = now;
            let later = Self {
                kit: Arc::clone(&self.kit),
                order: Arc::new(Order { call: self.order.call.clone(), loader: Slot::new(again) }),
                wanted: later,
                node: Arc::clone(&self.node),
                nested: self.nested,
                budget: budget.pause(),
            };
            later.begin_boxed();
        }
        false
    }

    /// A load that begins another is a type within itself.
    pub(super) fn begin_boxed(self) {
        let work: BoxFuture<'static, ()> = Box::pin(self.work());
        tokio::spawn(work.in_current_span());
    }

    /// Looks whether other processes have made what they have leases for.
    pub(super) async fn look_elsewhere(&mut self) {
        let looked = Instant::now();
        let waiting = std::mem::take(&mut self.wanted);
        let keys: Few<StoreKey<'_>> = waiting.iter().map(Wanted::key).collect();
        let found = self.kit.store.read_many(&keys, &self.order.call.tags, self.kit.store.budget()).await;
        drop(keys);
        self.land_found(waiting, found, (Status::Joined, looked)).await;
    }
}
