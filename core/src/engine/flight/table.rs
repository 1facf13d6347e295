//! The flights of one cache, by key, and the writes that supersede them.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use hashbrown::HashTable;
use tokio::time::Instant;

use super::{
    super::{Few, budget::Budget, waits::Node},
    End, FENCED, Flight, LOADING,
};
use crate::{
    entry::Scope,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    sync::{Mutex, MutexGuard},
};

/// Enough that two loads of different keys rarely meet on a lock that is held only for a look into a table.
const SHARDS: usize = if cfg!(larder_loom) { 1 } else { 16 };
/// How many of the latest changes each shard remembers.
const LATEST: usize = 64;

/// The loads of one cache that are in progress.
pub(crate) struct Flights<O> {
    shards: [Mutex<Shard<O>>; SHARDS],
}

struct Shard<O> {
    flights: HashTable<Arc<Flight<O>>>,
    /// How many are writing a key of this hash. That two keys may share a hash costs a value not stored.
    writers: HashMap<u64, usize>,
    /// How many flights have landed here and writes have ended: tells who found nothing in the store and then comes here too
    /// late that the store may have it by now.
    changes: u64,
    /// The hashes of the keys of the latest of them.
    latest: [u64; LATEST],
    /// How many flights have begun here. Numbers and not times: two moments may be the same.
    begun: u64,
}

impl<O> Default for Shard<O> {
    fn default() -> Self {
        Self { flights: HashTable::new(), writers: HashMap::new(), changes: 0, latest: [0; LATEST], begun: 0 }
    }
}

impl<O: Clone> Shard<O> {
    fn changed(&mut self, hash: u64) {
        self.latest[place(self.changes)] = hash;
        self.changes += 1;
    }

    /// Whether the store may have changed for a key of this hash since then.
    fn may_have_changed(&self, hash: u64, since: u64) -> bool {
        let changes = self.changes - since;
        changes > LATEST as u64 || (since..self.changes).any(|change| self.latest[place(change)] == hash)
    }

    /// Sees to it that none of these stores its value, but those that are just doing that: these it gives back, to be
    /// waited for, and leaves them to be found by others who write the same key.
    fn supersede(&mut self, is_meant: impl Fn(&Flight<O>) -> bool) -> Vec<Arc<Flight<O>>> {
        let (mut storing, mut uncovered) = (Vec::new(), Vec::new());
        self.flights.retain(|flight| {
            if !is_meant(flight) {
                return true;
            }
            // Under the lock: another writer who finds the flight gone may rely on its being fenced.
            let is_storing = !flight.fence();
            if is_storing {
                storing.push(Arc::clone(flight));
            } else if let Some(older) = flight.older_unlanded() {
                uncovered.push(older);
            }
            is_storing
        });
        for older in uncovered {
            self.put_back(&older);
            storing.push(older);
        }
        storing
    }

    /// Takes a flight out of the table. One that it had superseded and that is still storing its value takes its place: a
    /// writer has to find it.
    fn remove(&mut self, flight: &Arc<Flight<O>>) {
        if self.forget(flight)
            && let Some(older) = flight.older_unlanded()
        {
            self.put_back(&older);
        }
    }

    /// Takes a flight out of the table, if it is there.
    fn forget(&mut self, flight: &Arc<Flight<O>>) -> bool {
        let found = self.flights.find_entry(flight.hash, |current| Arc::ptr_eq(current, flight));
        found.map(hashbrown::hash_table::OccupiedEntry::remove).is_ok()
    }

    fn put_back(&mut self, flight: &Arc<Flight<O>>) {
        self.flights.insert_unique(flight.hash, Arc::clone(flight), |flight| flight.hash);
    }
}

fn place(change: u64) -> usize {
    // The remainder is below 64.
    usize::try_from(change % LATEST as u64).unwrap_or(0)
}

impl<O> Default for Flights<O> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

/// When somebody began to look for a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    /// How many changes there had been by then.
    changes: u64,
    /// How many flights had begun by then.
    pub(super) flights: u64,
}

/// What [`Flights::join`] found.
pub(crate) enum Joined<O> {
    /// Nobody loads this key: the caller does, and must call [`Flights::land`] whatever happens.
    Leader {
        flight: Arc<Flight<O>>,
        /// Somebody may have stored it since the caller looked into the store.
        look_again: bool,
    },
    /// Somebody does.
    Waiter(Arc<Flight<O>>),
}

impl<O: Clone> Flights<O> {
    /// To be called before looking into the store, for [`join`](Self::join).
    pub(crate) fn arrive(&self, key: &StoreKey<'_>, at: Instant) -> Arrival {
        let shard = self.shard(key.seeded_hash());
        Arrival { at, changes: shard.changes, flights: shard.begun }
    }

    /// Joins the flight of this key, or begins one. With `newer`, one that began before the caller arrived is not joined but
    /// superseded.
    pub(crate) fn join(
        &self,
        key: &StoreKey<'_>,
        arrival: &Arrival,
        newer: bool,
        tags: &[Scope],
        load: impl FnOnce() -> Arc<Node>,
    ) -> Joined<O> {
        let hash = key.seeded_hash();
        let mut shard = self.shard(hash);
        let is_it = |flight: &Arc<Flight<O>>| flight.hash == hash && flight.key == *key.key();
        let mut older = None;
        if let Some(flight) = shard.flights.find(hash, is_it) {
            if !flight.is_over() && (!newer || flight.is_newer_than(arrival)) {
                return Joined::Waiter(Arc::clone(flight));
            }
            let superseded = Arc::clone(flight);
            // If that one had not begun to store, one before it may still be storing.
            older =
                if superseded.fence() { superseded.older_unlanded() } else { Some(Arc::clone(&superseded)) };
            shard.forget(&superseded);
        }
        let state = if shard.writers.contains_key(&hash) { FENCED } else { LOADING };
        shard.begun += 1;
        let flight = Flight::new((key.key(), hash), (state, shard.begun), tags, load(), older);
        shard.flights.insert_unique(hash, Arc::clone(&flight), |flight| flight.hash);
        let look_again = shard.may_have_changed(hash, arrival.changes);
        Joined::Leader { flight, look_again }
    }

