//! The row `memcached`.

use crate::harness::RowDef;

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    Vec::new()
}
