//! Loads and writes that meet in every order there is, by loom. The store and the database behind it are a mutex each; what
//! is tried is the protocol of [`Flights`], step by step as [`load`](crate::cache) and `write` go through it.

use std::collections::HashMap;

use loom::{
    future::block_on,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use super::{Flight, Flights, Joined, Labels};
use crate::key::{Key, Namespace, StoreKey};

struct World {
    flights: Flights<u8>,
    /// What the writers have committed.
    database: AtomicUsize,
    /// What the store has.
    store: Mutex<Option<usize>>,
    loads: AtomicUsize,
    /// What each flight has come to, by its address. (A real outcome holds an entry; here it is empty.)
    outcomes: Mutex<HashMap<usize, usize>>,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            flights: Flights::default(),
            database: AtomicUsize::new(0),
            store: Mutex::new(None),
            loads: AtomicUsize::new(0),
            outcomes: Mutex::new(HashMap::new()),
        })
    }

    fn stored(&self) -> Option<usize> {
        *self.store.lock().unwrap()
    }

    fn store(&self, value: Option<usize>) {
        *self.store.lock().unwrap() = value;
    }

    /// `get_or_load`: the value.
    fn get_or_load(&self) -> usize {
        with_key(|key| {
            let arrival = self.flights.arrive(key, 0);
            if let Some(value) = self.stored() {
                return value;
            }
            match self.flights.join(key, arrival, Labels::default) {
                Joined::Waiter(flight, waiting) => {
                    block_on(waiting.outcome()).unwrap();
                    self.outcomes.lock().unwrap()[&address(&flight)]
                }
                Joined::Leader { flight, look_again } => {
                    let again = if look_again { self.stored() } else { None };
                    let value = again.unwrap_or_else(|| {
                        self.loads.fetch_add(1, SeqCst);
                        let value = self.database.load(SeqCst);
                        // In this process, who removes the key removes its flight: the claim is what counts.
                        if flight.may_store() {
                            self.store(Some(value));
                        }
                        value
                    });
                    self.outcomes.lock().unwrap().insert(address(&flight), value);
                    self.flights.land(&key.to_owned(), &flight, Ok(None));
                    value
                }
            }
        })
    }

    /// Commits, then deletes the key.
    fn commit(&self, value: usize) {
        self.database.store(value, SeqCst);
        with_key(|key| {
            let writing = block_on(self.flights.write(key));
            self.store(None);
            drop(writing);
        });
    }
}

fn address(flight: &std::sync::Arc<Flight<u8>>) -> usize {
    std::sync::Arc::as_ptr(flight) as usize
}

fn with_key<R>(then: impl FnOnce(&StoreKey<'_>) -> R) -> R {
    let namespace = Namespace::new("n", 0).unwrap();
    let key = Key::new("k");
    then(&StoreKey::new(&namespace, &key))
}

#[test]
fn nothing_old_is_stored_after_a_write() {
    loom::model(|| {
        let world = World::new();
        let loading = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.get_or_load())
        };
        world.commit(1);
        assert_ne!(world.stored(), Some(0), "after the delete has returned");
        loading.join().unwrap();
        assert_ne!(world.stored(), Some(0), "after the load has ended");
    });
}

#[test]
fn who_comes_after_a_write_is_given_nothing_old() {
    loom::model(|| {
        let world = World::new();
        let loading = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.get_or_load())
        };
        world.commit(1);
        assert_eq!(world.get_or_load(), 1);
        loading.join().unwrap();
    });
}

/// Of two writers, one once took the flight away from the other before it was overtaken: the other went on, and the load
/// stored its value after that.
#[test]
fn two_writers_and_a_load_leave_nothing_old() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let world = World::new();
        let others: Vec<_> = [true, false]
            .into_iter()
            .map(|loads| {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    if loads {
                        let _ = world.get_or_load();
                    } else {
                        world.commit(2);
                    }
                })
            })
            .collect();
        world.commit(2);
        let seen = world.get_or_load();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(seen, 2);
        assert_ne!(world.stored(), Some(0));
    });
}

#[test]
fn of_two_who_ask_one_loads() {
    loom::model(|| {
        let world = World::new();
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.get_or_load())
        };
        world.get_or_load();
        other.join().unwrap();
        assert_eq!(world.loads.load(SeqCst), 1);
        assert_eq!(world.stored(), Some(0));
    });
}

/// The models can fail: without the claim, what was loaded before the write is stored after it.
#[test]
#[should_panic(expected = "after the load has ended")]
fn without_the_claim_something_old_is_stored() {
    loom::model(|| {
        let world = World::new();
        let loading = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let value = world.database.load(SeqCst);
                world.store(Some(value));
            })
        };
        world.commit(1);
        loading.join().unwrap();
        assert_ne!(world.stored(), Some(0), "after the load has ended");
    });
}
