//! [`Cache`]: a named, typed handle with a policy on one store. What users of Larder meet.

mod at;
mod builder;
mod count;
mod invalidate;
mod load;
mod many;
mod read;
mod write;

use std::{fmt, sync::Arc};

pub use self::{
    at::CallBuilder,
    builder::{CacheBuilder, DEFAULT_INVALIDATION_LAG, DEFAULT_MAX_VALUE},
    load::inherit,
    many::Many,
};
use crate::{
    backend::{Backend, Bounded, Capabilities, Usage},
    engine::{
        call::{Call, Options},
        kit::Kit,
    },
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, Namespace, StoreKey},
    ttl::Ttl,
};
pub use crate::{
    engine::{
        change::Swapped,
        events::{Event, Listener},
        fetched::{Encoded, Fetched, Found, Status},
        loaded::{LoadContext, Loaded},
        stats::Stats,
    },
    policy::{
        Abandon, DEFAULT_ERROR_BACKOFF, DEFAULT_LOAD_LIMIT, DEFAULT_MAX_LOADS, DEFAULT_NEGATIVE_TTL,
        DEFAULT_TTL, Policy, Unfit,
    },
    value::Value,
};

/// A typed handle on a store, with a namespace and a policy. Cloning it is cheap and shares everything.
///
/// Reads give a [`Fetched`], which derefs to the value and knows where it came from. A store that fails is an
/// error of [`get`](Self::get), [`set`](Self::set) and their like, and never one of
/// [`get_or_load`](Self::get_or_load): there the loader answers.
///
/// Whatever a call waits for in its store takes no longer in sum than the store's
/// [deadline](Capabilities::deadline), however many round trips it is. What is not done by then is done in the background
/// or, where nobody can know what came of it, not at all.
pub struct Cache<T> {
    kit: Arc<Kit<T>>,
}

impl<T: Value> Cache<T> {
    /// Begins a cache on this store. [`CacheBuilder::namespace`] is all that must be given.
    pub fn builder(backend: impl Backend) -> CacheBuilder<T> {
        CacheBuilder::new(Arc::new(backend))
    }

    /// The name of the cache: in the configuration, in logs and in metrics.
    pub fn name(&self) -> &str {
        &self.kit.name
    }

    /// The namespace of its keys.
    pub fn namespace(&self) -> &Namespace {
        &self.kit.namespace
    }

    /// What the store, with everything around it, can do.
    pub fn capabilities(&self) -> Capabilities {
        *self.kit.store.capabilities()
    }

    /// How long an entry lives when nothing else is said.
    pub fn default_ttl(&self) -> Ttl {
        self.kit.policy.ttl
    }

    /// How long values live, and what happens when they are old or cannot be had.
    pub fn policy(&self) -> &Policy {
        &self.kit.policy
    }

    /// What has happened since the cache was made, in this process.
    pub fn stats(&self) -> Stats {
        self.kit.events.stats()
    }

    /// How full the store is, if it is [bounded](crate::backend::Bounded) in this process's memory: with the entries of all
    /// caches on it.
    pub fn usage(&self) -> Option<Usage> {
        self.kit.store.backend().bounded().map(Bounded::usage)
    }

    /// Begins a call with options of its own: a TTL, tags, metadata, another policy.
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
    pub fn at<'a>(&'a self, key: &'a Key) -> CallBuilder<'a, T> {
        CallBuilder::new(self, key)
    }

    /// Ends the use of the store, for this cache and every other on it: later calls fail with
    /// [`ErrorKind::Closed`]. Closing twice is no error.
    pub async fn close(&self) -> Result<()> {
        self.kit.store.close().await
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
        Ok(StoreKey::new(&self.kit.namespace, key))
    }

    fn call(&self, options: Options, operation: Operation) -> Result<Call> {
        Call::new(options, &self.kit.policy, self.kit.store.capabilities(), operation)
    }
}

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self { kit: Arc::clone(&self.kit) }
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.kit.name)
            .field("namespace", &self.kit.namespace)
            .field("policy", &self.kit.policy)
            .field("backend", self.kit.store.backend())
            .finish_non_exhaustive()
    }
}
