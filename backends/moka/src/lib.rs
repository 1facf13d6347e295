//! A store in this process's memory, on [`moka`].
//!
//! Entries are kept as they are: nothing is encoded on the way in or decoded on the way out, and a hit
//! allocates nothing. The store is bounded by a number of entries or of bytes; when it is full, what is asked for least goes
//! (TinyLFU), and that may be what was written last: a new key has to prove itself against the old ones.
//!
//! ```
//! use larder_core::{Cache, Clock, Key};
//! use larder_moka::{MokaBackend, MokaConfig};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
//! let store = MokaBackend::new(MokaConfig::bytes(64 << 20), Clock::system())?;
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
pub use larder_memory::{DEFAULT_MAX_ENTRIES, MemoryConfig as MokaConfig};

pub use self::map::MokaMap;

/// The name of this backend in a configuration.
pub const NAME: &str = "moka";

/// A store in this process's memory, on `moka`.
///
/// Readers do not wait for each other, but one in 64 of them brings the books of all up to date. Right after a write the store
/// may exceed its bound by up to 2 %. A single entry may take 96 % of it, up to 4 GiB.
pub type MokaBackend = MemoryBackend<MokaMap>;
