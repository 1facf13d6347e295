//! The versions of tags and namespaces whose entries only this process sees.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use crate::{
    key::OwnedStoreKey,
    random,
    sync::{AtomicU64, Mutex, MutexGuard},
};

/// From how many tags and namespaces on those are forgotten that no entry has. What it bounds is memory.
const ENOUGH: usize = 65_536;

/// The versions of tags and namespaces, in this process. An in-process backend holds one beside its entries.
///
/// Invalidating gives a tag a new version; an entry remembers the versions it was written under and is dead
/// when one of them is another now. There is no clock in it and no list of the entries of a tag: an entry knows the places
/// where its versions stand, so that checking it is a comparison for each. Places that no entry has are forgotten when
/// there are more than 65 536 in all, by raising the version that everything has which was never invalidated: that can
/// bring nothing back.
#[derive(Debug)]
pub struct Versions {
    /// Distinguishes this from every other in the process.
    identity: u64,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    next: u64,
    /// Nothing is invalidated any more.
    sealed: bool,
    /// The version of everything that has no place.
    floor: u64,
    places: HashMap<OwnedStoreKey, Arc<Place>>,
    /// At how many places it is looked which can go.
    limit: usize,
}

/// The current version of one tag or namespace, and from which older ones on its entries are not dead but stale.
#[derive(Debug)]
pub(crate) struct Place {
    version: AtomicU64,
    /// Entries written under a version from here on, below the current one, are stale: they were expired, not invalidated.
    stale_from: AtomicU64,
}

/// Whether what was written under some versions still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// As it was written.
    Stands,
    /// It counts as stale from some moment on.
    Stale,
    /// It was invalidated.
    Dead,
}

impl Place {
    fn new(version: u64) -> Arc<Self> {
        Arc::new(Self { version: AtomicU64::new(version), stale_from: AtomicU64::new(version) })
    }

    #[inline]
    fn standing(&self, stamped: u64) -> Standing {
        // Whoever invalidates writes both under a lock, the version first; whoever reads one value of an invalidation and
        // not yet the other does so while it is still going on.
        let version = self.version.load(Ordering::Relaxed);
        if version == stamped { Standing::Stands } else { self.older(stamped, version) }
    }

    #[cold]
    fn older(&self, stamped: u64, version: u64) -> Standing {
        let stale_from = self.stale_from.load(Ordering::Acquire);
        // Versions are given in order from a random start, and never half of all numbers.
        let is_between =
            stamped.wrapping_sub(stale_from) < 1 << 63 && version.wrapping_sub(stamped) < 1 << 63;
        if is_between { Standing::Stale } else { Standing::Dead }
    }
}

/// The places of an entry's stamps, in their order.
pub(crate) struct Watch {
    of: u64,
    places: Box<[Arc<Place>]>,
}

impl Watch {
    /// How what was written under these versions, whose places they are, stands now; `None` if they are not places of the
    /// [`Versions`] of this [identity](Versions::identity).
    #[inline]
    pub(crate) fn standing(&self, versions: u64, stamped: impl Iterator<Item = u64>) -> Option<Standing> {
        if self.of != versions {
            return None;
        }
        let mut worst = Standing::Stands;
        for (place, stamped) in self.places.iter().zip(stamped) {
            worst = worst.max(place.standing(stamped));
        }
        Some(worst)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("places", &self.places.len()).finish_non_exhaustive()
    }
}

impl Default for Versions {
    fn default() -> Self {
        let floor = random::unique();
        let table = Table {
            next: floor.wrapping_add(1),
            sealed: false,
            floor,
            places: HashMap::new(),
            limit: ENOUGH,
        };
        Self { identity: random::unique(), table: Mutex::new(table) }
    }
}

impl Table {
    fn place(&mut self, key: OwnedStoreKey) -> Arc<Place> {
        if let Some(place) = self.places.get(&key) {
            return Arc::clone(place);
        }
        if self.places.len() >= self.limit {
            self.forget();
        }
        let place = Place::new(self.floor);
        self.places.insert(key, Arc::clone(&place));
        place
    }

    /// Forgets the places that no entry has.
    fn forget(&mut self) {
        self.places.retain(|_, place| Arc::strong_count(place) > 1);
        // An entry of one that is forgotten, if it is just being made, finds another version than its own.
        self.floor = self.next;
        self.next = self.next.wrapping_add(1);
        self.limit = ENOUGH.max(self.places.len() * 2);
    }
}

impl Versions {
    /// Versions of things none of which was invalidated yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Distinguishes this from every other in the process.
    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }

    /// The current version of a tag or namespace.
    pub(crate) fn get(&self, key: &OwnedStoreKey) -> u64 {
        let table = self.lock();
        table.places.get(key).map_or(table.floor, |place| place.version.load(Ordering::Relaxed))
    }

    /// The places of these.
    pub(crate) fn watch(&self, keys: impl IntoIterator<Item = OwnedStoreKey>) -> Watch {
        let mut table = self.lock();
        let places = keys.into_iter().map(|key| table.place(key)).collect();
        Watch { of: self.identity, places }
    }

    /// A mark in time, for [`is_since`](Self::is_since).
    pub(crate) fn mark(&self) -> u64 {
        self.lock().next
    }

    /// Whether this version was given after the mark was taken.
    pub(crate) fn is_since(version: u64, mark: u64) -> bool {
        version.wrapping_sub(mark) < 1 << 63
    }

    /// Refuses all invalidations from now on, for a store that is closed: an invalidation that succeeded took place before
    /// this returned.
    pub fn seal(&self) {
        self.lock().sealed = true;
    }

    /// Gives it a new version. What was written under an older one is dead or, when `softly`, stale. `false` once these are
    /// [sealed](Self::seal).
    #[must_use]
    pub(crate) fn bump(&self, key: OwnedStoreKey, softly: bool) -> bool {
        let mut table = self.lock();
        if table.sealed {
            return false;
        }
        let version = table.next;
        table.next = version.wrapping_add(1);
        let place = table.place(key);
        place.version.store(version, Ordering::Relaxed);
        if !softly {
            place.stale_from.store(version, Ordering::Release);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing in here can panic half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, larder_loom))]
