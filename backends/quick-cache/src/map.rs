//! The map underneath: `quick_cache` with weights that never change, and with what is evicted handed out of
//! its locks.

use std::sync::atomic::{AtomicU64, Ordering};

use larder_core::{
    Entry,
    key::{OwnedStoreKey, StoreKey},
};
use quick_cache::{Lifecycle, OptionsBuilder, Weighter, sync::Cache};

use crate::{
    bound::Bound,
    key::{Borrowed, KeepHash},
};

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

/// What the map keeps under a key.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) entry: Entry,
    /// What the entry counted when it was written: the map's sums go wrong if this changes.
    pub(crate) weight: u64,
}

/// Reads the weight that was kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept;

impl Weighter<OwnedStoreKey, Slot> for Kept {
    #[inline]
    fn weight(&self, _: &OwnedStoreKey, slot: &Slot) -> u64 {
        slot.weight
    }
}

/// Hands evicted and replaced entries to the caller, who drops them when no lock is held: dropping a value
/// runs the program's code, which may use the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandOut;

/// What left the map in one write. Most writes remove one entry at most, which costs no allocation.
#[derive(Default)]
pub(crate) struct Gone {
    first: Option<(OwnedStoreKey, Slot)>,
    rest: Vec<(OwnedStoreKey, Slot)>,
}

impl Gone {
    fn push(&mut self, key: OwnedStoreKey, slot: Slot) -> &Slot {
        if let Some(earlier) = self.first.take() {
            self.rest.push(earlier);
        }
        &self.first.insert((key, slot)).1
    }
}

impl Lifecycle<OwnedStoreKey, Slot> for HandOut {
    type RequestState = Gone;

    fn on_evict(&self, gone: &mut Gone, key: OwnedStoreKey, slot: Slot) {
        gone.push(key, slot);
    }
}

/// Entries by key, never more than the bound allows.
///
/// The tables of the map only ever grow, and with small entries they are a third of the whole. Where the bound
/// is in bytes they count: the entries get what the tables leave of it.
pub(crate) struct Map {
    entries: Cache<OwnedStoreKey, Slot, Kept, KeepHash, HandOut>,
    bound: Bound,
    /// Of how many writes each one measures the tables.
    period: u64,
    writes: AtomicU64,
}

impl Map {
    pub(crate) fn new(bound: Bound) -> Self {
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
        let entries = match options {
            Ok(options) => Cache::with_options(options, Kept, KeepHash, HandOut),
            // Only a missing capacity is refused, and both are given above.
            Err(_) => Cache::with(1, capacity, Kept, KeepHash, HandOut),
        };
        let period = (bound.capacity() / 64 / TABLE_ROW).clamp(1, 4096);
        Self { entries, bound, period, writes: AtomicU64::new(0) }
    }

    /// The heaviest entry that is taken. Half of a shard, since its tables may take up to the other half.
    pub(crate) fn largest(&self) -> u64 {
        match self.bound {
            Bound::Entries(_) => 1,
            Bound::Bytes(bytes) => bytes / shards(self.bound) / 2,
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: &StoreKey<'_>) -> Option<Slot> {
        self.entries.get(&Borrowed(key))
    }

    /// As [`get`](Self::get), without counting as a use.
    pub(crate) fn peek(&self, key: &StoreKey<'_>) -> Option<Slot> {
        self.entries.peek(&Borrowed(key))
    }

    pub(crate) fn insert(&self, key: OwnedStoreKey, slot: Slot, gone: &mut Gone) {
        self.entries.insert_with_lifecycle(key, slot, gone);
    }

    /// Puts another slot of the same weight in the place of the one that is there. `false` if there is none.
    pub(crate) fn replace(&self, key: OwnedStoreKey, slot: Slot, gone: &mut Gone) -> bool {
        match self.entries.replace_with_lifecycle(key, slot, true, gone) {
            Ok(()) => true,
            Err((key, slot)) => {
                gone.push(key, slot);
                false
            }
        }
    }

    /// Removes what is there, and returns it as it went to `gone`.
    pub(crate) fn remove<'g>(&self, key: &StoreKey<'_>, gone: &'g mut Gone) -> Option<&'g Slot> {
        let (key, slot) = self.entries.remove(&Borrowed(key))?;
        Some(gone.push(key, slot))
    }

    pub(crate) fn remove_if(&self, key: &OwnedStoreKey, gone: &mut Gone, dead: impl FnOnce(&Slot) -> bool) {
        if let Some((key, slot)) = self.entries.remove_if(key, dead) {
            gone.push(key, slot);
        }
    }

    /// Every entry that is there throughout, without counting as a use. A shard is locked for one step only.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (OwnedStoreKey, Slot)> + '_ {
        self.entries.iter()
    }

    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The weight of the entries, and in bytes of the tables as well.
    pub(crate) fn weight(&self) -> u64 {
        let tables = if matches!(self.bound, Bound::Bytes(_)) { self.tables() } else { 0 };
        self.entries.weight() + tables
    }

