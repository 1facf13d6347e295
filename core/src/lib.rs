//! The contract and the engine of Larder: keys, entries, formats, codecs, the [`Backend`] trait, and
//! [`Cache`]. It talks to no server; backends and codecs are crates of their own, and the crate `larder` puts
//! them together by configuration.
//!
//! # A cache
//!
//! ```
//! use larder_core::{Cache, Key, backend::NullBackend};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
//! let users: Cache<String> = Cache::builder(NullBackend::new()).namespace("users").build()?;
//! let key = Key::new("name").part(7);
//! let name = users.get_or_load(&key, || async { Ok::<_, std::io::Error>("Ada".to_owned()) }).await?;
//! assert_eq!(*name, "Ada");
//! # Ok(()) }
//! ```
//!
//! # Where to look
//! | to | see |
//! |---|---|
//! | use a cache | [`Cache`], [`Key`], [`Ttl`] |
//! | write a backend | [`Backend`], [`envelope`], [`Versions`](versions::Versions) |
//! | write a codec or a format | [`Codec`], [`Format`] |
//! | test what depends on time | [`Clock::manual`] |

#![forbid(unsafe_code)]

pub mod backend;
pub mod cache;
pub mod chain;
pub mod clock;
pub mod codec;
mod engine;
pub mod entry;
pub mod envelope;
pub mod error;
pub mod format;
pub mod key;
pub mod layer;
pub mod miss;
mod offload;
mod policy;
mod random;
pub mod settings;
mod sync;
mod ttl;
mod value;
pub mod versions;

pub use self::{
    backend::Backend,
    cache::{Cache, Fetched},
    chain::Chain,
    clock::Clock,
    codec::{Codec, Codecs},
    entry::Entry,
    error::{Error, ErrorKind, Result},
    format::{Format, Formats},
    key::Key,
    miss::Miss,
    ttl::Ttl,
};
