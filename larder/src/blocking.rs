//! Caches for code that is not asynchronous: command-line programs, threads, pools of them.
//!
//! ```
//! use larder::{Key, Larder, blocking};
//!
//! # fn main() -> Result<(), larder::Error> {
//! # let larder = Larder::builder().set("stores.main.backend", "null").build()?;
//! # #[cfg(any())]
//! let larder = Larder::load()?;
//! let runtime = blocking::Runtime::new()?;
//! let names: blocking::Cache<String> = runtime.cache(larder.cache("names")?);
//!
//! let name = names.get_or_load(&Key::new("name").part(7), || std::fs::read_to_string("/proc/sys/kernel/hostname"))?;
//! # Ok(()) }
//! ```
//!
//! # Notes
//! A call hands its work to the runtime and blocks its thread until that is done. It works in any thread, also in one that runs
//! tasks of another runtime, which then does nothing else meanwhile. Loads in progress and connections belong to the runtime, so
//! keep one for the whole program: what is still loading when it ends is dropped.
//!
//! A loader runs on a thread where blocking is allowed. One that asks for its own key waits for itself, until
//! [`load_limit`](crate::cache::Policy::load_limit): the recursion is not seen through a thread.

use std::{
    future::Future,
    sync::{Arc, mpsc},
};

use larder_core::{Cache as Async, Error, ErrorKind, Fetched, Key, Result, cache::Value, error::Operation};
use tokio::runtime::{self, Handle, RuntimeFlavor};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where the work of blocking calls is done. Cloning it is cheap, and all clones are one.
#[derive(Debug, Clone)]
pub struct Runtime {
    handle: Handle,
    /// Ends with the last clone.
    _owned: Option<Arc<Owned>>,
}

#[derive(Debug)]
struct Owned(Option<runtime::Runtime>);

impl Drop for Owned {
    fn drop(&mut self) {
        // Dropping it would wait for what runs on it, which is refused in a task of another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Runtime {
    /// A runtime of its own, with one thread, and more while loaders block.
    ///
    /// # Errors
    /// [`ErrorKind::NoRuntime`] if the system gives no thread.
    pub fn new() -> Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("larder-blocking")
            .enable_all()
            .build()
            .map_err(|why| {
                Error::new(ErrorKind::NoRuntime, Operation::Build, "no thread could be started")
                    .with_source(why)
            })?;
        Ok(Self { handle: runtime.handle().clone(), _owned: Some(Arc::new(Owned(Some(runtime)))) })
    }

    /// A runtime that is there already. Somebody has to keep it, and to drive it if it is of one thread: calls wait for that.
    pub fn on(handle: Handle) -> Self {
        Self { handle, _owned: None }
    }

    /// The cache, for blocking calls. The asynchronous one stays usable beside it; both are one cache.
    pub fn cache<T: Value>(&self, cache: Async<T>) -> Cache<T> {
        Cache { cache, runtime: self.clone() }
    }

    /// Does any asynchronous work here and waits for it: for what [`Cache`] has no method for, and for
    /// [`Larder::close`](crate::Larder::close).
    ///
    /// # Errors
    /// [`ErrorKind::NoRuntime`] when the runtime has ended, and in a thread that drives the runtime of one thread that it would
    /// wait for; [`ErrorKind::Panicked`] when the work panicked.
    pub fn wait<F>(&self, work: F) -> Result<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let refuse = |kind, why| Err(Error::new(kind, Operation::Load, why));
        let is_here = Handle::try_current().is_ok_and(|here| here.id() == self.handle.id());
        if is_here && self.handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
            let why = "a blocking call would wait for its own thread; use the asynchronous cache there";
            return refuse(ErrorKind::NoRuntime, why);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        drop(self.handle.spawn(async move {
            // The caller is waiting for it.
            let _ = sender.send(work.await);
        }));
        match receiver.recv() {
            Ok(output) => Ok(output),
            // A runtime that has ended drops what it is given; in another one, the work panicked.
            Err(_) if !self.has_ended() => {
                refuse(ErrorKind::Panicked, "the work of a blocking call panicked")
            }
            Err(_) => refuse(
                ErrorKind::NoRuntime,
                "the runtime of a blocking call has ended; keep it as long as its caches",
            ),
        }
    }

    /// Whether the runtime takes no more work: a task that does nothing is cancelled there.
    fn has_ended(&self) -> bool {
        let (sender, receiver) = mpsc::sync_channel(1);
        drop(self.handle.spawn(async move { sender.send(()) }));
        receiver.recv().is_err()
    }
}

/// A cache whose calls block. Cloning it is cheap and shares everything.
#[derive(Debug, Clone)]
pub struct Cache<T> {
    cache: Async<T>,
    runtime: Runtime,
}

impl<T: Value> Cache<T> {
    /// The asynchronous cache that this is.
    pub fn as_async(&self) -> &Async<T> {
        &self.cache
    }

    /// As [`Cache::get`](crate::Cache::get).
    ///
    /// # Errors
    /// As there, and [`ErrorKind::NoRuntime`] as for [`Runtime::wait`]; so for all methods.
    pub fn get(&self, key: &Key) -> Result<Option<Fetched<T>>> {
        self.with(key, |cache, key| async move { cache.get(&key).await })
    }

    /// As [`Cache::get_or_load`](crate::Cache::get_or_load), with a loader that blocks. Of several threads that miss the same
    /// key, one loads.
    pub fn get_or_load<F, E>(&self, key: &Key, load: F) -> Result<Fetched<T>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.with(key, |cache, key| async move {
            let load = move || async move {
                match tokio::task::spawn_blocking(load).await {
                    Ok(loaded) => loaded.map_err(Into::into),
                    Err(ended) => match ended.try_into_panic() {
                        // The cache tells its callers of it.
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(cancelled) => Err(BoxError::from(cancelled)),
                    },
                }
            };
            cache.get_or_load(&key, load).await
        })
    }

    /// As [`Cache::set`](crate::Cache::set).
    pub fn set(&self, key: &Key, value: T) -> Result<()> {
        self.with(key, |cache, key| async move { cache.set(&key, value).await })
    }

    /// As [`Cache::delete`](crate::Cache::delete).
    pub fn delete(&self, key: &Key) -> Result<bool> {
        self.with(key, |cache, key| async move { cache.delete(&key).await })
    }

    /// As [`Cache::invalidate_tag`](crate::Cache::invalidate_tag).
    pub fn invalidate_tag(&self, tag: &str) -> Result<()> {
        let (cache, tag) = (self.cache.clone(), tag.to_owned());
        self.runtime.wait(async move { cache.invalidate_tag(&tag).await })?
    }

    /// As [`Cache::clear`](crate::Cache::clear).
    pub fn clear(&self) -> Result<()> {
        let cache = self.cache.clone();
        self.runtime.wait(async move { cache.clear().await })?
    }

    fn with<R, Fut>(&self, key: &Key, work: impl FnOnce(Async<T>, Key) -> Fut) -> Result<R>
    where
        R: Send + 'static,
        Fut: Future<Output = Result<R>> + Send + 'static,
    {
        self.runtime.wait(work(self.cache.clone(), key.clone()))?
    }
}