    /// Ends a flight. It is removed only if it is still the one of its key, then those who wait are told.
    pub(crate) fn land(&self, flight: &Arc<Flight<O>>, end: End<O>) {
        {
            let mut shard = self.shard(flight.hash);
            shard.changed(flight.hash);
            shard.remove(flight);
        }
        flight.land(end);
    }

    /// Gives a flight up whose task cannot be hoped for any more: it is joined by nobody, and stores nothing.
    pub(crate) fn give_up(&self, flight: &Arc<Flight<O>>) {
        let mut shard = self.shard(flight.hash);
        flight.fence();
        shard.remove(flight);
    }

    /// Begins a write of these keys: a load that began before, or begins until the guard is dropped, does not
    /// store its value, and who comes after that begins a new one. If a value is just being stored, waits
    /// until that is over, as long as the budget allows.
    ///
    /// # Errors
    /// The budget was spent: a value that is being stored may still land after whatever is written now.
    pub(crate) async fn write(&self, keys: &[StoreKey<'_>], budget: Budget) -> Result<Writing<'_, O>> {
        let mut writing = Writing { flights: self, hashes: Few::with_capacity(keys.len()) };
        let mut storing = Vec::new();
        for key in keys {
            let hash = key.seeded_hash();
            let mut shard = self.shard(hash);
            *shard.writers.entry(hash).or_default() += 1;
            storing.extend(shard.supersede(|flight| flight.hash == hash));
            // Noted before anything is waited for, so that a caller who goes away leaves nothing behind.
            writing.hashes.push(hash);
        }
        self.wait_for(storing, budget).await?;
        Ok(writing)
    }

    /// Sees to it that no load that is in progress stores its value under this tag; without one, none whatever its key
    /// and tags.
    pub(crate) async fn supersede_all(&self, tag: Option<&Scope>, budget: Budget) -> Result<()> {
        let is_meant = |flight: &Flight<O>| tag.is_none_or(|tag| flight.tags.contains(tag));
        let storing: Vec<_> = self.shards.iter().flat_map(|shard| lock(shard).supersede(is_meant)).collect();
        self.wait_for(storing, budget).await
    }

    async fn wait_for(&self, storing: Vec<Arc<Flight<O>>>, budget: Budget) -> Result<()> {
        for flight in storing {
            if budget.bound(flight.landed()).await.is_none() {
                let message = "a load that is storing its value did not finish in time";
                return Err(Error::new(ErrorKind::Timeout, Operation::Set, message));
            }
        }
        Ok(())
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<O>> {
        // The low bits choose the bucket within the table.
        lock(&self.shards[(hash >> 60) as usize % SHARDS])
    }
}

/// A write in progress.
pub(crate) struct Writing<'a, O: Clone> {
    flights: &'a Flights<O>,
    hashes: Few<u64>,
}

impl<O: Clone> Drop for Writing<'_, O> {
    fn drop(&mut self) {
        for &hash in &self.hashes {
            let mut shard = self.flights.shard(hash);
            if let Some(writers) = shard.writers.get_mut(&hash) {
                *writers -= 1;
                if *writers == 0 {
                    shard.writers.remove(&hash);
                }
            }
            shard.changed(hash);
            // They began while this write was in progress, and were fenced then.
            shard.supersede(|flight| flight.hash == hash);
        }
    }
}

fn lock<O>(shard: &Mutex<Shard<O>>) -> MutexGuard<'_, Shard<O>> {
    // Nothing in here can panic half-way through a change.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(larder_loom)))]
mod tests {
    use std::{pin::pin, task::Poll};

    use super::*;
    use crate::key::{Key, Namespace};

    /// A load that may not be joined supersedes one that is storing its value; whoever removes the key then waits for that
    /// one, though the newer one has been fenced, or has ended, or was itself superseded.
    #[tokio::test]
    async fn a_writer_waits_for_what_is_stored_behind_a_newer_load() {
        for way in 0..3 {
            let (namespace, key) = (Namespace::new("n", 0).unwrap(), Key::new("k"));
            let key = StoreKey::new(&namespace, &key);
            let flights = Flights::<u32>::default();
            let join = || {
                let arrival = flights.arrive(&key, Instant::now());
                match flights.join(&key, &arrival, true, &[], Node::new) {
                    Joined::Leader { flight, .. } => flight,
                    Joined::Waiter(_) => panic!("nobody joins it"),
                }
            };
            let storing = join();
            assert!(storing.may_store());
            let newer = join();
            match way {
                0 => {}
                1 => flights.land(&newer, End::Outcome(2)),
                _ => drop(join()),
            }
            for _ in 0..2 {
                let mut write = pin!(flights.write(std::slice::from_ref(&key), Budget::start(None)));
                let polled = std::future::poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx).is_ready())).await;
                assert!(!polled, "{way}: what is being stored would come after it");
            }
            flights.land(&storing, End::Outcome(1));
            flights.write(std::slice::from_ref(&key), Budget::start(None)).await.unwrap();
        }
    }
}
