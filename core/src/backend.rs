//! The trait that a store implements, and what its methods take and give.
//!
//! Users of a cache do not meet it: they have [`Cache`](crate::Cache). Implementors find the rules here, and
//! the conformance suite checks them.

mod capabilities;
mod null;

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

pub use self::{capabilities::Capabilities, null::NullBackend};
use crate::{
    entry::{Entry, Lifetime, Token},
    error::Result,
    key::StoreKey,
    miss::Miss,
    ttl::Ttl,
    versions::Versions,
};

/// What a lookup found. The third possibility, that the store could not say, is an
/// [`Error`](crate::Error) around it and never a miss.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// There is an entry.
    Hit(Entry),
    /// There is none, and why.
    Miss(Miss),
}

impl Lookup {
    /// The entry, if there is one.
    pub fn entry(self) -> Option<Entry> {
        match self {
            Self::Hit(entry) => Some(entry),
            Self::Miss(_) => None,
        }
    }
}

impl From<Result<Entry, Miss>> for Lookup {
    fn from(read: Result<Entry, Miss>) -> Self {
        match read {
            Ok(entry) => Self::Hit(entry),
            Err(miss) => Self::Miss(miss),
        }
    }
}

/// When a write takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// Only if there is no live entry.
    Absent,
    /// Only if there is a live entry.
    Present,
    /// Only if the entry is still in the state that this token, from [`Entry::token`], names.
    Unchanged(Token),
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetOptions {
    /// How long the store keeps the entry; never zero. The entry's own [`Lifetime`] says the same as moments
    /// of the writer's clock; a store that counts time by itself uses this one.
    pub ttl: Ttl,
    /// When the write takes place.
    pub condition: Condition,
}

impl SetOptions {
    /// Always, for this long.
    pub const fn new(ttl: Ttl) -> Self {
        Self { ttl, condition: Condition::Always }
    }

    /// The same under a condition.
    pub const fn when(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }
}

/// One write of many.
#[derive(Debug, Clone)]
pub struct SetItem<'a> {
    /// Where.
    pub key: StoreKey<'a>,
    /// What.
    pub entry: Entry,
    /// How.
    pub options: SetOptions,
}

/// A store, or a layer around one.
///
/// # Contract
/// - **Three answers.** A lookup is a hit, a miss with a reason, or an error. A store that fails is an error,
///   never a miss and never an empty list.
/// - **No default that lies.** What a store cannot do is [`ErrorKind::Unsupported`](crate::ErrorKind).
/// - **Constructing connects to nothing.** A store that is down is an error of the first operation, and is
///   used again by itself when it is back.
/// - **Dropping a future is safe at every point.** A reply reaches only the request that caused it; a
///   connection whose state is in doubt is closed.
/// - **Bytes from a store are hostile.** Remote stores give them to [`envelope::read`](crate::envelope::read)
///   and return what it says.
/// - **Operations are bounded in time**, either here or by a [`Deadline`](crate::layer::Deadline) around.
/// - Errors hold neither credentials nor values.
///
/// # Layers
/// A backend around a backend implements *every* method, the provided ones as well: a default that falls back
/// to single operations would silently undo the inner backend's bulk reads.
#[async_trait]
pub trait Backend: Send + Sync + Debug + 'static {
    /// What the store, with everything around it, can do.
    fn capabilities(&self) -> Capabilities;

    /// Looks a key up without waiting and without a future, if the store is in this process. `None` means
    /// "ask [`get`](Self::get)".
    ///
    /// Same behaviour as `get` otherwise. This is the hot path: it should not allocate.
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        let _ = key;
        None
    }

    /// Looks a key up.
    ///
    /// - Never returns an entry whose life is over by the store's own reckoning.
    /// - Does not change the entry's life.
    /// - Does not repair or remove bytes it cannot read: somebody may just have written better ones.
    async fn get(&self, key: &StoreKey<'_>) -> Result<Lookup>;

    /// Writes an entry: value, life and metadata are all replaced. `true` if it was written, `false` if the
    /// condition did not hold.
    ///
    /// - The life ends after `options.ttl`, rounded up to the store's resolution.
    /// - Of several concurrent writes with [`Condition::Absent`] exactly one is `true`, if
    ///   [`Capabilities::atomic_add`].
    /// - A value too large for the store is [`ErrorKind::TooLarge`](crate::ErrorKind), and the old entry is
    ///   gone, unless the write had a condition: then it is unchanged.
    /// - A condition the store cannot check is [`ErrorKind::Unsupported`](crate::ErrorKind).
    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<bool>;

    /// Gives a live entry another life; the value is unchanged. `false` if there is none.
    ///
    /// Later reads see the new [`Lifetime`], so a store of envelopes must also replace the moments in them.
    async fn touch(&self, key: &StoreKey<'_>, lifetime: Lifetime, ttl: Ttl) -> Result<bool>;

    /// Removes an entry. `true` if a live one was there; an expired one is none.
    async fn delete(&self, key: &StoreKey<'_>) -> Result<bool>;

    /// Ends the backend's use: later operations fail with [`ErrorKind::Closed`](crate::ErrorKind). Closing
    /// twice is no error. Nothing in the store is removed.
    async fn close(&self) -> Result<()>;

    /// Looks several keys up. One answer per key, in the order of the keys; a part of the store that fails
    /// fails its own keys only; no keys, no I/O; more than the store takes at once is split.
    ///
    /// The default asks one by one.
    async fn get_many(&self, keys: &[StoreKey<'_>]) -> Vec<Result<Lookup>> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.get(key).await);
        }
        found
    }

    /// Writes several entries; one answer each, as [`set`](Self::set) gives it.
    ///
    /// The default writes one by one.
    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<bool>> {
        let mut written = Vec::with_capacity(items.len());
        for item in items {
            written.push(self.set(&item.key, &item.entry, &item.options).await);
        }
        written
    }

    /// Removes several entries; one answer each, as [`delete`](Self::delete) gives it.
    ///
    /// The default removes one by one.
    async fn delete_many(&self, keys: &[StoreKey<'_>]) -> Vec<Result<bool>> {
        let mut removed = Vec::with_capacity(keys.len());
        for key in keys {
            removed.push(self.delete(key).await);
        }
        removed
    }

    /// The versions of tags and namespaces, when the store's entries are seen by this process alone. A store
    /// that other processes share has none: its versions are kept in the store itself.
    ///
    /// An in-process backend holds one [`Versions`] for as long as it holds entries and returns it here.
    fn versions(&self) -> Option<&Versions> {
        None
    }
}

/// A shared backend is a backend.
#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        (**self).get_now(key)
    }

    async fn get(&self, key: &StoreKey<'_>) -> Result<Lookup> {
        (**self).get(key).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<bool> {
        (**self).set(key, entry, options).await
    }

    async fn touch(&self, key: &StoreKey<'_>, lifetime: Lifetime, ttl: Ttl) -> Result<bool> {
        (**self).touch(key, lifetime, ttl).await
    }

    async fn delete(&self, key: &StoreKey<'_>) -> Result<bool> {
        (**self).delete(key).await
    }

    async fn close(&self) -> Result<()> {
        (**self).close().await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>]) -> Vec<Result<Lookup>> {
        (**self).get_many(keys).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<bool>> {
        (**self).set_many(items).await
    }

    async fn delete_many(&self, keys: &[StoreKey<'_>]) -> Vec<Result<bool>> {
        (**self).delete_many(keys).await
    }

    fn versions(&self) -> Option<&Versions> {
        (**self).versions()
    }
}