mod models {
    //! An invalidation and whoever looks meanwhile, in every order there is.

    use loom::{sync::Arc, thread};

    use super::*;
    use crate::key::{Key, Namespace, StoreKey};

    fn key() -> OwnedStoreKey {
        let namespace = Namespace::new("n", 0).unwrap();
        StoreKey::new(&namespace, &Key::new("k")).into_owned()
    }

    fn standing(versions: &Versions, watch: &Watch, stamped: u64) -> Option<Standing> {
        watch.standing(versions.identity(), [stamped].into_iter())
    }

    /// Whoever looks while something is invalidated sees it as it was, or stale, or dead; and afterwards nothing but dead.
    #[test]
    fn what_was_invalidated_is_dead_when_that_is_over() {
        loom::model(|| {
            let versions = Arc::new(Versions::new());
            let watch = versions.watch([key()]);
            let before = versions.get(&key());
            let looking = {
                let versions = Arc::clone(&versions);
                let watch = versions.watch([key()]);
                thread::spawn(move || standing(&versions, &watch, before))
            };
            assert!(versions.bump(key(), false));
            assert_eq!(standing(&versions, &watch, before), Some(Standing::Dead));
            looking.join().unwrap();
            let after = versions.get(&key());
            assert_eq!(standing(&versions, &watch, after), Some(Standing::Stands));
        });
    }

    /// A value whose stamps were taken before an invalidation is dead after it, a soft one at the same time or not.
    #[test]
    fn a_soft_invalidation_revives_nothing() {
        loom::model(|| {
            let versions = Arc::new(Versions::new());
            let watch = versions.watch([key()]);
            let before = versions.get(&key());
            let softly = {
                let versions = Arc::clone(&versions);
                thread::spawn(move || assert!(versions.bump(key(), true)))
            };
            assert!(versions.bump(key(), false));
            assert_eq!(standing(&versions, &watch, before), Some(Standing::Dead));
            softly.join().unwrap();
            assert_eq!(standing(&versions, &watch, before), Some(Standing::Dead));
        });
    }
}

#[cfg(test)]
#[cfg(not(larder_loom))]
mod tests {
    use super::*;
    use crate::key::{Key, Namespace, StoreKey};

    fn key(name: &str) -> OwnedStoreKey {
        let namespace = Namespace::new("n", 0).unwrap();
        StoreKey::new(&namespace, &Key::new(name)).into_owned()
    }

    fn standing(versions: &Versions, watch: &Watch, stamped: u64) -> Option<Standing> {
        watch.standing(versions.identity(), [stamped].into_iter())
    }

    #[test]
    fn forgetting_revives_nothing_and_keeps_what_entries_have() {
        let versions = Versions::new();
        let never_invalidated = versions.get(&key("quiet"));
        assert!(versions.bump(key("loud"), false));
        let loud = versions.get(&key("loud"));
        let held = versions.watch([key("held")]);
        let stamped = versions.get(&key("held"));
        for n in 0..ENOUGH {
            assert!(versions.bump(key(&format!("t{n}")), false));
        }
        assert_ne!(versions.get(&key("quiet")), never_invalidated);
        assert_ne!(versions.get(&key("loud")), loud);
        assert_eq!(standing(&versions, &held, stamped), Some(Standing::Stands));
        assert!(versions.lock().places.len() <= ENOUGH);
        assert!(versions.bump(key("held"), false));
        assert_eq!(standing(&versions, &held, stamped), Some(Standing::Dead));
    }

    #[test]
    fn places_of_another_table_say_nothing() {
        let (versions, others) = (Versions::new(), Versions::new());
        let watch = others.watch([key("k")]);
        assert_eq!(standing(&versions, &watch, 0), None);
    }

    #[test]
    fn what_was_expired_is_stale_until_it_is_invalidated() {
        let versions = Versions::new();
        let watch = versions.watch([key("k")]);
        let first = versions.get(&key("k"));
        assert!(versions.bump(key("k"), true));
        let second = versions.get(&key("k"));
        assert!(versions.bump(key("k"), true));
        let standing = |stamped| standing(&versions, &watch, stamped).unwrap();
        assert_eq!((standing(first), standing(second)), (Standing::Stale, Standing::Stale));
        assert!(versions.bump(key("k"), false));
        assert_eq!((standing(first), standing(second)), (Standing::Dead, Standing::Dead));
        let third = versions.get(&key("k"));
        assert!(versions.bump(key("k"), true));
        assert_eq!((standing(second), standing(third)), (Standing::Dead, Standing::Stale));
    }

    #[test]
    fn a_mark_tells_what_was_invalidated_since() {
        let versions = Versions::new();
        assert!(versions.bump(key("before"), false));
        let mark = versions.mark();
        assert!(versions.bump(key("after"), false));
        let is_since = |name| Versions::is_since(versions.get(&key(name)), mark);
        assert!(!is_since("before") && !is_since("never") && is_since("after"));
        for n in 0..ENOUGH {
            assert!(versions.bump(key(&format!("t{n}")), false));
        }
        // Forgotten: perhaps, so yes.
        assert!(is_since("never"));
    }
}
