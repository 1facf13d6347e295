//! Redis and Valkey as a store of Larder: one pipelined connection that is opened, watched and opened again outside the
//! callers' path. Reads that wait at the same time leave as one command.
//!
//! ```no_run
//! use larder_core::{Cache, layer::Deadline};
//! use larder_redis::{RedisBackend, RedisConfig};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), larder_core::Error> {
//! let redis = RedisBackend::new(RedisConfig::new("redis://cache.internal:6379"))?;
//! let store = Deadline::new(redis, "shared", Duration::from_millis(50));
//! let users: Cache<String> = Cache::builder(store).namespace("users").build()?;
//! # Ok(()) }
//! ```
//!
//! The [README](https://crates.io/crates/larder-redis) has the settings, what each operation sends, and what the
//! server has to be like.

#![forbid(unsafe_code)]

mod address;
mod backend;
mod bus;
mod commands;
mod config;
mod connections;
mod error;
mod eviction;
mod resp;
mod scripts;
mod server;
mod sizes;

pub use self::{backend::RedisBackend, config::RedisConfig};

/// The name of this backend in a configuration.
pub const NAME: &str = "redis";

/// What bytes of a server are, in pieces of these lengths: for the fuzz target.
#[cfg(fuzzing)]
pub fn read_replies(bytes: &[u8], pieces: &[u8]) -> (Vec<String>, bool) {
    larder_net::events(resp::Resp::new(100_000), bytes, pieces)
}
