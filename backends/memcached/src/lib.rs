//! Memcached as a store of Larder, on the meta protocol.

#![forbid(unsafe_code)]

mod address;
mod backend;
mod backoff;
mod config;
mod connection;
mod driver;
mod error;
mod expiry;
mod handshake;
mod outbox;
mod protocol;
mod ring;
mod server;
mod stream;
#[cfg(feature = "tls")]
mod tls;

pub use self::{
    backend::MemcachedBackend,
    config::{Hashing, MemcachedConfig, ServerConfig},
};

/// The name of this backend in a configuration.
pub const NAME: &str = "memcached";
