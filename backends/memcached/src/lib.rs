//! Memcached as a store of Larder, on the meta protocol: one pipelined connection to each server ([`larder_net`]), which is
//! opened, watched and opened again outside the callers' path.
//!
//! ```no_run
//! use larder_core::{Cache, layer::Deadline};
//! use larder_memcached::{MemcachedBackend, MemcachedConfig};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), larder_core::Error> {
//! let memcached = MemcachedBackend::new(MemcachedConfig::new(["cache-1:11211", "cache-2:11211"]))?;
//! let store = Deadline::new(memcached, "shared", Duration::from_millis(50));
//! let users: Cache<String> = Cache::builder(store).namespace("users").build()?;
//! # Ok(()) }
//! ```
//!
//! # What an operation costs
//! | operation | round trips | |
//! |---|---:|---|
//! | `get`, `set` | 1 | |
//! | `delete` | 1 | fetches the entry on the way, to tell one that is over from a live one |
//! | `add` | 1 | 2 to 3 if something is there already |
//! | `set` and `delete` under another condition, `touch` | 2 | reads first, changes with `C<cas>`; again if somebody was faster |
//! | a counter | 1 | `ma`; the server wraps above 2⁶⁴ - 1 and stops at 0 |
//! | `get_many`, `set_many`, `delete_many` | 1 to each server | for each 4096 keys or 16 MiB; reads are `get`s of up to 128 keys |
//! | `touch_many`, `delete_many` of tokens | 2 to each server | for each 256 entries |
//!
//! The [README](https://crates.io/crates/larder-memcached) has the settings, and what the server has to be like.

#![allow(
    clippy::cast_possible_truncation,
    reason = "remainders and lengths that were checked against what the protocol allows"
)]
#![forbid(unsafe_code)]

mod address;
mod backend;
mod config;
mod expiry;
mod protocol;
mod ring;
mod server;

pub use self::{
    backend::MemcachedBackend,
    config::{MemcachedConfig, ServerConfig},
    ring::Hashing,
};

/// The name of this backend in a configuration.
pub const NAME: &str = "memcached";

/// What bytes of a server are, in pieces of these lengths: for the fuzz target.
#[cfg(fuzzing)]
pub fn read_replies(bytes: &[u8], pieces: &[u8]) -> (Vec<String>, bool) {
    larder_net::events(protocol::Meta::new(100_000, false), bytes, pieces)
}
