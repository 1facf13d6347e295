//! `get_or_load`: the value from the store, or from the caller's loader.

use std::error::Error as StdError;

use super::{Cache, Encoded, Fetched, Value};
use crate::{
    engine::{
        ask::ask,
        call::{Call, Options},
        loader::{Loader, Plain},
        look::{self, Now},
        reading::{AsIs, Reading},
        waits,
    },
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, StoreKey},
};

impl<T: Value> Cache<T> {
    /// The value of this key; if the store has none, or fails, what the loader makes.
    ///
    /// Of all who ask for one key at once in this process, one runs its loader. As soon as that waits for something
    /// it is in a task of its own, and goes on when the caller goes away. What it makes is stored for the cache's default TTL, unless the key was
    /// written, deleted or invalidated meanwhile; [`at`](Self::at) has more options, and the cache's
    /// [`Policy`](super::Policy) says when a stale value is served instead. When the store failed, nothing is
    /// written to it.
    ///
    /// A hit in memory costs no allocation and does not call `loader`.
    ///
    /// # Errors
    /// Only what the loader does: [`ErrorKind::Load`] with the loader's own error as
    /// [`load_error`](crate::Error::load_error), [`ErrorKind::Panicked`],
    /// [`ErrorKind::Timeout`] after the policy's hard deadline or load limit,
    /// [`ErrorKind::Recursion`] when the loader of a key waits for that key, directly or by way
    /// of other loaders; [`ErrorKind::InvalidKey`] for an empty key; and
    /// [`ErrorKind::NoRuntime`] outside a tokio runtime, when there is something to load. Nothing
    /// is stored then, and the next call tries again.
    pub fn get_or_load<F, Fut, E>(
        &self,
        key: &Key,
        loader: F,
    ) -> impl Future<Output = Result<Fetched<T>>> + Send
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.get_or_load_by(key, Options::default(), Plain(loader))
    }

    /// A hit at once; otherwise the loader moves to the heap, and the call with it, so that neither is held in the caller's
    /// future more than once.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async fn holds its arguments twice: as it was given them, and moved"
    )]
    pub(super) fn get_or_load_by<L: Loader<T>>(
        &self,
        key: &Key,
        options: Options,
        loader: L,
    ) -> impl Future<Output = Result<Fetched<T>>> + Send {
        async move {
            let store_key = self.store_key(key, Operation::Get)?;
            let mut known = None;
            // What another policy makes of what is there is found out the slow way, and what may be beyond a limit is checked
            // before anything is looked at: a call is refused or not, whatever others have left in the store.
            if options.policy.is_none()
                && !options.fresh
                && !options.from_store
                && options.are_surely_allowed()
            {
                match look::now(&self.kit, &store_key) {
                    Now::Hit(fetched) => return Ok(fetched),
                    Now::Early(entry) => known = Some(entry),
                    Now::Unknown => {}
                }
            }
            let call = self.call(options, Operation::Load)?;
            Box::pin(self.ask_one(store_key, call, loader, known)).await
        }
    }

    /// The same for bytes.
    pub(super) async fn get_or_load_encoded_by<L: Loader<T>>(
        &self,
        key: &Key,
        options: Options,
        loader: L,
    ) -> Result<Encoded<T>> {
        let store_key = self.store_key(key, Operation::Get)?;
        let call = self.call(options, Operation::Load)?;
        let read: AsIs = Box::pin(self.ask_one(store_key, call, loader, None)).await?;
        look::encoded(&self.kit, &store_key, read).await
    }

    async fn ask_one<R: Reading<T>, L: Loader<T>>(
        &self,
        key: StoreKey<'_>,
        call: Call,
        loader: L,
        known: Option<Entry>,
    ) -> Result<R> {
        let answers = ask(&self.kit, &[key], call, loader, known).await;
        let answer = answers.into_iter().next().unwrap_or(Ok(None))?;
        answer.ok_or_else(|| {
            Error::new(
                ErrorKind::Load,
                Operation::Load,
                "the loader was asked for one value and returned none",
            )
        })
    }
}

/// Hands the knowledge of which load's loader runs here on to a task that this loader spawns, so that waiting in circles is
/// noticed there, too, and so that what the task loads needs no place of its own among the
/// [concurrent loads](super::Policy::max_loads).
///
/// ```
/// # use larder_core::{Cache, Key, backend::NullBackend, cache::inherit};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
/// # let cache: Cache<u32> = Cache::builder(NullBackend::new()).namespace("n").build()?;
/// # let inner = cache.clone();
/// let sum = cache
///     .get_or_load(&Key::new("sum"), move || async move {
///         let part = tokio::spawn(inherit(async move {
///             inner.get_or_load(&Key::new("part"), || async { Ok::<_, std::io::Error>(1) }).await
///         }));
///         Ok::<_, Box<dyn std::error::Error + Send + Sync>>(*part.await?? + 1)
///     })
///     .await?;
/// assert_eq!(*sum, 2);
/// # Ok(()) }
/// ```
pub fn inherit<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let load = waits::current();
    async move {
        match load {
            Some(load) => waits::within(load, work).await,
            None => work.await,
        }
    }
}
