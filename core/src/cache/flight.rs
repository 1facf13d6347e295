//! Loads in progress: one per key, shared by all who wait for it, and overtaken by whoever writes the key.

#[cfg(all(test, larder_loom))]
mod models;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::Fetched;
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Operation, Result},
    key::{OwnedStoreKey, StoreKey},
    sync::{AtomicU8, Mutex, MutexGuard, watch},
};

/// What a load comes to: a value, or that its loader, which was asked for several, left this one out.
pub(super) type Outcome<T> = Result<Option<Fetched<T>>>;

/// How many loaders are left alone at once, in each shard.
const MAX_RESTING: usize = 1024;

/// Enough that two loads of different keys rarely meet on a lock that is held only for a look into a map.
const SHARDS: usize = if cfg!(larder_loom) { 1 } else { 16 };

/// The loads of one cache that are in progress.
pub(super) struct Flights<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
}

struct Shard<T> {
    flights: HashMap<OwnedStoreKey, Arc<Flight<T>>>,
    /// How many are writing a key of this hash. That two keys may share a hash costs a value not stored.
    writers: HashMap<u64, usize>,
    /// How many flights have landed here: tells who found nothing in the store and then comes here too late
    /// that the store may have it by now.
    landed: u64,
    /// Until when the loaders of keys of these hashes are left alone, since they failed while there was
    /// something else to serve.
    resting: HashMap<u64, Timestamp>,
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self { flights: HashMap::new(), writers: HashMap::new(), landed: 0, resting: HashMap::new() }
    }
}

impl<T> Shard<T> {
    /// Sees to it that none of these stores its value, but those that are just doing that: these it gives back, to be
    /// waited for, and leaves them to be found by others who write the same key.
    fn overtake(&mut self, is_meant: impl Fn(&OwnedStoreKey, &Flight<T>) -> bool) -> Vec<Arc<Flight<T>>> {
        let mut storing = Vec::new();
        self.flights.retain(|key, flight| {
            if !is_meant(key, flight) {
                return true;
            }
            // Under the lock: another writer who finds the flight gone may rely on its being overtaken.
            let is_storing = !flight.overtake();
            if is_storing {
                storing.push(Arc::clone(flight));
            }
            is_storing
        });
        storing
    }
}

/// A write in progress.
pub(super) struct Writing<'a, T> {
    flights: &'a Flights<T>,
    hash: u64,
}

impl<T> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        let mut shard = self.flights.shard(self.hash);
        if let Some(writers) = shard.writers.get_mut(&self.hash) {
            *writers -= 1;
            if *writers == 0 {
                shard.writers.remove(&self.hash);
            }
        }
        // They were born overtaken.
        shard.overtake(|key, _| key.hash() == self.hash);
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

/// The value is still being made: whoever writes the key now wins over it.
const LOADING: u8 = 0;
/// The value is being stored: whoever writes the key waits until that is over.
const STORING: u8 = 1;
/// Somebody else has written the key: the value is not stored.
const OVERTAKEN: u8 = 2;

/// One load in progress.
pub(super) struct Flight<T> {
    state: AtomicU8,
    outcome: watch::Sender<Option<Outcome<T>>>,
    begun: Instant,
    generation: u64,
    labels: Labels,
    /// Somebody waits for it who may have the turn that it waits for.
    hurried: Notify,
    /// Who came before this moment may have the value: until then, nothing had come between. Unset: only who came before
    /// the flight began.
    vouched: OnceLock<Instant>,
}

/// Under which tags a load's value is stored.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels {
    /// Those that its call named.
    pub(super) tags: Vec<Arc<str>>,
    /// Its loader may name others.
    pub(super) any: bool,
}

impl Labels {
    fn have(&self, tag: &str) -> bool {
        self.any || self.tags.iter().any(|own| **own == *tag)
    }
}

impl<T> Flight<T> {
    fn new(state: u8, arrival: &Arrival, labels: Labels) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(state),
            outcome: watch::Sender::new(None),
            begun: Instant::now(),
            generation: arrival.generation,
            labels,
            hurried: Notify::new(),
            vouched: OnceLock::new(),
        })
    }

    /// Claims the right to store the value. `false` if the key was written meanwhile.
    pub(super) fn may_store(&self) -> bool {
        self.state.compare_exchange(LOADING, STORING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The value is right for whoever came before this moment.
    pub(super) fn vouch_for_those_before(&self, moment: Instant) {
        let _ = self.vouched.set(moment);
    }

    /// Whether somebody who came then may have the outcome. Who removes the key through the same cache removes its
    /// flight; here is told who came after a clear of a namespace above, and, under leases, who may have come after
    /// another process had removed the key.
    pub(super) fn is_for(&self, arrival: &Arrival, leases: bool) -> bool {
        self.generation == arrival.generation
            && (!leases
                || self.begun >= arrival.at
                || self.vouched.get().is_some_and(|before| arrival.at < *before))
    }

    /// Has the load begin without waiting for its turn.
    pub(super) fn hurry(&self) {
        self.hurried.notify_one();
    }

    pub(super) async fn is_hurried(&self) {
        self.hurried.notified().await;
    }

    /// Waits for the outcome.
    pub(super) fn wait(&self) -> Waiting<T> {
        Waiting(self.outcome.subscribe())
    }

    /// Waits until nobody waits for the outcome any more.
    pub(super) async fn abandoned(&self) {
        self.outcome.closed().await;
    }

    /// Makes sure that the value will not be stored from now on. `false` if that is just happening.
    fn overtake(&self) -> bool {
        self.state.compare_exchange(LOADING, OVERTAKEN, Ordering::AcqRel, Ordering::Acquire) != Err(STORING)
    }
}

/// Waits for the outcome of somebody else's load.
pub(super) struct Waiting<T>(watch::Receiver<Option<Outcome<T>>>);

impl<T> Waiting<T> {
    pub(super) async fn outcome(mut self) -> Outcome<T> {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => match &*outcome {
                Some(outcome) => outcome.clone(),
                None => Err(vanished()),
            },
            Err(_) => Err(vanished()),
        }
    }
}

