//! Entries, their lives and the conditions of writes: what the backend promises, without the trait.

mod count;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use larder_core::{
    Clock, Entry, Miss,
    backend::{Condition, Lookup, Written},
    clock::Timestamp,
    entry::Lifetime,
    error::{Error, ErrorKind, Operation, Result},
    key::{OwnedStoreKey, StoreKey},
};

use crate::{
    bound::Bound,
    map::{Map, Slot},
    stripes::Stripes,
    sweeper::Sweep,
};

/// Entries, each with its life.
pub(crate) struct Table {
    map: Map,
    clock: Clock,
    bound: Bound,
    /// The heaviest entry that fits.
    largest: u32,
    writers: Stripes,
    /// No entry expires before this moment, in milliseconds since 1970: until then there is nothing to sweep.
    earliest: AtomicU64,
}

impl Table {
    pub(crate) fn new(bound: Bound, clock: Clock) -> Self {
        let (map, writers) = (Map::new(bound), Stripes::default());
        Self { largest: map.largest(), map, clock, bound, writers, earliest: AtomicU64::new(u64::MAX) }
    }

    /// How many entries there are, expired ones that are not swept yet included.
    pub(crate) fn len(&self) -> u64 {
        self.map.len()
    }

    /// What they count together, in the unit of the bound.
    pub(crate) fn weight(&self) -> u64 {
        self.map.weight()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    #[inline]
    pub(crate) fn get(&self, key: &StoreKey<'_>) -> Lookup {
        match self.map.get(key) {
            Some(slot) if slot.entry.is_live(self.clock.now()) => Lookup::Hit(slot.entry),
            // Left where it is: removing would make readers wait for each other, and the sweeper comes anyway.
            Some(_) => Lookup::Miss(Miss::Expired),
            None => Lookup::Miss(Miss::Absent),
        }
    }

    pub(crate) fn set(&self, key: &StoreKey<'_>, entry: &Entry, condition: Condition) -> Result<Written> {
        let entry = entry.known_by_revision();
        let (written, expires) = (Written::when(true, &entry), entry.meta().lifetime.expires);
        let weight = self.bound.weigh(key, &entry);
        let owned = key.to_owned();
        // Declared before the lock, hence dropped after it: a value's `Drop` is the program's own code.
        let mut gone = Gone::default();
        let found;
        let writing = self.writers.lock(key.hash());
        let now = self.clock.now();
        if condition != Condition::Always {
            found = self.map.get(key);
            let live = found.as_ref().map(|slot| &slot.entry).filter(|entry| entry.is_live(now));
            if !condition.holds(live) {
                return Ok(Written::No);
            }
        }
        let Some(weight) = u32::try_from(weight).ok().filter(|&weight| weight <= self.largest) else {
            if condition == Condition::Always {
                gone.keep(self.map.remove(key));
            }
            return Err(self.too_large(Operation::Set, weight));
        };
        if now < expires {
            self.map.insert(owned, Slot { entry, weight });
            self.expect(expires);
        } else {
            // Over before it began, as what is copied from another store may be.
            gone.keep(self.map.remove(key));
        }
        drop(writing);
        self.map.book_if_due();
        Ok(written)
    }

    pub(crate) fn touch(&self, key: &StoreKey<'_>, lifetime: Lifetime, condition: Condition) -> bool {
        let owned = key.to_owned();
        let found;
        let _writing = self.writers.lock(key.hash());
        found = self.map.get(key);
        let Some(Slot { entry, weight }) = &found else { return false };
        if !entry.is_live(self.clock.now()) || !condition.holds(Some(entry)) {
            return false;
        }
        self.map.insert(owned, Slot { entry: entry.with_lifetime(lifetime), weight: *weight });
        self.expect(lifetime.expires);
        true
    }

    pub(crate) fn delete(&self, key: &StoreKey<'_>, condition: Condition) -> bool {
        let (found, gone);
        let _writing = self.writers.lock(key.hash());
        let now = self.clock.now();
        if condition != Condition::Always {
            found = self.map.get(key);
            let live = found.as_ref().map(|slot| &slot.entry).filter(|entry| entry.is_live(now));
            if live.is_none() || !condition.holds(live) {
                return false;
            }
        }
        gone = self.map.remove(key);
        gone.as_ref().is_some_and(|slot| slot.entry.is_live(now))
    }

    fn remove_dead(&self, key: &OwnedStoreKey, now: Timestamp) {
        let mut gone = Gone::default();
        let found;
        let _writing = self.writers.lock(key.hash());
        found = self.map.get_owned(key);
        // Somebody may have written the key since it was seen.
        if found.as_ref().is_some_and(|slot| !slot.entry.is_live(now)) {
            gone.keep(self.map.remove_owned(key));
        }
    }

    /// Notes that an entry which is in the map by now expires at this moment.
    ///
    /// A sweep forgets the earliest moment *before* it walks. So an entry that it has not seen was written
    /// after that, under a lock that the sweep had held, and the moment is noted after the forgetting.
    fn expect(&self, expires: Timestamp) {
        let expires = expires.as_millis();
        if expires < self.earliest.load(Ordering::Relaxed) {
            self.earliest.fetch_min(expires, Ordering::AcqRel);
        }
    }

    fn too_large(&self, operation: Operation, weight: u64) -> Error {
        let message = format!("the entry takes {weight} bytes; this store keeps at most {}", self.largest);
        Error::new(ErrorKind::TooLarge, operation, message)
    }
}

/// What left the map, to be dropped where no lock is held.
#[derive(Default)]
struct Gone {
    slot: Option<Slot>,
}

impl Gone {
    fn keep(&mut self, slot: Option<Slot>) {
        self.slot = slot;
    }
}

/// How full it is; never what is in it.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("bound", &self.bound)
            .field("entries", &self.len())
            .field("weight", &self.weight())
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Sweep for Table {
    /// Walks through all entries, one at a time, without locking them; a key's writers wait for one removal.
    fn sweep(&self) {
        let now = self.clock.now();
        if now.as_millis() >= self.earliest.load(Ordering::Relaxed) {
            self.earliest.swap(u64::MAX, Ordering::AcqRel);
            let mut next = Timestamp::NEVER;
            for (key, slot) in self.map.iter() {
                if slot.entry.is_live(now) {
                    next = next.min(slot.entry.meta().lifetime.expires);
                } else {
                    drop(slot);
                    self.remove_dead(&key, now);
                }
            }
            self.expect(next);
        }
        // What the last writes evicted is still in memory as well, if nobody has come since.
        self.map.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use larder_core::{
        Key,
        entry::{Body, Meta},
        key::Namespace,
    };

    use super::*;

    fn entry(clock: &Clock, expires: Timestamp) -> Entry {
        let bytes = bytes::Bytes::from_static(b"value");
        let body = Body::raw(bytes, 0);
        Entry::from_body(body, Meta::new(clock.now(), Lifetime::until(expires)))
    }

    #[test]
    fn a_sweep_frees_what_is_over_and_nothing_that_is_written_meanwhile() {
        const ENTRIES: u32 = 100_000;
        let clock = Clock::manual();
        let table = Table::new(Bound::Entries(1 << 20), clock.clone());
        let namespace = Namespace::new("shop/users", 0).unwrap();
        let set = |n: u32, expires: Timestamp| {
            let key = Key::new("user").part(n);
            let key = StoreKey::new(&namespace, &key);
            let _ = table.set(&key, &entry(&clock, expires), Condition::Always).unwrap();
        };
        let is_live = |n: u32| {
            let key = Key::new("user").part(n);
            matches!(table.get(&StoreKey::new(&namespace, &key)), Lookup::Hit(_))
        };

        let minute = clock.now().plus(Duration::from_secs(60));
        (0..ENTRIES).for_each(|n| set(n, if n % 2 == 0 { minute } else { Timestamp::NEVER }));
        table.sweep();
        assert_eq!(table.len(), u64::from(ENTRIES), "nothing is over yet");

        clock.advance(Duration::from_secs(60));
        let next = minute.plus(Duration::from_secs(60));
        thread::scope(|scope| {
            scope.spawn(|| (0..ENTRIES).step_by(4).for_each(|n| set(n, next)));
            let begun = Instant::now();
            table.sweep();
            println!("{ENTRIES} entries, half of them expired: {:?}", begun.elapsed());
        });
        assert_eq!(table.len(), u64::from(ENTRIES / 4 * 3));
        assert!((0..ENTRIES).all(|n| is_live(n) == (n % 4 != 2)));

        // What was written during the sweep was not forgotten by it.
        clock.advance(Duration::from_secs(60));
        let begun = Instant::now();
        table.sweep();
        println!("{} entries, a third of them expired: {:?}", ENTRIES / 4 * 3, begun.elapsed());
        assert_eq!(table.len(), u64::from(ENTRIES / 2));

        set(0, next.plus(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        let begun = Instant::now();
        table.sweep();
        println!("{} entries, one of them expired: {:?}", ENTRIES / 2 + 1, begun.elapsed());
        let begun = Instant::now();
        table.sweep();
        println!("nothing due: {:?}", begun.elapsed());
        assert_eq!(table.len(), u64::from(ENTRIES / 2));
    }
}
