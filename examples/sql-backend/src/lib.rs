//! A cache in the database that the program has anyway: a backend of Larder on SQLite, in one file, with the cached
//! entries in a table beside the data. `docs/sql-backend.md` says what that is good for.
//!
//! ```
//! use larder_core::{Cache, Clock};
//! use sql_backend::SqlBackend;
//!
//! # fn main() -> Result<(), larder_core::Error> {
//! let store = SqlBackend::new("/var/lib/shop/shop.db", Clock::system());
//! let prices: Cache<u64> = Cache::builder(store).namespace("prices").build()?;
//! # Ok(()) }
//! ```
//!
//! # An invalidation in the same transaction as the data
//! The versions of tags and namespaces are rows as well. [`invalidate_tag_in`] and [`clear_in`] take the program's own
//! transaction: when it commits, what was cached is dead; when it does not, nothing has happened. No other place for a
//! cache can offer that.

#![forbid(unsafe_code)]

mod atomic;
mod backend;
mod connection;
mod error;
mod rows;

pub use self::{
    atomic::{clear_in, invalidate_tag_in},
    backend::SqlBackend,
};

/// The name of this backend in a configuration.
pub const NAME: &str = "sqlite";

/// The table of the entries: `key` (text), `expires` (milliseconds since 1970, the largest integer for never) and
/// `envelope` (bytes).
pub const TABLE: &str = "larder";
