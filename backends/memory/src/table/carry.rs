//! What a snapshot needs.

use larder_core::{Entry, clock::Timestamp, key::OwnedStoreKey};

use super::Table;
use crate::{gone::Gone, map::Map, slot::Slot, weigh::weigh};

impl<M: Map> Table<M> {
    /// Puts an entry there that nobody has written. `false` if it is too heavy.
    pub(crate) fn restore(&self, key: OwnedStoreKey, entry: Entry, ends: Timestamp) -> bool {
        let weight = weigh::<M>(self.bound, key.text().len(), &entry);
        if weight > self.largest {
            return false;
        }
        let mut gone = Gone::of_write(key.seeded_hash());
        let writing = self.writers.lock(key.seeded_hash());
        self.map.insert(key, Slot { entry, ends, weight }, &mut gone);
        self.expect(ends);
        drop(writing);
        self.map.written(&mut gone);
        true
    }

    /// All entries, those that were used most first.
    pub(crate) fn by_warmth(&self) -> Vec<(OwnedStoreKey, Slot)> {
        let mut all = Vec::new();
        self.map.each(|key, slot| all.push((key.clone(), slot.clone())));
        if let Some(heat) = &self.heat {
            all.sort_by_cached_key(|(key, _)| std::cmp::Reverse(heat.of(key.seeded_hash())));
        }
        all
    }
}
