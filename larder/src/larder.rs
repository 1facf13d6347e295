//! [`Larder`]: the stores of a configuration, and the caches on them.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use larder_core::{
    Backend, Cache, Clock, Error, ErrorKind, Result,
    cache::{CacheBuilder, Listener, Value},
    error::Operation,
};

use crate::{
    Builder,
    config::{Explanation, Plan, find_cache, shares_namespace, unknown},
};

/// The stores of a configuration, and the caches on them. Cloning it is cheap and shares everything.
#[derive(Clone)]
pub struct Larder {
    inner: Arc<Inner>,
}

struct Inner {
    plan: Plan,
    clock: Clock,
    listener: Option<Arc<dyn Listener>>,
    caches: Mutex<HashMap<String, Handle>>,
}

/// A cache that was asked for, of whatever type.
struct Handle {
    type_id: TypeId,
    type_name: &'static str,
    cache: Box<dyn Any + Send + Sync>,
    /// Whose keys it has: the store and the namespace.
    place: (String, String),
}

impl Larder {
    /// Says where the configuration comes from.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The same as `Larder::builder().build()`: `larder.toml`, profile and environment as they are found.
    ///
    /// # Errors
    /// As for [`Builder::build`].
    pub fn load() -> Result<Self> {
        Self::builder().build()
    }

    pub(crate) fn new(plan: Plan, clock: Clock, listener: Option<Arc<dyn Listener>>) -> Self {
        Self { inner: Arc::new(Inner { plan, clock, listener, caches: Mutex::default() }) }
    }

    /// The cache of this name. Asked again, it is the same one: it shares loads in progress and counters.
    ///
    /// If the configuration (its files or the program) declares caches, it must declare this one. If it
    /// declares none, every name is a cache with `[defaults]`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when there is no such cache, when it holds values of another type, or when it
    /// would have the namespace of another.
    pub fn cache<T: Value>(&self, name: &str) -> Result<Cache<T>> {
        self.cache_with(name, |builder| builder)
    }

    /// The cache of this name, with what only the program knows: its schema version or a weigher, say. When
    /// the cache is there already, it is that one, and `adjust` is not called.
    ///
    /// ```
    /// # fn main() -> Result<(), larder::Error> {
    /// # let larder = larder::Larder::builder().set("stores.main.backend", "null").build()?;
    /// let names = larder.cache_with("names", |cache| cache.weigher(|name: &String| name.len() as u64))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`cache`](Self::cache).
    pub fn cache_with<T: Value>(
        &self,
        name: &str,
        adjust: impl FnOnce(CacheBuilder<T>) -> CacheBuilder<T>,
    ) -> Result<Cache<T>> {
        let mut caches = self.inner.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = caches.get(name) {
            return handle.get(name);
        }
        let plan = &self.inner.plan;
        let policy = find_cache(&plan.caches, name)
            .or(plan.undeclared.as_ref())
            .ok_or_else(|| refuse(unknown("cache", name, plan.caches.keys().map(String::as_str))))?;
        // A plan has every store that its policies name.
        let store = plan
            .stores
            .get(&policy.store)
            .ok_or_else(|| refuse(format!("there is no store {:?}", policy.store)))?;
        let path = policy.namespace.as_deref().unwrap_or(name);
        let builder = Cache::builder(Arc::clone(store))
            .name(name)
            .namespace(path)
            .schema(policy.schema)
            .policy(policy.policy)
            .clock(self.inner.clock.clone())
            .formats(plan.formats.clone())
            .shared_format(Arc::clone(&policy.format))
            .codecs(plan.codecs.clone())
            .compression(policy.compression.clone())
            .max_value(policy.max_value)
            .invalidation_lag(policy.invalidation_lag);
        let builder = match &self.inner.listener {
            Some(listener) => builder.listener(Arc::clone(listener)),
            None => builder,
        };
        let cache = adjust(builder).build()?;
        let place = (policy.store.clone(), cache.namespace().text().to_owned());
        if let Some((other, _)) = caches.iter().find(|(_, handle)| handle.place == place) {
            return Err(refuse(format!("cache {name:?}: {}", shares_namespace(&place.1, other))));
        }
        let handle = Handle {
            type_id: TypeId::of::<T>(),
            type_name: type_name::<T>(),
            cache: Box::new(cache.clone()),
            place,
        };
        caches.insert(name.to_owned(), handle);
        Ok(cache)
    }

    /// A store, for what the configuration cannot say: a cache that is built by hand, a look at its
    /// capabilities.
    pub fn store(&self, name: &str) -> Option<Arc<dyn Backend>> {
        self.inner.plan.stores.get(name).map(Arc::clone)
    }

    /// Every value that holds, with the layer and the file, variable or line of code it came from. Secrets are
    /// hidden.
    pub fn explain(&self) -> &Explanation {
        &self.inner.plan.explanation
    }

    /// Ends the use of every store: later calls on their caches fail with [`ErrorKind::Closed`]. Nothing in
    /// the stores is removed. Closing twice is no error.
    ///
    /// # Errors
    /// The first of the errors that stores gave; all of them were closed.
    pub async fn close(&self) -> Result<()> {
        let mut result = Ok(());
        for store in self.inner.plan.stores.values() {
            result = result.and(store.close().await);
        }
        result
    }
}

impl Handle {
    fn get<T: Value>(&self, name: &str) -> Result<Cache<T>> {
        self.cache
            .downcast_ref::<Cache<T>>()
            .filter(|_| self.type_id == TypeId::of::<T>())
            .cloned()
            .ok_or_else(|| {
                refuse(format!(
                    "the cache {name:?} holds values of type {}, and cannot hold {} as well",
                    self.type_name,
                    type_name::<T>()
                ))
            })
    }
}

impl fmt::Debug for Larder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Larder")
            .field("stores", &self.inner.plan.stores)
            .field("caches", &self.inner.plan.caches.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::Config, Operation::Build, message)
}
