//! What a map keeps under a key.

use larder_core::{Entry, clock::Timestamp};

/// What a map keeps under a key.
#[derive(Debug, Clone)]
pub struct Slot {
    pub(crate) entry: Entry,
    /// When the entry ends, by the store's own clock. It stands here so that a hit need not look into the entry.
    pub(crate) ends: Timestamp,
    pub(crate) weight: u64,
}

impl Slot {
    /// What the entry counts against the bound, which does not change while it is in the map. At most
    /// [`Map::largest`](crate::Map::largest).
    #[inline]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Whether the entry exists at this time.
    #[inline]
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        now < self.ends
    }
}
