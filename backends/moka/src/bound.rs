//! What the store is bounded by, and what an entry counts against it.

use larder_core::{Entry, key::StoreKey};

/// What an entry costs in the map besides the key's text and what [`Entry::weight`] counts, in bytes: the
/// nodes of its queues, its place in the table, and the allocation of the key. Measured.
const NODE: u64 = 350;

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
    pub(crate) fn weigh(self, key: &StoreKey<'_>, entry: &Entry) -> u64 {
        match self {
            Self::Entries(_) => 1,
            Self::Bytes(_) => entry.weight().saturating_add(NODE + key.len() as u64),
        }
    }
}
