//! A store in this process's memory, on [`quick_cache`]. The name `memory` in a configuration means this one.
//!
//! Entries are kept as they are: nothing is encoded on the way in or decoded on the way out, and a hit
//! allocates nothing. The store is bounded by a number of entries or of bytes; when it is full, a write evicts what is asked for
//! least (CLOCK-Pro, close to S3-FIFO).
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

mod map;

use larder_memory::MemoryBackend;
pub use larder_memory::{DEFAULT_MAX_ENTRIES, MemoryConfig as QuickCacheConfig};

pub use self::map::QuickCacheMap;

/// The name of this backend in a configuration.
pub const NAME: &str = "quick-cache";

/// A store in this process's memory, on `quick_cache`.
///
/// The store is divided into parts by its size alone, each of which takes its share: bounded by entries, some keys are evicted
/// when a few percent are still free; bounded by bytes, a single entry may take half of a store of up to 16 MiB, and at least
/// 8 MiB in a larger one.
pub type QuickCacheBackend = MemoryBackend<QuickCacheMap>;
