//! Entries, their TTLs and the conditions of writes: what the backend promises, without the trait.

mod carry;
mod count;
mod sweep;

use std::{
    fmt,
    sync::{
        MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use larder_core::{
    Clock, Entry, Miss,
    backend::{Bound, Cause, Condition, Lookup, SetOptions, TouchOptions, Usage, Written},
    clock::Timestamp,
    error::{Error, ErrorKind, Operation, Result},
    key::{OwnedStoreKey, StoreKey},
};

use crate::{
    gone::Gone, heat::Heat, key::Borrowed, map::Map, observers::Observers, slot::Slot, stripes::Stripes,
    weigh::weigh,
};

/// Entries, each with its TTL.
pub(crate) struct Table<M> {
    map: M,
    /// Nobody sets it. Entries end by it alone, whatever their writer's clock says.
    clock: Clock,
    /// By which moments are written that come from elsewhere.
    wall: Clock,
    bound: Bound,
    /// The heaviest entry that fits.
    largest: u64,
    writers: Stripes,
    /// No entry expires before this moment, in milliseconds: until then there is nothing to sweep.
    earliest: AtomicU64,
    closed: AtomicBool,
    pub(crate) observers: Observers,
    /// How much keys are used, if somebody will want to know.
    heat: Option<Heat>,
}

impl<M: Map> Table<M> {
    pub(crate) fn new(bound: Bound, clock: &Clock, heat: Option<Heat>) -> Self {
        let map = M::new(bound);
        Self {
            largest: map.largest(),
            map,
            clock: clock.steady(),
            wall: clock.clone(),
            bound,
            writers: Stripes::default(),
            earliest: AtomicU64::new(u64::MAX),
            closed: AtomicBool::new(false),
            observers: Observers::default(),
            heat,
        }
    }

    /// How full it is.
    pub(crate) fn usage(&self) -> Usage {
        Usage::new(self.map.len(), self.map.weight(), self.bound)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Ends its use: whoever writes afterwards fails. When this returns, every write that has succeeded is in the map.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.writers.wait_for_all();
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn open(&self, operation: Operation) -> Result<()> {
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, operation, "the store was closed"));
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn get(&self, key: &StoreKey<'_>) -> Lookup {
        match self.map.get(&Borrowed(key)) {
            Some(slot) if slot.ends == Timestamp::NEVER || slot.is_live(self.clock.now()) => {
                if let Some(heat) = &self.heat {
                    heat.warm(key.seeded_hash());
                }
                Lookup::Hit(slot.entry)
            }
            // Left where it is: removing would make readers wait for each other, and the sweeper comes anyway.
            Some(_) => Lookup::Miss(Miss::Expired),
            None => Lookup::Miss(Miss::Absent),
        }
    }

    pub(crate) fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let entry = entry.known_by_revision();
        let written = Written::when(true, &entry);
        let forms = entry.forms();
        let weight = weigh::<M>(self.bound, key.len(), &entry);
        let owned = key.into_owned();
        // Declared before the lock, hence dropped after it: a value's `Drop` is the program's own code.
        let mut gone = Gone::of_write(key.seeded_hash());
        let (found, removed);
        let writing = self.lock(key, Operation::Set)?;
        let now = self.clock.now();
        if options.condition != Condition::Always {
            found = self.live(key, now);
            if !options.condition.holds(found.as_ref().map(|slot| &slot.entry)) {
                return Ok(Written::No);
            }
        }
        if weight > self.largest {
            if options.condition == Condition::Always {
                removed = self.map.remove(&Borrowed(key));
                drop(writing);
                self.tell_replaced(owned, removed, now);
            }
            return Err(self.too_large(Operation::Set, weight));
        }
        let ends = options.ttl.expires(now);
        if now < ends && !self.is_over(&entry, now) {
            self.map.insert(owned, Slot { entry: entry.clone(), ends, weight }, &mut gone);
            self.expect(ends);
            drop(writing);
        } else {
            // Over before it began, as what is copied from another store may be.
            removed = self.map.remove(&Borrowed(key));
            drop(writing);
            self.tell_replaced(owned, removed, now);
        }
        self.map.written(&mut gone);
        self.observers.tell(&gone, now, true);
        if entry.forms() != forms {
            // It grew while it was written, and whoever made it grow may have come too early.
            self.grew(key);
        }
        Ok(written)
    }

    pub(crate) fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let owned = key.into_owned();
        let mut gone = Gone::of_write(key.seeded_hash());
        let found;
        let writing = self.lock(key, Operation::Touch)?;
        let now = self.clock.now();
        found = self.live(key, now);
        let Some(Slot { entry, weight, .. }) = &found else { return Ok(false) };
        if !options.condition.holds(Some(entry)) {
            return Ok(false);
        }
        let ends = options.ttl.expires(now);
        let slot = Slot { entry: entry.with_lifetime(options.lifetime), ends, weight: *weight };
        // It fails if the entry was evicted just now.
        let touched = self.map.replace(owned, slot, &mut gone);
        self.expect(ends);
        drop(writing);
        self.map.written(&mut gone);
        self.observers.tell(&gone, now, false);
        Ok(touched)
    }

    pub(crate) fn delete(&self, key: &StoreKey<'_>, condition: Condition) -> Result<bool> {
        let (found, removed);
        let _writing = self.lock(key, Operation::Delete)?;
        let now = self.clock.now();
        if condition != Condition::Always {
            found = self.live(key, now);
            let live = found.as_ref().map(|slot| &slot.entry);
            if live.is_none() || !condition.holds(live) {
                return Ok(false);
            }
        }
        removed = self.map.remove(&Borrowed(key));
        Ok(removed.as_ref().is_some_and(|slot| slot.is_live(now)))
    }

    /// Weighs once more what the store holds.
    pub(crate) fn grew(&self, key: &StoreKey<'_>) {
        if matches!(self.bound, Bound::Entries(_)) {
            return;
        }
        while let Some(Slot { entry, weight: weighed, .. }) = self.map.peek(&Borrowed(key)) {
            // Under no lock: weighing runs the program's code.
            let weight = weigh::<M>(self.bound, key.len(), &entry);
            if weight == weighed || self.swap(key, (&entry, &entry), weight) {
                return;
            }
            // Another one by now, or touched.
        }
    }

    /// Holds the second in place of the first, if that is what the store holds.
    pub(crate) fn exchange(&self, key: &StoreKey<'_>, from: &Entry, to: &Entry) {
        if self.map.peek(&Borrowed(key)).is_some_and(|found| found.entry.is(from)) {
            self.swap(key, (from, to), weigh::<M>(self.bound, key.len(), to));
        }
    }

    /// The same, with what the second weighs; evicts it if that is too much. False if another entry is there than the first.
    fn swap(&self, key: &StoreKey<'_>, (from, to): (&Entry, &Entry), weight: u64) -> bool {
        let owned = key.into_owned();
        let mut gone = Gone::of_write(key.seeded_hash());
        let (current, too_heavy);
        let Ok(writing) = self.lock(key, Operation::Touch) else { return true };
        current = self.map.peek(&Borrowed(key));
        let Some(Slot { entry, ends, .. }) = &current else { return true };
        if !entry.is(from) {
            return false;
        }
        if weight > self.largest {
            too_heavy = self.map.remove(&Borrowed(key));
            drop(writing);
            if let Some(slot) = too_heavy {
                gone.push_evicted(owned, slot);
            }
        } else {
            self.map.replace(owned, Slot { entry: to.clone(), ends: *ends, weight }, &mut gone);
            drop(writing);
        }
        self.map.written(&mut gone);
        self.observers.tell(&gone, self.clock.now(), false);
        true
    }

    fn tell_replaced(&self, key: OwnedStoreKey, slot: Option<Slot>, now: Timestamp) {
        if let Some(slot) = slot {
            let mut gone = Gone::default();
            gone.push_as(key, slot, Cause::Replaced);
            self.observers.tell(&gone, now, true);
        }
    }

    fn live(&self, key: &StoreKey<'_>, now: Timestamp) -> Option<Slot> {
        self.map.peek(&Borrowed(key)).filter(|slot| slot.is_live(now))
    }

    /// Keeps other writers of the key away. What a write does under it is done before [`close`](Self::close) returns.
    fn lock(&self, key: &StoreKey<'_>, operation: Operation) -> Result<MutexGuard<'_, ()>> {
        let writing = self.writers.lock(key.seeded_hash());
        self.open(operation)?;
        Ok(writing)
    }

    /// Whether the entry's own TTL is over, by whichever clock its moments are: the two differ once the system's was set.
    fn is_over(&self, entry: &Entry, now: Timestamp) -> bool {
        entry.meta().lifetime.expires <= now.min(self.wall.now())
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

/// How full it is; never what is in it.
impl<M: Map> fmt::Debug for Table<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(M::NAME)
            .field("bound", &self.bound)
            .field("entries", &self.map.len())
            .field("weight", &self.map.weight())
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
