//! The map underneath: `moka` with weights that never change, kept within its bound.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use larder_core::{
    Entry,
    key::{OwnedStoreKey, StoreKey},
};
use moka::sync::Cache;

use crate::{
    bound::Bound,
    key::{Borrowed, KeepHash},
};

/// Steps of [`Map::settle`]. Each frees up to 512 entries.
const SETTLING: usize = 128;

/// What the map keeps under a key.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) entry: Entry,
    /// What the entry counted when it was written: the map's sums go wrong if this changes.
    pub(crate) weight: u32,
}

/// Entries by key.
///
/// moka applies writes to its books later, in batches, and evicts only then. That is bounded by a number of
/// writes, which says nothing about bytes: here it is bounded by their weight as well.
pub(crate) struct Map {
    entries: Cache<OwnedStoreKey, Slot, KeepHash>,
    largest: u32,
    /// The weight of what was written since the books were last brought up to date.
    unbooked: AtomicU64,
    most_unbooked: u64,
}

impl Map {
    pub(crate) fn new(bound: Bound) -> Self {
        let builder = Cache::builder().max_capacity(capacity(bound));
        let builder = match bound {
            Bound::Entries(_) => builder,
            Bound::Bytes(_) => builder.weigher(|_: &OwnedStoreKey, slot: &Slot| slot.weight),
        };
        Self {
            entries: builder.build_with_hasher(KeepHash),
            largest: u32::try_from(capacity(bound)).unwrap_or(u32::MAX),
            unbooked: AtomicU64::new(0),
            most_unbooked: bound.capacity() / 64,
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: &StoreKey<'_>) -> Option<Slot> {
        self.entries.get(&Borrowed(key))
    }

    pub(crate) fn insert(&self, key: OwnedStoreKey, slot: Slot) {
        self.unbooked.fetch_add(slot.weight.into(), Ordering::Relaxed);
        self.entries.insert(key, slot);
    }

    /// To be called after a write, when no lock is held.
    pub(crate) fn book_if_due(&self) {
        if self.unbooked.load(Ordering::Relaxed) > self.most_unbooked {
            self.book();
        }
    }

    /// The heaviest entry that is taken. moka counts an entry's weight in 32 bits.
    pub(crate) fn largest(&self) -> u32 {
        self.largest
    }

    /// What was there.
    pub(crate) fn remove(&self, key: &StoreKey<'_>) -> Option<Slot> {
        self.entries.remove(&Borrowed(key))
    }

    /// Brings the books up to date, and evicts what exceeds the bound.
    pub(crate) fn book(&self) {
        self.unbooked.store(0, Ordering::Relaxed);
        self.entries.run_pending_tasks();
    }

    /// As [`book`](Self::book), and gives back the memory of what has left the map.
    ///
    /// moka defers that until no reader can see it any more, and then does some of it with each of its steps. On a
    /// store that nobody uses there are none, so a burst would stay in memory; booking what is booked already
    /// is such a step, and costs a microsecond.
    pub(crate) fn settle(&self) {
        self.book();
        for _ in 0..SETTLING {
            self.entries.run_pending_tasks();
        }
    }

    /// Every entry that is there throughout, without counting as a use of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Arc<OwnedStoreKey>, Slot)> + '_ {
        self.entries.iter()
    }

    /// Removes what is there under this key.
    pub(crate) fn remove_owned(&self, key: &OwnedStoreKey) -> Option<Slot> {
        self.entries.remove(key)
    }

    /// What is there under this key.
    pub(crate) fn get_owned(&self, key: &OwnedStoreKey) -> Option<Slot> {
        self.entries.get(key)
    }

    pub(crate) fn len(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }
}

/// What entries may weigh together. Where the bound is in bytes, a 32nd is held back: for what is not in the
/// books yet, and for what has left them and is freed when no reader can see it any more.
fn capacity(bound: Bound) -> u64 {
    match bound {
        Bound::Entries(entries) => entries,
        Bound::Bytes(bytes) => bytes - bytes / 32,
    }
}
