//! The rows: one file each, with a function `rows`.

mod many_servers;
mod memcached;
mod near;
mod redis;

use crate::harness::RowDef;

/// All of them, in the order in which they are measured and shown.
pub(crate) fn all() -> Vec<RowDef> {
    [near::rows(), redis::rows(), memcached::rows(), many_servers::rows()].into_iter().flatten().collect()
}
