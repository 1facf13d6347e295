//! The row `many_servers`.

use crate::harness::RowDef;

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    Vec::new()
}
