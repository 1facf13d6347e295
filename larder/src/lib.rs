//! A cache for services: the program writes [`get_or_load`](Cache::get_or_load) once, and which store answers
//! (this process's memory, Redis, Memcached, or one that somebody else wrote) is decided per deployment, in
//! configuration.
//!
//! ```
//! use larder::{Cache, Error, Key, Larder};
//! # #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
//! # struct Answer { found: u64 }
//! # async fn search_the_index(_: &str) -> Result<Answer, std::io::Error> { Ok(Answer { found: 3 }) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! # let larder = Larder::builder().set("stores.main.backend", "null").build()?;
//! # #[cfg(any())]
//! let larder = Larder::load()?;
//! let answers: Cache<Answer> = larder.cache("answers")?;
//!
//! let key = Key::new("search").part("plums").named("page", 1);
//! let answer = answers.get_or_load(&key, || search_the_index("plums")).await?;
//! assert_eq!(answer.found, 3);
//! # Ok(()) }
//! ```
//!
//! Without any configuration, entries are kept in memory for five minutes. In production, two variables move
//! them to a Redis that all processes share:
//!
//! ```sh
//! LARDER_STORES__MAIN__BACKEND=redis
//! LARDER_STORES__MAIN__URL=redis://cache.internal:6379
//! ```
//!
//! # Configure
//!
//! `larder.toml` in the working directory (or YAML, or JSON; or the file that `LARDER_CONFIG` names) has stores,
//! caches on them, and what caches have in common:
//!
//! ```toml
//! [defaults]
//! ttl = "5m"
//! codec = "gzip"
//!
//! [stores.near]
//! backend = "memory"
//! max_bytes = "256 MiB"
//!
//! [stores.shared]
//! backend = "redis"
//! url = { env = "REDIS_URL" }
//! deadline = "20ms"
//!
//! [caches.answers]
//! store = "shared"
//! ttl = "60s"
//!
//! [caches.users]
//! store = "near"
//! ```
//!
//! Over the file lie a profile (`LARDER_PROFILE`), variables (`LARDER_CACHES__ANSWERS__TTL=30s`) and what the
//! program says with [`LarderBuilder::set`]; see [`config`]. What is wrong is an error of [`LarderBuilder::build`], with everything that is
//! wrong in each section, each with the key, its place, what was found and what would be accepted:
//!
//! ```text
//! stores.shared.deadlnie (file larder.toml:12:1): unknown key, did you mean "deadline"? Accepted: backend, deadline, …
//! ```
//!
//! # See what holds
//!
//! [`Larder::explain`] lists every value with where it came from. Secrets are hidden.
//!
//! ```
//! # fn main() -> Result<(), larder::Error> {
//! let larder = larder::Larder::builder()
//!     .environment([("LARDER_DEFAULTS__TTL", "30s")])
//!     .set("stores.main.backend", "null")
//!     .build()?;
//! let ttl = larder.explain().get("defaults.ttl").unwrap();
//! assert_eq!(ttl.value, "\"30s\"");
//! assert_eq!(ttl.origin.to_string(), "environment variable LARDER_DEFAULTS__TTL");
//! println!("{}", larder.explain());
//! # Ok(()) }
//! ```
//!
//! # Say when data changes
//!
//! ```
//! # use larder::{Cache, Error, Key, Larder};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! # let larder = Larder::builder().set("stores.main.backend", "null").build()?;
//! let pages: Cache<String> = larder.cache("pages")?;
//! let key = Key::new("category").part("fruit");
//! pages.at(&key).tag("plum").set("<html>".to_owned()).await?;
//!
//! pages.delete(&key).await?; // this entry
//! pages.invalidate_tag("plum").await?; // all that show plums
//! pages.clear().await?; // all pages
//! # Ok(()) }
//! ```
//!
//! Each of them wins over a load that is in progress.
//!
//! # Survive the store
//!
//! A store that is down, slow or full costs a read its deadline (50 ms unless configured) and never fails
//! `get_or_load`: the loader answers. When it goes on failing, its breaker opens and a read costs nothing. [`get`](Cache::get) and [`set`](Cache::set) say what happened, by
//! [`ErrorKind`]. Building connects to nothing, so a store that is down does not keep a service from starting.
//!
//! Calls run on a Tokio runtime that has timers, and I/O for stores on the network: `#[tokio::main]`, or `enable_all`. Tokio itself
//! panics where timers are missing. Without any runtime, what needs one fails with
//! [`ErrorKind::NoRuntime`]; the module `blocking` has calls for programs that have none.
//!
//! # Test without a store
//!
//! ```
//! # use larder::{Cache, Clock, Error, Key, Larder};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let clock = Clock::manual();
//! let larder = Larder::builder()
//!     .environment([("NOT", "of the process")])
//!     .set("stores.main.backend", "null") // or "memory"; the clock decides what has expired
//!     .clock(clock.clone())
//!     .build()?;
//! clock.advance(std::time::Duration::from_secs(60));
//! # Ok(()) }
//! ```
//!
//! # Know whether it is worth it
//!
//! [`Cache::stats`] counts, and [`Stats::net_saved_micros`](cache::Stats::net_saved_micros) compares the time that hits have saved
//! with what asking the store took. [`LarderBuilder::listener`] is told what happens as it happens; with the feature `metrics`
//! there is one, `Metrics`, that hands it to the `metrics` facade.
//!
//! # Bring your own
//!
//! A backend, codec or format of the program's own has a name in the configuration like any other:
//! [`Registry::register`]. [`Backend`] is what a store implements, [`Codec`] and [`Format`] are what their names say.
//!
//! # Features
//!
//! | feature | | default |
//! |---|---|---|
//! | `quick-cache` | the backends `quick-cache` and `memory` | yes |
//! | `moka` | the backend `moka`; `memory` where `quick-cache` is not there | |
//! | `redis` | the backend `redis`, for Redis and Valkey | yes |
//! | `memcached` | the backend `memcached` | yes |
//! | `gzip` | the codec `gzip` | yes |
//! | `zstd` | the codec `zstd`; needs a C compiler | |
//! | `metrics` | `Metrics`: what happens to caches, handed to the `metrics` facade | |
//! | `blocking` | the module `blocking`: caches whose calls block, for programs without a runtime | |
//! | `yaml` | configuration files in YAML | |
//! | `schema` | `schema()`, the JSON Schema of a configuration | |
//!
//! The backend `null`, which stores nothing, is always there.

#![forbid(unsafe_code)]

#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod builtin;
pub mod config;
mod larder;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod plan;
pub mod prelude;
mod registry;
#[cfg(feature = "schema")]
mod schema;

#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
#[cfg(feature = "schema")]
pub use self::schema::schema;
pub use self::{
    builder::LarderBuilder,
    larder::Larder,
    registry::{Context, Registry},
};
pub use larder_core::{
    Backend, Cache, Clock, Codec, Codecs, Entry, Error, ErrorKind, Fetched, Format, Formats, Key, Miss,
    Result, Ttl, backend, cache,
    cache::{Listener, Loaded, Policy, Status},
    clock, codec, entry, envelope, error, format, key, layer, miss, settings, versions,
};
