//! Loads and writes that meet in every order there is, by loom. The store and the database behind it are a mutex each; what
//! is tried is the protocol of [`Flights`], step by step as a load and a write go through it.

use loom::{
    future::block_on,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};
use tokio::time::Instant;

use super::{End, Flights, Joined};
use crate::{
    engine::{budget::Budget, waits::Node},
    key::{Key, Namespace, StoreKey},
};

struct World {
    flights: Flights<usize>,
    /// What the writers have committed.
    database: AtomicUsize,
    /// What the store has.
    store: Mutex<Option<usize>>,
    loads: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            flights: Flights::default(),
            database: AtomicUsize::new(0),
            store: Mutex::new(None),
            loads: AtomicUsize::new(0),
        })
    }

    fn stored(&self) -> Option<usize> {
        *self.store.lock().unwrap()
    }

    fn store(&self, value: Option<usize>) {
        *self.store.lock().unwrap() = value;
    }

    /// `get_or_load`: the value. With `fresh`, whatever is there.
    fn load(&self, fresh: bool) -> usize {
        with_key(|key| {
            let arrival = self.flights.arrive(key, Instant::now());
            if let (Some(value), false) = (self.stored(), fresh) {
                return value;
            }
            match self.flights.join(key, &arrival, fresh, &[], Node::new) {
                Joined::Waiter(flight) => match block_on(flight.landed()) {
                    End::Outcome(value) => value,
                    End::Vanished => unreachable!("no model has a load that vanishes"),
                },
                Joined::Leader { flight, look_again } => {
                    let again = if look_again && !fresh { self.stored() } else { None };
                    let value = again.unwrap_or_else(|| {
                        self.loads.fetch_add(1, SeqCst);
                        let value = self.database.load(SeqCst);
                        flight.make(value, true);
                        block_on(flight.older_landed());
                        // In this process, who removes the key fences its flight: the claim is what counts.
                        if flight.may_store() {
                            self.store(Some(value));
                        }
                        value
                    });
                    self.flights.land(&flight, End::Outcome(value));
                    value
                }
            }
        })
    }

    fn get_or_load(&self) -> usize {
        self.load(false)
    }

    /// Does this to the store as a write of the key.
    fn write<R>(&self, what: impl FnOnce() -> R) -> R {
        with_key(|key| {
            let writing = block_on(self.flights.write(std::slice::from_ref(key), Budget::start(None)));
            let result = what();
            drop(writing);
            result
        })
    }

    /// Commits, then deletes the key.
    fn commit(&self, value: usize) {
        self.database.store(value, SeqCst);
        self.write(|| self.store(None));
    }

    /// Writes the key if there is nothing under it.
    fn add(&self, value: usize) -> bool {
        self.write(|| {
            let mut store = self.store.lock().unwrap();
            let is_free = store.is_none();
            if is_free {
                *store = Some(value);
            }
            is_free
        })
    }
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

/// A load that found nothing before the add, and began its flight after the add was over, once replaced what was added.
#[test]
fn what_was_added_stays() {
    loom::model(|| {
        let world = World::new();
        let loading = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.get_or_load())
        };
        let added = world.add(7);
        loading.join().unwrap();
        if added {
            assert_eq!(world.stored(), Some(7));
        }
    });
}

/// Whoever takes nothing of what is there supersedes a load that began before: its value does not come afterwards.
#[test]
fn what_is_fresh_is_not_replaced_by_what_is_older() {
    loom::model(|| {
        let world = World::new();
        let loading = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.get_or_load())
        };
        world.database.store(1, SeqCst);
        let fresh = world.load(true);
        loading.join().unwrap();
        assert_eq!(fresh, 1);
        assert_eq!(world.stored(), Some(1));
    });
}

/// A load that joins nobody supersedes one that is just storing its value, which then stood in no table: a writer who fenced
/// the newer one once did not wait for the older.
#[test]
fn a_writer_waits_for_what_is_stored_behind_a_newer_load() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let world = World::new();
        let others: Vec<_> = [false, true]
            .into_iter()
            .map(|fresh| {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    let _ = world.load(fresh);
                })
            })
            .collect();
        world.commit(1);
        assert_ne!(world.stored(), Some(0), "after the delete has returned");
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_ne!(world.stored(), Some(0), "after the loads have ended");
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
