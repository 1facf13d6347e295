//! A store in this process's memory, on [`quick_cache`]. The name `memory` in a configuration means this one.
//!
//! Entries are kept as they are: nothing is encoded on the way in or decoded on the way out, and a hit
//! allocates nothing. The store is bounded by a number of entries or of bytes; each entry lives exactly as
//! long as it was given, by the [`Clock`](larder_core::Clock) the store was made with.
//!
//! ```
//! use larder_core::{Cache, Clock, Key};
//! use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
//! let store = QuickCacheBackend::new(QuickCacheConfig::bytes(64 << 20), Clock::system())?;
//! let users: Cache<String> = Cache::builder(store).namespace("users").build()?;
//!
//! let key = Key::new("name").part(7);
//! let name = users.get_or_load(&key, || async { Ok::<_, std::io::Error>("Ada".to_owned()) }).await?;
//! assert_eq!(*name, "Ada");
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod backend;
mod bound;
mod config;
mod key;
mod map;
mod stripes;
mod sweeper;
mod table;

pub use self::{
    backend::{NAME, QuickCacheBackend},
    config::{DEFAULT_MAX_ENTRIES, QuickCacheConfig},
};
