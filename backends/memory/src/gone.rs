//! What leaves a map during one operation.

use larder_core::{backend::Cause, key::OwnedStoreKey};

use crate::slot::Slot;

/// What left a map during one operation, to be told and dropped when no lock is held. Most writes remove one entry at most,
/// which costs no allocation.
#[derive(Debug, Default)]
pub struct Gone {
    /// The hash of the key that is being written.
    writes: Option<u64>,
    first: Option<Departed>,
    rest: Vec<Departed>,
    unused: Option<Slot>,
}

/// One entry that left.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) key: OwnedStoreKey,
    pub(crate) slot: Slot,
    pub(crate) cause: Cause,
}

impl Gone {
    /// Of a write of the key of this hash.
    pub(crate) fn of_write(hash: u64) -> Self {
        Self { writes: Some(hash), ..Self::default() }
    }

    /// Whether somebody waits for what leaves. Otherwise it is a map's own housekeeping, that has made this itself.
    pub fn is_awaited(&self) -> bool {
        self.writes.is_some()
    }

    /// This entry is no longer in the map: the one whose key is being written was replaced, any other evicted.
    pub fn push(&mut self, key: OwnedStoreKey, slot: Slot) {
        let cause = if self.writes == Some(key.seeded_hash()) { Cause::Replaced } else { Cause::Evicted };
        self.push_as(key, slot, cause);
    }

    /// This entry was evicted.
    pub fn push_evicted(&mut self, key: OwnedStoreKey, slot: Slot) {
        self.push_as(key, slot, Cause::Evicted);
    }

    /// This one has not got in.
    pub fn set_aside(&mut self, slot: Slot) {
        self.unused = Some(slot);
    }

    pub(crate) fn push_as(&mut self, key: OwnedStoreKey, slot: Slot, cause: Cause) {
        if let Some(earlier) = self.first.take() {
            self.rest.push(earlier);
        }
        self.first = Some(Departed { key, slot, cause });
    }

    pub(crate) fn departed(&self) -> impl Iterator<Item = &Departed> {
        self.rest.iter().chain(&self.first)
    }
}