pub(super) fn vanished() -> Error {
    Error::new(ErrorKind::Load, Operation::Load, "the load was abandoned; is the runtime shutting down?")
}

/// When somebody began to look for a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    generation: u64,
    /// How many flights had landed by then.
    landed: u64,
}

/// What [`Flights::join`] found.
pub(super) enum Joined<T> {
    /// Nobody loads this key: the caller does, and must call [`Flights::land`] whatever happens.
    Leader {
        flight: Arc<Flight<T>>,
        /// Somebody may have loaded it since the caller looked into the store.
        look_again: bool,
    },
    /// Somebody does.
    Waiter(Arc<Flight<T>>, Waiting<T>),
}

impl<T> Flights<T> {
    /// To be called before looking into the store, for [`join`](Self::join).
    ///
    /// `generation` tells one time between two clears from another.
    pub(super) fn arrive(&self, key: &StoreKey<'_>, generation: u64) -> Arrival {
        Arrival { at: Instant::now(), generation, landed: self.shard(key.hash()).landed }
    }

    /// A flight that nobody else can join.
    pub(super) fn apart(arrival: &Arrival) -> Arc<Flight<T>> {
        Flight::new(LOADING, arrival, Labels::default())
    }

    /// Joins the flight of this key, or begins one.
    pub(super) fn join(
        &self,
        key: &StoreKey<'_>,
        arrival: Arrival,
        labels: impl FnOnce() -> Labels,
    ) -> Joined<T> {
        let owned = key.to_owned();
        let mut shard = self.shard(key.hash());
        if let Some(flight) = shard.flights.get(&owned) {
            return Joined::Waiter(Arc::clone(flight), flight.wait());
        }
        let state = if shard.writers.contains_key(&key.hash()) { OVERTAKEN } else { LOADING };
        let flight = Flight::new(state, &arrival, labels());
        shard.flights.insert(owned, Arc::clone(&flight));
        Joined::Leader { flight, look_again: shard.landed != arrival.landed }
    }

    /// Ends a flight. It is removed only if it is still the one of its key, then those who wait are told.
    pub(super) fn land(&self, key: &OwnedStoreKey, flight: &Arc<Flight<T>>, outcome: Outcome<T>) {
        {
            let mut shard = self.shard(key.hash());
            shard.landed += 1;
            if shard.flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
                shard.flights.remove(key);
            }
        }
        flight.outcome.send_replace(Some(outcome));
    }

    /// Leaves the loader of this key alone for so long.
    pub(super) fn rest(&self, key: &OwnedStoreKey, now: Timestamp, pause: Duration) {
        if pause.is_zero() {
            return;
        }
        let mut shard = self.shard(key.hash());
        if shard.resting.len() >= MAX_RESTING {
            shard.resting.retain(|_, until| now < *until);
        }
        // With that many failing at once, the rest are tried again sooner.
        if shard.resting.len() < MAX_RESTING {
            shard.resting.insert(key.hash(), now.plus(pause));
        }
    }

    /// Whether the loader of this key is to be left alone.
    pub(super) fn is_resting(&self, key: &StoreKey<'_>, now: Timestamp) -> bool {
        self.shard(key.hash()).resting.get(&key.hash()).is_some_and(|until| now < *until)
    }

    /// Begins a write of this key: a load that began before, or begins until the guard is dropped, does not
    /// store its value, and who comes after that begins a new one. If a value is just being stored, waits
    /// until that is over.
    pub(super) async fn write(&self, key: &StoreKey<'_>) -> Writing<'_, T> {
        let hash = key.hash();
        let storing = {
            let mut shard = self.shard(hash);
            *shard.writers.entry(hash).or_default() += 1;
            shard.overtake(|key, _| key.hash() == hash)
        };
        // Made before anything is waited for, so that a caller who goes away leaves nothing behind.
        let writing = Writing { flights: self, hash };
        for flight in storing {
            stored(&flight).await;
        }
        writing
    }

    /// Sees to it that no load that is in progress stores its value under this tag; without one, none whatever its key
    /// and tags.
    pub(super) async fn overtake_all(&self, tag: Option<&str>) {
        let is_meant = |_: &OwnedStoreKey, flight: &Flight<T>| tag.is_none_or(|tag| flight.labels.have(tag));
        let storing: Vec<_> = self.shards.iter().flat_map(|shard| lock(shard).overtake(is_meant)).collect();
        for flight in storing {
            stored(&flight).await;
        }
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<T>> {
        // The low bits choose the bucket within the map.
        lock(&self.shards[(hash >> 60) as usize % SHARDS])
    }
}

/// Waits until a load that is storing its value has ended.
async fn stored<T>(flight: &Flight<T>) {
    // The store has a deadline, so this ends; a load that vanished counts as ended.
    let _ = flight.outcome.subscribe().wait_for(Option::is_some).await;
}

fn lock<T>(shard: &Mutex<Shard<T>>) -> MutexGuard<'_, Shard<T>> {
    // Nothing in here can panic half-way through a change.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
