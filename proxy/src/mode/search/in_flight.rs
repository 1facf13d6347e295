//! Marks for writes that are at the upstream: what a process that dies leaves. Several proxies share one, and each removes itself
//! alone from it.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use larder::{Key, Ttl, cache::Swapped};

use super::{
    Entry, Shared,
    generations::Generations,
    holders::{Holders, mark_key},
};

/// The kind of these marks.
pub(super) const KIND: &str = "flight";
/// How often a mark is changed anew when others change it at the same time.
const TRIES: usize = 16;

/// The writes of this process that are at the upstream, by generation.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashMap<String, Flight>>);

#[derive(Debug, Default)]
struct Flight {
    writes: usize,
    /// When this process was last added to the mark. Held while that is done or undone, so that a write that comes does not
    /// lose its mark to one that goes.
    held: Arc<tokio::sync::Mutex<Option<Instant>>>,
}

impl InFlight {
    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `more` writes of this generation.
    fn of(&self, tag: &str, more: usize) -> Arc<tokio::sync::Mutex<Option<Instant>>> {
        let mut flights = self.flights();
        let flight = flights.entry(tag.to_owned()).or_default();
        flight.writes += more;
        Arc::clone(&flight.held)
    }

    /// One less. Whether it was the last.
    fn leave(&self, tag: &str) -> bool {
        self.flights().get_mut(tag).is_none_or(|flight| {
            flight.writes = flight.writes.saturating_sub(1);
            flight.writes == 0
        })
    }

    fn forget(&self, tag: &str) {
        let mut flights = self.flights();
        if flights.get(tag).is_some_and(|flight| flight.writes == 0) {
            flights.remove(tag);
        }
    }
}

impl Shared {
    /// A write to these is going to be at the upstream. False if the store has failed at one of them.
    pub(super) async fn mark_in_flight(&self, generations: &Generations) -> bool {
        join_all(generations.tags().map(|tag| self.enter(tag, 1))).await.into_iter().all(|marked| marked)
    }

    /// A write to these is at the upstream still, and takes long: its marks last longer.
    pub(super) async fn stay(&self, generations: &Generations) {
        join_all(generations.tags().map(|tag| self.enter(tag, 0))).await;
    }

    /// A write is no longer at the upstream. Where it is `lost`, it may still be done: a mark stays for as long as that may take.
    pub(super) async fn unmark(&self, generations: &Generations, lost: bool) {
        join_all(generations.tags().map(|tag| self.leave(tag, lost))).await;
    }

    async fn enter(&self, tag: &str, more: usize) -> bool {
        let held = self.gap.in_flight.of(tag, more);
        let mut held = held.lock().await;
        // A mark lasts for a write that begins this much later.
        if held.is_some_and(|since| since.elapsed() < self.settings.patience) {
            return true;
        }
        let (process, ttl) = (self.gap.process, self.in_flight_ttl());
        let marked = self
            .change(&mark_key(KIND, tag), ttl, |holders| holders.with(process, SystemTime::now(), ttl))
            .await
            .is_some();
        *held = marked.then(Instant::now);
        marked
    }

    async fn leave(&self, tag: &str, lost: bool) {
        let held = self.gap.in_flight.of(tag, 0);
        let mut held = held.lock().await;
        let last = self.gap.in_flight.leave(tag);
        let (process, now) = (self.gap.process, SystemTime::now());
        let key = mark_key(KIND, tag);
        if lost {
            // Under a number that nobody removes.
            let (lost, ttl) = (self.gap.lost, self.in_flight_ttl());
            self.change(&key, ttl, |holders| holders.with(lost, now, ttl)).await;
        }
        if last {
            *held = None;
            self.change(&key, Duration::ZERO, |holders| holders.without(process, now)).await;
            self.gap.in_flight.forget(tag);
        }
    }

    /// Twice as long as a write may take: it may begin that much later, and the clocks of proxies differ.
    fn in_flight_ttl(&self) -> Duration {
        self.settings.patience.saturating_mul(2).saturating_add(self.settings.gap)
    }

    /// Changes who holds a mark, which lasts for `ttl` at least. Nothing if the store has failed.
    pub(super) async fn change(
        &self,
        key: &Key,
        ttl: Duration,
        change: impl Fn(&Holders) -> Holders,
    ) -> Option<()> {
        for _ in 0..TRIES {
            let found = self.worked("read a mark", self.cache.at(key).from_store().get().await)?;
            let call = self.cache.at(key).policy(|policy| policy.jitter(Duration::ZERO));
            let Some(found) = found else {
                let holders = change(&Holders::default());
                if holders.is_empty()
                    || self.worked("set a mark", call.ttl(ttl).add(Entry::Mark(holders)).await)?
                {
                    return Some(());
                }
                continue;
            };
            let holders = match &*found {
                Entry::Mark(holders) => change(holders),
                _ => change(&Holders::default()),
            };
            let left = match found.remaining() {
                _ if holders.is_empty() => Duration::ZERO,
                Ttl::After(left) => left.max(ttl),
                Ttl::Never => ttl,
            };
            match call.ttl(left).compare_and_set(&found, Entry::Mark(holders)).await {
                Ok(Swapped::Yes) => return Some(()),
                Ok(_) => {}
                // A store that cannot compare, or one in which too many change it at once.
                Err(error) => {
                    tracing::debug!(%error, "a mark was not changed");
                    break;
                }
            }
        }
        if ttl.is_zero() {
            // It ends with its TTL.
            return Some(());
        }
        // Under a number that nobody removes: it lasts for its TTL, whoever else holds it or has held it.
        let lasting = Holders::default().with(random(), SystemTime::now(), ttl);
        let call = self.cache.at(key).policy(|policy| policy.jitter(Duration::ZERO)).ttl(ttl);
        self.worked("set a mark", call.set(Entry::Mark(lasting)).await)
    }
}

/// A number that no other process has.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one("process")
}
