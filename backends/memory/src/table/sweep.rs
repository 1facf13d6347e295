//! Freeing what has expired.

use std::sync::atomic::Ordering;

use larder_core::{backend::Cause, clock::Timestamp, key::OwnedStoreKey};

use super::Table;
use crate::{gone::Gone, map::Map, sweeper::Sweep};

impl<M: Map> Table<M> {
    fn remove_expired(&self, key: &OwnedStoreKey, now: Timestamp) {
        let mut gone = Gone::of_write(key.seeded_hash());
        let (found, removed);
        let writing = self.writers.lock(key.seeded_hash());
        found = self.map.peek(key);
        // Somebody may have written the key since it was seen.
        if found.as_ref().is_some_and(|slot| !slot.is_live(now)) {
            removed = self.map.remove(key);
            drop(writing);
            if let Some(slot) = removed {
                gone.push_as(key.clone(), slot, Cause::Expired);
            }
            self.observers.tell(&gone, now, false);
        }
    }
}

impl<M: Map> Sweep for Table<M> {
    /// Walks through all entries, one at a time; a key's writers wait for one removal.
    fn sweep(&self) {
        if let Some(heat) = &self.heat {
            heat.cool();
        }
        let now = self.clock.now();
        if now.as_millis() >= self.earliest.load(Ordering::Relaxed) {
            self.earliest.swap(u64::MAX, Ordering::AcqRel);
            let mut next = Timestamp::NEVER;
            self.map.each(|key, slot| {
                if slot.is_live(now) {
                    next = next.min(slot.ends);
                } else {
                    self.remove_expired(key, now);
                }
            });
            self.expect(next);
        }
        let mut gone = Gone::of_write(0);
        self.map.settle(&mut gone);
        self.observers.tell(&gone, now, false);
    }
}
