//! [`Cache`]: a named, typed handle with a policy on one store. What users of Larder meet.

mod at;
mod builder;
mod bulk;
mod conduct;
mod encoding;
mod events;
mod fetched;
mod flight;
mod lease;
mod load;
mod load_many;
mod loaded;
mod policy;
mod read;
mod stamps;
mod stats;
mod weight;
mod write;

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;

pub use self::{
    at::At,
    builder::{CacheBuilder, DEFAULT_INVALIDATION_LAG, DEFAULT_MAX_VALUE},
    events::{Event, Listener},
    fetched::{Encoded, Fetched, Found, Status},
    loaded::{LoadContext, Loaded},
    policy::{
        Abandon, DEFAULT_ERROR_BACKOFF, DEFAULT_MAX_LOADS, DEFAULT_NEGATIVE_TTL, DEFAULT_TTL, Policy, Unfit,
    },
    stats::Stats,
};
use self::{encoding::Encoding, events::Events, flight::Flights, stamps::Stamps};
use crate::{
    backend::{Backend, Capabilities},
    clock::Clock,
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, Namespace, StoreKey},
    ttl::Ttl,
};

/// What a cache can hold: anything that serde can write and read, so that every store can hold it.
pub trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Value for T {}

/// A typed handle on a store, with a namespace and a policy. Cloning it is cheap and shares everything.
///
/// Reads give a [`Fetched`], which derefs to the value and knows where it came from. A store that fails is an
/// error of [`get`](Self::get), [`set`](Self::set) and their like, and never one of
/// [`get_or_load`](Self::get_or_load): there the loader answers.
pub struct Cache<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    name: Arc<str>,
    backend: Arc<dyn Backend>,
    namespace: Namespace,
    policy: Policy,
    /// A turn for each load that may run at once.
    turns: Semaphore,
    clock: Clock,
    encoding: Arc<Encoding<T>>,
    stamps: Stamps,
    flights: Flights<T>,
    /// Held while an add writes over bytes that cannot be read.
    repairs: tokio::sync::Mutex<()>,
    events: Events,
}

impl<T: Value> Cache<T> {
    /// Begins a cache on this store. [`CacheBuilder::namespace`] is all that must be given.
    pub fn builder(backend: impl Backend) -> CacheBuilder<T> {
        CacheBuilder::new(Arc::new(backend))
    }

    /// The name of the cache: in the configuration, in logs and in metrics.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The namespace of its keys.
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }

    /// What the store, with everything around it, can do.
    pub fn capabilities(&self) -> Capabilities {
        self.inner.backend.capabilities()
    }

    /// How long an entry lives when nothing else is said.
    pub fn default_ttl(&self) -> Ttl {
        self.inner.policy.ttl
    }

    /// How long values live, and what happens when they are old or cannot be had.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// What has happened since the cache was made, in this process.
    pub fn stats(&self) -> Stats {
        self.inner.events.counters.stats()
    }

    /// Begins a call with options of its own: a life, tags, metadata.
    ///
    /// ```
    /// # use larder_core::{Cache, Key, backend::NullBackend};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
    /// # let cache: Cache<String> = Cache::builder(NullBackend::new()).namespace("pages").build()?;
    /// let key = Key::new("popular").named("region", "us");
    /// cache.at(&key).ttl(Duration::from_secs(30)).tag("apps").set("<html>".to_owned()).await?;
    /// # Ok(()) }
    /// ```
    pub fn at<'a>(&'a self, key: &'a Key) -> At<'a, T> {
        At::new(self, key)
    }

    /// Ends the use of the store, for this cache and every other on it: later calls fail with
    /// [`ErrorKind::Closed`]. Closing twice is no error.
    pub async fn close(&self) -> Result<()> {
        self.inner.backend.close().await
    }

    #[inline]
    fn store_key<'a>(&'a self, key: &'a Key, operation: Operation) -> Result<StoreKey<'a>> {
        if key.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidKey,
                operation,
                "the key is empty; give it at least one part",
            ));
        }
        Ok(StoreKey::new(&self.inner.namespace, key))
    }
}

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.inner.name)
            .field("namespace", &self.inner.namespace)
            .field("policy", &self.inner.policy)
            .field("backend", &self.inner.backend)
            .finish_non_exhaustive()
    }
}
