//! Real redis-server and memcached processes for tests, each started in a moment, isolated from everything else and
//! gone when the test is.
//!
//! ```
//! use larder_test_servers::{MemcachedServer, RedisServer};
//!
//! let redis = RedisServer::start();
//! assert_eq!(redis.command(&["SET", "plum", "ripe"]).to_string(), "OK");
//! redis.pause(); // a client now sees a store that is there and does not answer
//! redis.resume();
//!
//! let memcached = MemcachedServer::builder().unix_socket().memory_mb(8).start();
//! assert_eq!(memcached.command("mg plum v"), "EN\r\n");
//! memcached.stop(); // connections break, new ones are refused
//! memcached.restart(); // same socket, empty store
//! ```
//!
//! # What a server is given
//! A port on the loopback address that nothing else uses, or only a unix socket; a temporary directory of its own,
//! which is also its working directory; no persistence. Nothing is shared between two servers, so tests run side by
//! side.
//!
//! # What stands between
//! A [`Proxy`] in front of a server knows where a reply ends, in both protocols, and delays replies, cuts them, doubles them,
//! swaps them or invents them ([`Fault`]).
//!
//! # Other servers
//! [`valkey`] and [`old_redis`] say where a current Valkey and a Redis 6.2 are, if they are on this machine, for
//! [`RedisBuilder::program`]. `cargo xtask test` puts them into the build directory.
//!
//! # What is left behind
//! No process. Dropping a handle kills its server and waits for it. Where drops do not run, because the test process was
//! killed, interrupted or called `exit`, the kernel kills the servers: each is started through `setpriv --pdeathsig`,
//! part of util-linux. Without that program (on macOS, say) only the drops are there. The temporary directory of a
//! server goes with its handle and stays if that could not be dropped.
//!
//! # When something is wrong
//! A test can do nothing with a server that does not start, so everything here panics, at the caller's line, and says
//! what to install or what the server logged. Programs that want to go on use
//! [`RedisBuilder::try_start`] and [`MemcachedBuilder::try_start`].

// See "When something is wrong" above, which holds for every function.
#![allow(clippy::panic, clippy::missing_panics_doc)]

mod address;
mod certificates;
mod error;
mod host;
mod memcached;
mod port;
mod process;
mod program;
mod proxy;
mod redis;
mod ring;
mod spawner;

pub use self::certificates::Certificates;
pub use self::error::Error;
pub use self::memcached::{MemcachedBuilder, MemcachedServer};
pub use self::program::{old_redis, valkey};
pub use self::proxy::{Fault, Protocol, Proxy};
pub use self::redis::{RedisBuilder, RedisServer, Reply};
pub use self::ring::MemcachedRing;
