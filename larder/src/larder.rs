//! [`Larder`]: the stores of a configuration, and the caches on them.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use larder_core::{
    Backend, Cache, Chain, Clock, Error, ErrorKind, Result,
    cache::{CacheBuilder, Listener, Stats, Value},
    error::Operation,
};

use crate::{
    config::{Advice, Explanation},
    plan::{self, CachePlan, Plan, find_cache, shares_namespace, unknown},
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
    stats: Box<dyn Fn() -> Stats + Send + Sync>,
    /// Whose keys it has: the store and the namespace.
    place: (String, String),
}

impl Larder {
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
    /// the cache is there already, it is that one, and `adjust` is not called. `adjust` may itself ask for caches. Of two
    /// threads that ask for a new cache at once, both may call theirs, and one of the two caches is the one that both get.
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
        if let Some(handle) = self.caches().get(name) {
            return handle.get(name);
        }
        let policy = self.policy(name).ok_or_else(|| {
            refuse(unknown("cache", name, self.inner.plan.caches.keys().map(String::as_str)))
        })?;
        // Without the lock: the program's closure may ask for another cache, or for this one.
        let cache = adjust(self.prepare(name, policy)?).build()?;
        let place = (policy.store.clone(), cache.namespace().text().to_owned());
        let mut caches = self.caches();
        if let Some(handle) = caches.get(name) {
            // Somebody else was faster; there is one cache for each name.
            return handle.get(name);
        }
        if let Some((other, _)) = caches.iter().find(|(_, handle)| handle.place == place) {
            return Err(refuse(format!("cache {name:?}: {}", shares_namespace(&place.1, other, None))));
        }
        let counted = cache.clone();
        let handle = Handle {
            type_id: TypeId::of::<T>(),
            type_name: type_name::<T>(),
            cache: Box::new(cache.clone()),
            stats: Box::new(move || counted.stats()),
            place,
        };
        caches.insert(name.to_owned(), handle);
        Ok(cache)
    }

    fn caches(&self) -> MutexGuard<'_, HashMap<String, Handle>> {
        self.inner.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn policy(&self, name: &str) -> Option<&CachePlan> {
        let plan = &self.inner.plan;
        find_cache(&plan.caches, name).or(plan.undeclared.as_ref())
    }

    /// A cache as it is configured, before the program adds to it.
    fn prepare<T: Value>(&self, name: &str, policy: &CachePlan) -> Result<CacheBuilder<T>> {
        let plan = &self.inner.plan;
        // A plan has every store that its policies name.
        let store = plan
            .stores
            .get(&policy.store)
            .ok_or_else(|| refuse(format!("there is no store {:?}", policy.store)))?;
        let near: Vec<_> = policy.near.iter().filter_map(|name| plan.stores.get(name)).collect();
        let builder = if near.is_empty() {
            Cache::builder(Arc::clone(store))
        } else {
            let settings = &policy.written.near;
            let mut chain = Chain::new(Arc::clone(store), &self.inner.clock)
                .ttl_without_bus(settings.ttl_without_bus.get());
            if let Some(ttl) = settings.ttl.0 {
                chain = chain.near_ttl(ttl)?;
            }
            if !settings.bus {
                chain = chain.without_bus();
            }
            Cache::builder(near.into_iter().try_fold(chain, |chain, near| chain.near(Arc::clone(near)))?)
        };
        let builder = builder
            .name(name)
            .namespace(policy.namespace.as_deref().unwrap_or(name))
            .schema(policy.schema)
            .policy(policy.policy)
            .clock(self.inner.clock.clone())
            .formats(plan.formats.clone())
            .shared_format(Arc::clone(&policy.format))
            .codecs(plan.codecs.clone())
            .compression(policy.compression.clone())
            .max_value(policy.max_value)
            .invalidation_lag(policy.invalidation_lag);
        Ok(match &self.inner.listener {
            Some(listener) => builder.listener(Arc::clone(listener)),
            None => builder,
        })
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

    /// The settings of a section of the program's own, which [`Registry::register_section`](crate::Registry::register_section)
    /// made known. `None` if it is of another type, or was registered by no one, or needs settings that no layer has.
    pub fn section<S: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<S>> {
        let settings = self.inner.plan.sections.get(name)?;
        Arc::clone(settings).downcast().ok()
    }

    /// What is accepted and probably not what was wanted: settings without effect, limits that contradict each other, a
    /// server that evicts what a cache needs, caches whose counts say that they cost more than they save. The part that is known when the configuration is read was logged
    /// then, once, and is in [`explain`](Self::explain); the rest is counted now, in this process. Costs a lock and some
    /// loads for each cache.
    ///
    /// ```
    /// # fn main() -> Result<(), larder::Error> {
    /// let larder = larder::Larder::builder()
    ///     .set("stores.main.backend", "null")
    ///     .set("caches.search.soft_deadline", "50ms")
    ///     .build()?;
    /// let advice = larder.advice();
    /// assert_eq!(advice[0].key, "caches.search.soft_deadline");
    /// assert!(advice[0].message.contains("there is never a stale value to serve instead"));
    /// # Ok(()) }
    /// ```
    pub fn advice(&self) -> Vec<Advice> {
        let plan = &self.inner.plan;
        let mut all = plan.advice.clone();
        for (name, store) in &plan.stores {
            all.extend(store.advice().into_iter().map(|message| Advice::of_store(name, message)));
        }
        let caches = self.caches();
        let mut names: Vec<&String> = caches.keys().collect();
        names.sort_unstable();
        for name in names {
            let (Some(policy), Some(handle)) = (self.policy(name), caches.get(name)) else { continue };
            let Some(store) = plan.stores.get(&policy.store) else { continue };
            all.extend(plan::of_stats(name, policy, &store.capabilities(), &(handle.stats)()));
        }
        all
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
