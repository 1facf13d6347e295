//! A cache in one file that is still there after a restart: a backend of Larder on [`redb`], as somebody outside
//! the project would write it. `docs/writing-a-backend.md` walks through it.
//!
//! ```
//! use custom_backend::{RedbBackend, RedbConfig};
//! use larder_core::{Cache, Clock};
//!
//! # fn main() -> Result<(), larder_core::Error> {
//! let store = RedbBackend::new(RedbConfig::new("/var/cache/shop.redb"), Clock::system())?;
//! let users: Cache<String> = Cache::builder(store).namespace("users").build()?;
//! # Ok(()) }
//! ```
//!
//! # What it is good for
//! What is dear to make, larger than memory, and wanted again after a deployment. A hit costs a read of the file,
//! or of the pages of it in memory, on another thread: tens of microseconds, where a store in memory takes less
//! than one. Put a cache in memory in front where that matters.
//!
//! # What the file holds
//! One [envelope](larder_core::envelope) per key, and an index of when each is over. One process at a time can
//! have it open.

#![forbid(unsafe_code)]

mod backend;
mod config;
mod error;
mod file;
mod rows;
mod writer;

pub use self::{backend::RedbBackend, config::RedbConfig, rows::ENTRIES};

/// The name of this backend in a configuration.
pub const NAME: &str = "redb";
