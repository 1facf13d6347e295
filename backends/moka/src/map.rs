//! The map underneath: `moka` with weights that never change, kept within its bound.

use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use larder_core::key::OwnedStoreKey;
use larder_memory::{Bound, Gone, KeepHash, Map, Seek, Slot};
use moka::{notification::RemovalCause, sync::Cache};

/// Steps of [`Map::settle`]. Each frees up to 512 entries.
const SETTLING: usize = 128;

thread_local! {
    /// What the insert that runs on this thread has replaced.
    static REPLACED: Cell<Option<(Arc<OwnedStoreKey>, Slot)>> = const { Cell::new(None) };
}

/// What was evicted, by whichever thread brought the books up to date, for whoever comes next.
#[derive(Default)]
struct Evicted {
    any: AtomicBool,
    slots: Mutex<Vec<(Arc<OwnedStoreKey>, Slot)>>,
}

impl Evicted {
    /// Called by moka, under locks of its own.
    fn note(&self, key: Arc<OwnedStoreKey>, slot: Slot, cause: RemovalCause) {
        match cause {
            RemovalCause::Replaced => REPLACED.set(Some((key, slot))),
            RemovalCause::Size => {
                // Nothing in here can panic half-way through a change.
                self.slots.lock().unwrap_or_else(PoisonError::into_inner).push((key, slot));
                self.any.store(true, Ordering::Release);
            }
            // Removed by us, who know.
            RemovalCause::Explicit | RemovalCause::Expired => {}
        }
    }

    fn hand_out(&self, gone: &mut Gone) {
        if !self.any.swap(false, Ordering::Acquire) {
            return;
        }
        let slots = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        for (key, slot) in slots {
            gone.push_evicted(Arc::unwrap_or_clone(key), slot);
        }
    }
}

/// Entries by key.
///
/// moka applies writes to its books later, in batches, and evicts only then. That is bounded by a number of
/// writes, which says nothing about bytes: here it is bounded by their weight as well.
pub struct MokaMap {
    entries: Cache<OwnedStoreKey, Slot, KeepHash>,
    evicted: Arc<Evicted>,
    largest: u32,
    /// The weight of what was written since the books were last brought up to date.
    unbooked: AtomicU64,
    most_unbooked: u64,
}

impl MokaMap {
    /// Brings the books up to date, and evicts what exceeds the bound.
    fn book(&self) {
        self.unbooked.store(0, Ordering::Relaxed);
        self.entries.run_pending_tasks();
    }
}

impl Map for MokaMap {
    const NAME: &'static str = crate::NAME;
    /// The nodes of its queues, its place in the table, and the allocation of the key.
    const NODE: u64 = 350;
    /// What the last writes left above the bound, and what was evicted and is still in memory, if nobody has come since.
    const SETTLES: bool = true;

    fn new(bound: Bound) -> Self {
        let evicted = Arc::new(Evicted::default());
        let noting = Arc::clone(&evicted);
        let builder = Cache::builder()
            .max_capacity(capacity(bound))
            .eviction_listener(move |key, slot, cause| noting.note(key, slot, cause));
        let builder = match bound {
            Bound::Entries(_) => builder,
            // None is heavier than the largest, which is one of 32 bits.
            Bound::Bytes(_) => builder
                .weigher(|_: &OwnedStoreKey, slot: &Slot| u32::try_from(slot.weight()).unwrap_or(u32::MAX)),
        };
        Self {
            entries: builder.build_with_hasher(KeepHash),
            evicted,
            largest: match bound {
                Bound::Entries(_) => 1,
                Bound::Bytes(_) => u32::try_from(capacity(bound)).unwrap_or(u32::MAX),
            },
            unbooked: AtomicU64::new(0),
            most_unbooked: bound.capacity() / 64,
        }
    }

    /// moka counts an entry's weight in 32 bits.
    fn largest(&self) -> u64 {
        self.largest.into()
    }

    #[inline]
    fn get(&self, key: &impl Seek) -> Option<Slot> {
        self.entries.get(key)
    }

    /// A use all the same: moka has no other way to look.
    fn peek(&self, key: &impl Seek) -> Option<Slot> {
        self.entries.get(key)
    }

    fn insert(&self, key: OwnedStoreKey, slot: Slot, gone: &mut Gone) {
        self.unbooked.fetch_add(slot.weight(), Ordering::Relaxed);
        self.entries.insert(key, slot);
        if let Some((key, slot)) = REPLACED.take() {
            gone.push(Arc::unwrap_or_clone(key), slot);
        }
    }

    fn replace(&self, key: OwnedStoreKey, slot: Slot, gone: &mut Gone) -> bool {
        self.insert(key, slot, gone);
        true
    }

    fn remove(&self, key: &impl Seek) -> Option<Slot> {
        self.entries.remove(key)
    }

    fn each(&self, mut visit: impl FnMut(&OwnedStoreKey, &Slot)) {
        self.entries.iter().for_each(|(key, slot)| visit(&key, &slot));
    }

    fn len(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }

    fn weight(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.weighted_size()
    }

    fn written(&self, gone: &mut Gone) {
        if self.unbooked.load(Ordering::Relaxed) > self.most_unbooked {
            self.book();
        }
        self.evicted.hand_out(gone);
    }

    /// Gives back the memory of what has left the map as well.
    ///
    /// moka defers that until no reader can see it any more, and then does some of it with each of its steps. On a
    /// store that nobody uses there are none, so a burst would stay in memory; booking what is booked already
    /// is such a step, and costs a microsecond.
    fn settle(&self, gone: &mut Gone) {
        self.book();
        self.evicted.hand_out(gone);
        for _ in 0..SETTLING {
            self.entries.run_pending_tasks();
        }
    }
}

impl fmt::Debug for MokaMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MokaMap").field("largest", &self.largest).finish_non_exhaustive()
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