    /// Sees to it that the tables, which the last writes may have let grow, are within the bound. To be called
    /// after a write, when no lock is held.
    pub(crate) fn make_room(&self) {
        let Bound::Bytes(bytes) = self.bound else { return };
        if !self.writes.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.period) {
            return;
        }
        let room = even(bytes.saturating_sub(self.tables()).max(bytes.div_ceil(2)), shards(self.bound));
        // Every change locks every shard, so not for a trifle.
        if self.entries.capacity().abs_diff(room) > bytes / 256 {
            self.entries.set_capacity(room);
        }
    }

    /// About what the tables take, in bytes: the one of the slots grows by doubling, so up to half of it is
    /// spare room that the map does not report.
    fn tables(&self) -> u64 {
        let used = self.entries.memory_used();
        (used.entries + used.entries / 2 + used.map) as u64
    }
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
mod tests {
    use larder_core::{
        Key,
        key::{Namespace, StoreKey},
    };

    use super::*;

    #[test]
    fn no_rounding_exceeds_the_bound() {
        for capacity in [1, 2, 31, 1023, 2049, 100_000, 1_000_001, (1 << 40) + 7] {
            for bound in [Bound::Entries(capacity), Bound::Bytes(capacity)] {
                let map = Map::new(bound).entries;
                assert!(map.capacity() <= capacity, "{bound:?} became {}", map.capacity());
                assert!(map.capacity() > capacity - capacity.min(MAX_SHARDS), "{bound:?}");
                assert_eq!(map.num_shards() as u64, shards(bound), "{bound:?}");
            }
        }
    }

    #[test]
    fn eight_mebibytes_fit_into_every_store_that_is_large_enough() {
        for mebibytes in [16, 17, 31, 32, 33, 100, 1000, 4096, 100_000] {
            let largest = Map::new(Bound::Bytes(mebibytes << 20)).largest();
            assert!(largest >= 8 << 20, "{mebibytes} MiB: {largest}");
        }
    }

    /// The hash of a key is used as it is: this is what shows that its bits are good enough for it.
    #[test]
    fn keys_fall_evenly_into_the_shards() {
        const KEYS: u32 = 128_000;
        let map = Map::new(Bound::Entries(1 << 20)).entries;
        let namespace = Namespace::new("shop/users", 1).unwrap();
        let mut shards = vec![0_u32; map.num_shards()];
        for n in 0..KEYS {
            let key = Key::new("user").part(n);
            let key = StoreKey::new(&namespace, &key);
            assert_eq!(map.shard_index(&Borrowed(&key)), map.shard_index(&key.to_owned()));
            shards[map.shard_index(&Borrowed(&key))] += 1;
        }
        assert_eq!(shards.len(), 256);
        let expected = f64::from(KEYS) / 256.0;
        let chi_square: f64 =
            shards.iter().map(|&found| (f64::from(found) - expected).powi(2) / expected).sum();
        // 255 degrees of freedom: mean 255, standard deviation 23. Six of those are chance once in 10^8 runs.
        assert!(chi_square < 255.0 + 6.0 * 23.0, "{chi_square}: {shards:?}");
    }
}
