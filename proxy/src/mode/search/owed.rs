//! Invalidations that a store has failed at. What depends on them is not cached until they are made up for.
//!
//! All routes on one cache owe the same, whichever configuration they are of: whoever serves what is stored there has to know.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use larder::{Cache, cache::Value};

use super::generations::EVERYTHING;
use crate::counters::Counters;

/// More are kept as one for everything.
const MOST: usize = 1024;
/// How long nobody tries after one that has failed.
const PAUSE: Duration = Duration::from_millis(500);

/// What is owed to each cache, by its name and the namespace of its keys. It outlives configurations.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    all: Mutex<BTreeMap<Place, Arc<Owed>>>,
    eras: AtomicU64,
}

/// The name of a cache, and the namespace of its keys.
type Place = (String, String);

impl Debts {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Place, Arc<Owed>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for stores that were made anew.
    pub(crate) fn new_era(&self) -> u64 {
        self.eras.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What is owed to this one, whose store is of this era.
    pub(crate) fn of<T: Value>(&self, cache: &Cache<T>, era: u64, counters: &Arc<Counters>) -> Account {
        let new = || {
            let (counters, era) = (Arc::clone(counters), AtomicU64::new(era));
            Arc::new(Owed { counters, era, state: Mutex::default() })
        };
        let owed = Arc::clone(self.all().entry(place(cache)).or_insert_with(new));
        Account { owed, era }
    }

    /// From now on stores of this era are used. What is owed to caches that nobody uses any more is owed to those that are used: they
    /// may have another name alone.
    pub(crate) fn hand_over(&self, used: &[Arc<Owed>], era: u64) {
        used.iter().for_each(|used| used.era.store(era, Ordering::Relaxed));
        for owed in self.all().values() {
            if used.is_empty() || used.iter().any(|used| Arc::ptr_eq(used, owed)) {
                continue;
            }
            for debt in owed.all() {
                used.iter().for_each(|used| used.add(&debt.tag));
                owed.remove(&debt);
            }
        }
    }
}

fn place<T: Value>(cache: &Cache<T>) -> Place {
    (cache.name().to_owned(), cache.namespace().text().to_owned())
}

/// What a route owes to its cache.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) owed: Arc<Owed>,
    era: u64,
}

impl Account {
    /// Whether the store was made by a reload, so that marks that others had are not in it.
    pub(super) fn is_of_a_reload(&self) -> bool {
        self.era > 1
    }

    /// Whether the cache has another store by now, as after a reload: what is ended in this one has to be ended there as well, and
    /// whoever uses that one makes up for it.
    pub(super) fn is_superseded(&self) -> bool {
        self.owed.era.load(Ordering::Relaxed) != self.era
    }
}

/// Tags of generations that are to be ended.
#[derive(Debug)]
pub(crate) struct Owed {
    counters: Arc<Counters>,
    /// Of the store that is used now.
    era: AtomicU64,
    state: Mutex<State>,
}

/// A debt. One that is made anew while somebody makes up for it is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Debt {
    pub(super) tag: String,
    number: u64,
}

#[derive(Debug, Default)]
struct State {
    /// With the number of the latest debt.
    tags: BTreeMap<String, u64>,
    made: u64,
    tried: Option<Instant>,
}

impl Owed {
    /// Changes it, and says how many there are.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let before = state.tags.len();
        let changed = change(&mut state);
        self.counters.invalidations_owed.moved(before as u64, state.tags.len() as u64);
        changed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This one could not be ended.
    pub(super) fn add(&self, tag: &str) {
        self.change(|state| {
            state.made += 1;
            let number = state.made;
            state.tags.insert(tag.to_owned(), number);
            if state.tags.len() > MOST {
                state.tags = BTreeMap::from([(EVERYTHING.to_owned(), number)]);
            }
            state.tried = Some(Instant::now());
        });
    }

    /// This debt was made up for.
    pub(super) fn remove(&self, debt: &Debt) {
        self.change(|state| {
            if state.tags.get(&debt.tag) == Some(&debt.number) {
                state.tags.remove(&debt.tag);
            }
        });
    }

    /// Whether some of these are owed.
    pub(super) fn any<'a>(&self, mut tags: impl Iterator<Item = &'a str>) -> bool {
        let state = self.state();
        !state.tags.is_empty() && tags.any(|tag| state.tags.contains_key(tag))
    }

    /// All that are owed.
    pub(super) fn all(&self) -> Vec<Debt> {
        let debt = |(tag, &number): (&String, &u64)| Debt { tag: tag.clone(), number };
        self.state().tags.iter().map(debt).collect()
    }

    /// Whether it is time to try again; then for nobody else for a while.
    pub(super) fn turn(&self) -> bool {
        let mut state = self.state();
        let is_time = state.tried.is_none_or(|tried| tried.elapsed() >= PAUSE);
        if is_time {
            state.tried = Some(Instant::now());
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use larder::backend::NullBackend;

    use super::*;

    fn cache(namespace: &str) -> Cache<String> {
        Cache::builder(NullBackend::new()).namespace(namespace).build().unwrap()
    }

    fn owed() -> (Arc<Owed>, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        (Debts::default().of(&cache("search"), 1, &counters).owed, counters)
    }

    #[test]
    fn bounded() {
        let (owed, counters) = owed();
        assert!(!owed.any(["w"].into_iter()) && owed.turn() && !owed.turn());
        owed.add("w");
        owed.add("i:a");
        assert!(owed.any(["i:a", "i:b"].into_iter()) && !owed.any(["i:b"].into_iter()));
        owed.remove(&owed.all()[0]);
        assert_eq!(counters.invalidations_owed.get(), 1);
        (0..2 * MOST).for_each(|number| owed.add(&number.to_string()));
        assert!(owed.all().len() <= MOST && owed.any([EVERYTHING].into_iter()));
        assert_eq!(counters.invalidations_owed.get(), owed.all().len() as u64);
    }

    #[test]
    fn a_debt_that_is_made_while_another_is_made_up_for_stays() {
        let (owed, _) = owed();
        owed.add("w");
        let before = owed.all();
        owed.add("w");
        owed.remove(&before[0]);
        assert!(owed.any(["w"].into_iter()));
        owed.remove(&owed.all()[0]);
        assert!(!owed.any(["w"].into_iter()));
    }

    #[test]
    fn what_is_owed_to_one_cache_is_owed_by_all_who_use_it() {
        let (debts, counters) = (Debts::default(), Arc::new(Counters::default()));
        debts.of(&cache("a"), 1, &counters).owed.add("w");
        debts.of(&cache("b"), 1, &counters).owed.add("w");
        assert_eq!(counters.invalidations_owed.get(), 2);
        let again = debts.of(&cache("a"), 1, &counters).owed;
        assert!(again.any(["w"].into_iter()));
        again.remove(&again.all()[0]);
        assert_eq!(counters.invalidations_owed.get(), 1);
        // The other has got another name.
        debts.hand_over(&[Arc::clone(&again)], 1);
        assert!(again.any(["w"].into_iter()));
        assert_eq!(counters.invalidations_owed.get(), 1);
    }
}
