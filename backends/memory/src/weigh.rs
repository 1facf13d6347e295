//! What an entry counts against the bound.

use larder_core::{Entry, backend::Bound};

use crate::map::Map;

/// What an entry counts under a key of this length, at this moment: it grows when it is encoded or decoded later, and is weighed again then.
/// Walks through the value if the store is bounded by bytes; saturates.
pub(crate) fn weigh<M: Map>(bound: Bound, key_len: usize, entry: &Entry) -> u64 {
    match bound {
        Bound::Entries(_) => 1,
        Bound::Bytes(_) => entry.weight().saturating_add(M::NODE + key_len as u64),
    }
}
