//! The map underneath: `quick_cache` with weights that never change, and with what is evicted handed out of
//! its locks.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use larder_core::key::OwnedStoreKey;
use larder_memory::{Bound, Gone, KeepHash, Map, Seek, Slot};
use quick_cache::{Lifecycle, OptionsBuilder, Weighter, sync::Cache};

/// The most shards. More of them would not lessen waiting any more.
const MAX_SHARDS: u64 = 256;
/// The least entries in a shard: with fewer, keys that fall unevenly would waste more than some 3 % of it.
const MIN_SHARD_ENTRIES: u64 = 1024;
/// The least bytes in a shard. An entry that does not fit into a shard cannot be kept, so this also says what
/// may always be stored, whatever the number of processors: nodes of a fleet must not differ in that.
const MIN_SHARD_BYTES: u64 = 16 << 20;
/// The size of an entry that the number of remembered evicted keys is reckoned with.
const USUAL_BYTES: u64 = 4096;
/// What the map's tables grow by for one entry, about, in bytes.
const TABLE_ROW: u64 = 200;

/// Reads the weight that was kept.
#[derive(Debug, Clone, Copy)]
struct Kept;

impl Weighter<OwnedStoreKey, Slot> for Kept {
    #[inline]
    fn weight(&self, _: &OwnedStoreKey, slot: &Slot) -> u64 {
        slot.weight()
    }
}

/// Hands evicted and replaced entries to the caller, who drops them when no lock is held: dropping a value
/// runs the program's code, which may use the store.
#[derive(Debug, Clone, Default)]
struct HandOut {
    /// What is evicted when the capacity is changed, where the map hands nothing out.
    housekept: Arc<Mutex<Vec<(OwnedStoreKey, Slot)>>>,
}

impl HandOut {
    fn take(&self) -> Vec<(OwnedStoreKey, Slot)> {
        // Nothing in here can panic half-way through a change.
        std::mem::take(&mut *self.housekept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Lifecycle<OwnedStoreKey, Slot> for HandOut {
    type RequestState = Gone;

    fn on_evict(&self, gone: &mut Gone, key: OwnedStoreKey, slot: Slot) {
        if gone.is_awaited() {
            gone.push(key, slot);
        } else {
            self.housekept.lock().unwrap_or_else(PoisonError::into_inner).push((key, slot));
        }
    }
}

/// Entries by key, never more than the bound allows.
///
/// The tables of the map only ever grow, and with small entries they are a third of the whole. Where the bound
/// is in bytes they count: the entries get what the tables leave of it.
#[derive(Debug)]
pub struct QuickCacheMap {
    entries: Cache<OwnedStoreKey, Slot, Kept, KeepHash, HandOut>,
    handed: HandOut,
    bound: Bound,
    /// Of how many writes each one measures the tables.
    period: u64,
    writes: AtomicU64,
}

impl QuickCacheMap {
    /// About what the tables take, in bytes: the one of the slots grows by doubling, so up to half of it is
    /// spare room that the map does not report.
    fn tables(&self) -> u64 {
        let used = self.entries.memory_used();
        (used.entries + used.entries / 2 + used.map) as u64
    }
}

impl Map for QuickCacheMap {
    const NAME: &'static str = crate::NAME;
    /// What the allocations of an entry and of its key cost beside their contents. The tables are counted as a whole.
    const NODE: u64 = 32;

    fn new(bound: Bound) -> Self {
        let shards = shards(bound);
        let capacity = even(bound.capacity(), shards);
        let usual = match bound {
            Bound::Entries(_) => capacity,
            // The map halves the number of shards where it expects fewer than 32 entries in each.
            Bound::Bytes(_) => (capacity / USUAL_BYTES).max(32 * shards),
        };
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards).unwrap_or(1))
            .estimated_items_capacity(usize::try_from(usual).unwrap_or(usize::MAX))
            .weight_capacity(capacity)
            .build();
        let handed = HandOut::default();
        let entries = match options {
            Ok(options) => Cache::with_options(options, Kept, KeepHash, handed.clone()),
            // Only a missing capacity is refused, and both are given above.
            Err(_) => Cache::with(1, capacity, Kept, KeepHash, handed.clone()),
        };
        let period = (bound.capacity() / 64 / TABLE_ROW).clamp(1, 4096);
        Self { entries, handed, bound, period, writes: AtomicU64::new(0) }
    }

    /// Half of a shard, since its tables may take up to the other half.
    fn largest(&self) -> u64 {
        match self.bound {
            Bound::Entries(_) => 1,
            Bound::Bytes(bytes) => bytes / shards(self.bound) / 2,
        }
    }

    #[inline]
    fn get(&self, key: &impl Seek) -> Option<Slot> {
        self.entries.get(key)
    }

    fn peek(&self, key: &impl Seek) -> Option<Slot> {
        self.entries.peek(key)
    }

    fn insert(&self, key: OwnedStoreKey, slot: Slot, gone: &mut Gone) {
        self.entries.insert_with_lifecycle(key, slot, gone);
    }

    fn replace(&self, key: OwnedStoreKey, slot: Slot, gone: &mut Gone) -> bool {
        match self.entries.replace_with_lifecycle(key, slot, true, gone) {
            Ok(()) => true,
            Err((_, slot)) => {
                gone.set_aside(slot);
                false
            }
        }
    }

    fn remove(&self, key: &impl Seek) -> Option<Slot> {
        self.entries.remove(key).map(|(_, slot)| slot)
    }

    /// A shard is locked for one step only.
    fn each(&self, mut visit: impl FnMut(&OwnedStoreKey, &Slot)) {
        self.entries.iter().for_each(|(key, slot)| visit(&key, &slot));
    }

    fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    fn weight(&self) -> u64 {
        let tables = if matches!(self.bound, Bound::Bytes(_)) { self.tables() } else { 0 };
        self.entries.weight() + tables
    }

    /// Sees to it that the tables, which the last writes may have let grow, are within the bound.
    fn written(&self, gone: &mut Gone) {
        let Bound::Bytes(bytes) = self.bound else { return };
        if !self.writes.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.period) {
            return;
        }
        let room = even(bytes.saturating_sub(self.tables()).max(bytes.div_ceil(2)), shards(self.bound));
        // Every change locks every shard, so not for a trifle.
        if self.entries.capacity().abs_diff(room) > bytes / 256 {
            self.entries.set_capacity(room);
            self.handed.take().into_iter().for_each(|(key, slot)| gone.push_evicted(key, slot));
        }
    }

    fn settle(&self, _: &mut Gone) {}
}

/// The map rounds each shard's share up; a capacity that the shards divide evenly stays what it is.
fn even(capacity: u64, shards: u64) -> u64 {
    (capacity / shards * shards).max(1)
}

/// By capacity alone, so that a configuration means the same on every machine.
fn shards(bound: Bound) -> u64 {
    let most = match bound {
        Bound::Entries(entries) => entries / MIN_SHARD_ENTRIES,
        Bound::Bytes(bytes) => bytes / MIN_SHARD_BYTES,
    };
    let most = most.clamp(1, MAX_SHARDS);
    // The largest power of two that is not above it.
    1 << most.ilog2()
}

#[cfg(test)]
mod tests;
