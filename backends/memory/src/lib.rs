//! What the backends of Larder share that keep entries in this process's memory: everything but the map.
//!
//! A map says how entries are found, and which of them goes when there is no more room. [`MemoryBackend`] makes a store of it:
//! TTLs by a clock that nobody sets, conditions, weights, counters, the freeing of what has expired, and who hears of what
//! leaves. [`larder-quick-cache`](https://docs.rs/larder-quick-cache) and [`larder-moka`](https://docs.rs/larder-moka) are such
//! maps, and what a service depends on.
//!
//! # Writing a backend on a map of your own
//! Implement [`Map`], and name the result:
//!
//! ```text
//! pub type MyBackend = larder_memory::MemoryBackend<MyMap>;
//! ```
//!
//! Then run the conformance suite over it, the family `bounded` included.

#![forbid(unsafe_code)]

mod backend;
mod config;
mod gone;
mod heat;
mod key;
mod map;
mod observers;
mod slot;
mod snapshot;
mod stripes;
mod sweeper;
mod table;
mod weigh;

pub use larder_core::backend::Bound;

pub use self::{
    backend::MemoryBackend,
    config::{DEFAULT_MAX_ENTRIES, DEFAULT_SNAPSHOT_MAX_AGE, DEFAULT_SNAPSHOT_MAX_BYTES, MemoryConfig},
    gone::Gone,
    key::{KeepHash, Kept},
    map::{Map, Seek},
    slot::Slot,
};

/// What the bytes of a snapshot come to: for the fuzz target.
#[cfg(fuzzing)]
pub use self::snapshot::fuzzing::read_snapshot;
