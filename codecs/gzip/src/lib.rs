//! The codec gzip: what every HTTP client and every language can read.
//!
//! ```
//! use std::sync::Arc;
//! use larder_core::{Cache, backend::NullBackend, codec::{Compression, DEFAULT_THRESHOLD}};
//! use larder_gzip::{Gzip, GzipConfig};
//! # fn main() -> Result<(), larder_core::Error> {
//! let codec = Arc::new(Gzip::new(&GzipConfig::new(6))?);
//! let cache: Cache<String> = Cache::builder(NullBackend::new())
//!     .namespace("pages")
//!     .compression(Some(Compression::new(codec, DEFAULT_THRESHOLD)))
//!     .build()?;
//! # let _ = cache;
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod codec;
mod config;
mod member;

pub use self::{
    codec::{Gzip, ID, NAME},
    config::{DEFAULT_LEVEL, GzipConfig},
};
