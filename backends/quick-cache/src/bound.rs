//! What the store is bounded by, and what an entry counts against it.

use larder_core::{Entry, key::StoreKey};

/// What the allocations of an entry and of its key cost beside their contents, in bytes.
const ALLOCATIONS: u64 = 32;

/// What the store is bounded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// So many entries, whatever their size.
    Entries(u64),
    /// So many bytes.
    Bytes(u64),
}

impl Bound {
    /// The most weight the store holds.
    pub(crate) fn capacity(self) -> u64 {
        let (Self::Entries(capacity) | Self::Bytes(capacity)) = self;
        capacity
    }

    /// What an entry counts, at this moment: values can grow later, when they are encoded or decoded, so this
    /// is asked once, when the entry is written. Walks through the value if the store is bounded by bytes.
    /// The map's own tables are counted as a whole.
    pub(crate) fn weigh(self, key: &StoreKey<'_>, entry: &Entry) -> u64 {
        match self {
            Self::Entries(_) => 1,
            Self::Bytes(_) => entry.weight().saturating_add(ALLOCATIONS + key.len() as u64),
        }
    }
}
