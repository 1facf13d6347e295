//! A call with options of its own.

use std::{error::Error as StdError, fmt, sync::Arc};

use bytes::Bytes;

use super::{Cache, Encoded, Fetched, LoadContext, Loaded, Policy, Swapped, Value};
use crate::{
    backend::Condition,
    engine::{
        call::Options,
        change,
        fetched::Found,
        loader::{Knowing, Plain},
        look,
    },
    entry::Entry,
    error::{Operation, Result},
    key::Key,
    ttl::Ttl,
};

/// A call on one key, with options. Made by [`Cache::at`].
#[must_use = "options alone do nothing; end with set, add, get_or_load or another verb"]
pub struct CallBuilder<'a, T> {
    cache: &'a Cache<T>,
    key: &'a Key,
    options: Options,
}

impl<'a, T: Value> CallBuilder<'a, T> {
    pub(super) fn new(cache: &'a Cache<T>, key: &'a Key) -> Self {
        Self { cache, key, options: Options::default() }
    }

    /// How long what is written lives. Default: the cache's.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.options.ttl = Some(ttl.into());
        self
    }

    /// Changes the cache's policy for this call:
    ///
    /// ```
    /// # use larder_core::{Cache, Key, backend::NullBackend};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
    /// # let cache: Cache<String> = Cache::builder(NullBackend::new()).namespace("pages").build()?;
    /// # let key = Key::new("k");
    /// let page = cache
    ///     .at(&key)
    ///     .policy(|policy| policy.hard_deadline(Duration::from_millis(200)))
    ///     .get_or_load(|| async { Ok::<_, std::io::Error>("<html>".to_owned()) })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// [`max_loads`](Policy::max_loads) bounds the loads of the cache together: another one here is refused, and so is a
    /// policy that cannot be, with [`ErrorKind::Config`](crate::ErrorKind::Config).
    pub fn policy(mut self, change: impl FnOnce(Policy) -> Policy) -> Self {
        let policy = self.options.policy.take().map_or(*self.cache.policy(), |policy| *policy);
        self.options.policy = Some(Box::new(change(policy)));
        self
    }

    /// Takes nothing of what is there: the loader is called, or a load is joined that was begun after this call. What it makes
    /// is stored unless the key was written, removed or invalidated meanwhile.
    pub fn fresh(mut self) -> Self {
        self.options.fresh = true;
        self
    }

    /// Reads from the store itself, also where a [chain](crate::chain::Chain) has a near copy: for a reader who must see what
    /// another process has just written. Costs a round trip; on a store without near copies nothing.
    ///
    /// ```
    /// # use larder_core::{Cache, Key, backend::NullBackend};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
    /// # let cache: Cache<u64> = Cache::builder(NullBackend::new()).namespace("stock").build()?;
    /// let left = cache.at(&Key::new("plums")).from_store().get().await?;
    /// # assert!(left.is_none());
    /// # Ok(()) }
    /// ```
    pub fn from_store(mut self) -> Self {
        self.options.from_store = true;
        self
    }

    /// As [`Cache::get`]. Of the options only [`from_store`](Self::from_store) says something of a plain read.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get(self) -> Result<Option<Fetched<T>>> {
        if !self.options.from_store {
            return self.cache.get(self.key).await;
        }
        let key = self.cache.store_key(self.key, Operation::Get)?;
        match look::look_far(&self.cache.kit, &key).await? {
            Found::Hit(fetched) => Ok(Some(fetched)),
            Found::Miss(_) => Ok(None),
        }
    }

    /// Writes under this tag, so that [`Cache::invalidate_tag`] removes it. 1 to 255 bytes, up to 64 tags an
    /// entry; the same tag twice counts once. On a shared store a tag that was not seen for the
    /// [lag](super::CacheBuilder::invalidation_lag) costs a round trip, all tags of all callers together.
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.options.tags.push(tag.into());
        self
    }

    /// Writes under these tags.
    pub fn tags<S: Into<Arc<str>>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.options.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Puts a small piece of data beside the value, which can be read without decoding it: at most 255 of
    /// them (one less where reading extends TTLs or the answer is negative), names up to 255 bytes and none that begins with `larder.`, 63 KiB together with the tags.
    pub fn user_meta(mut self, name: impl Into<Arc<str>>, data: impl Into<Bytes>) -> Self {
        self.options.user.push((name.into(), data.into()));
        self
    }

    /// As [`Cache::set`].
    pub async fn set(self, value: T) -> Result<()> {
        self.write(value, Condition::Always).await.map(drop)
    }

    /// As [`Cache::add`].
    pub async fn add(self, value: T) -> Result<bool> {
        self.write(value, Condition::Absent).await
    }

    /// As [`Cache::replace`].
    pub async fn replace(self, value: T) -> Result<bool> {
        self.swap(value, None).await.map(|swapped| swapped == Swapped::Yes)
    }

    /// Writes a value if the entry is still the one that was fetched.
    ///
    /// # Errors
    /// As for [`Cache::set`], but what is there stays when the new value is too large; and
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) on a store that cannot compare.
    pub async fn compare_and_set(self, fetched: &Fetched<T>, value: T) -> Result<Swapped> {
        self.swap(value, Some(&fetched.entry)).await
    }

    async fn swap(self, value: T, expected: Option<&Entry>) -> Result<Swapped> {
        let key = self.cache.store_key(self.key, Operation::Set)?;
        let call = self.cache.call(self.options, Operation::Set)?;
        change::replace(&self.cache.kit, &call, key, value, expected).await
    }

    async fn write(self, value: T, condition: Condition) -> Result<bool> {
        let key = self.cache.store_key(self.key, Operation::Set)?;
        let mut written = self.cache.write(vec![(key, value)], self.options, condition).await?;
        written.pop().unwrap_or(Ok(false))
    }

    /// As [`Cache::get_or_load`].
    pub fn get_or_load<F, Fut, E>(self, loader: F) -> impl Future<Output = Result<Fetched<T>>> + Send + 'a
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.cache.get_or_load_by(self.key, self.options, Plain(loader))
    }

    /// As [`Cache::get_or_load`], with a loader that is told what was there before, and that may decide how long
    /// its answer lives, whether it is stored, or that nothing has changed.
    ///
    /// ```
    /// # use larder_core::{Cache, Key, backend::NullBackend, cache::Loaded};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
    /// # let cache: Cache<Option<String>> = Cache::builder(NullBackend::new()).namespace("n").build()?;
    /// # let key = Key::new("k");
    /// let name = cache
    ///     .at(&key)
    ///     .get_or_load_with(|context| async move {
    ///         match context.old() {
    ///             // A real loader would ask whether this is still right.
    ///             Some(_) => Ok(Loaded::unchanged()),
    ///             None => Ok::<_, std::io::Error>(Loaded::negative(None)),
    ///         }
    ///     })
    ///     .await?;
    /// assert_eq!(*name, None);
    /// # Ok(()) }
    /// ```
    pub fn get_or_load_with<F, Fut, E>(
        self,
        loader: F,
    ) -> impl Future<Output = Result<Fetched<T>>> + Send + 'a
    where
        F: FnOnce(LoadContext<T>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<T>, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.cache.get_or_load_by(self.key, self.options, Knowing(loader))
    }

    /// The encoded value, as [`Cache::get_encoded`] gives it; if the store has none, what the loader makes, as
    /// [`Cache::get_or_load`] would have it, encoded.
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`], and [`ErrorKind::Encode`](crate::ErrorKind::Encode) when the value
    /// cannot be written in the cache's format.
    pub async fn get_or_load_encoded<F, Fut, E>(self, loader: F) -> Result<Encoded<T>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        self.cache.get_or_load_encoded_by(self.key, self.options, Plain(loader)).await
    }
}

impl<T> fmt::Debug for CallBuilder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBuilder")
            .field("key", self.key)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
