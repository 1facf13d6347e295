//! The rows: one file each, with a function `rows`.

mod codec;
mod cold;
mod keys;
mod many_memory;
mod many_servers;
mod memcached;
mod memory;
mod miss;
mod near;
mod proxy;
pub(crate) mod redis;
mod size;

use crate::harness::RowDef;

/// All of them, in the order in which they are measured and shown.
pub(crate) fn all() -> Vec<RowDef> {
    let rows = [
        near::rows(),
        miss::rows(),
        redis::rows(),
        memcached::rows(),
        many_memory::rows(),
        many_servers::rows(),
        cold::rows(),
        proxy::rows(),
        codec::rows(),
        keys::rows(),
        memory::rows(),
        size::rows(),
    ];
    rows.into_iter().flatten().collect()
}
