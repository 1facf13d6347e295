//! What every layer does with what it does not change.

mod backend;

use std::{fmt::Debug, future::Future, pin::Pin, sync::Arc};

use super::{
    Backend, Bounded, Bus, Capabilities, Circuit, Counters, DeleteItem, DeleteOptions, Era, GetOptions,
    Invalidation, Listing, Lookup, SetItem, SetOptions, Shards, TouchItem, TouchOptions, Written,
};
use crate::{entry::Entry, error::Result, key::StoreKey};

/// A backend around a backend. Every method hands on to [`inner`](Self::inner) unless the layer says otherwise, the
/// provided ones of [`Backend`] included, so that a bulk call stays one and a new ability is not lost on the way. What
/// implements this is a [`Backend`].
///
/// An ability such as [`counters`](Self::counters) is handed on as it is inside: a layer that bounds, counts or refuses
/// operations has to do so there as well, by having the ability itself.
///
/// Write the implementation under `#[async_trait]`, with the signatures of [`Backend`]:
///
/// ```
/// use larder_core::{Backend, Result, backend::{Forward, GetOptions, Lookup}, key::StoreKey};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// Counts single reads.
/// #[derive(Debug)]
/// struct Counted<B> { inner: B, reads: AtomicU64 }
///
/// #[async_trait::async_trait]
/// impl<B: Backend> Forward for Counted<B> {
///     type Inner = B;
///
///     fn inner(&self) -> &B {
///         &self.inner
///     }
///
///     async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
///         self.reads.fetch_add(1, Ordering::Relaxed);
///         self.inner.get(key, options).await
///     }
/// }
/// ```
pub trait Forward: Send + Sync + Debug + 'static {
    /// What is inside.
    type Inner: Backend + ?Sized;

    /// What is inside.
    fn inner(&self) -> &Self::Inner;

    /// As [`Backend::capabilities`].
    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }

    /// As [`Backend::get_now`].
    #[inline]
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        self.inner().get_now(key)
    }

    /// As [`Backend::invalidation`].
    #[inline]
    fn invalidation(&self) -> Invalidation<'_> {
        self.inner().invalidation()
    }

    /// As [`Backend::counters`].
    fn counters(&self) -> Option<&dyn Counters> {
        self.inner().counters()
    }

    /// As [`Backend::bus`].
    fn bus(&self) -> Option<&dyn Bus> {
        self.inner().bus()
    }

    /// As [`Backend::listing`].
    fn listing(&self) -> Option<&dyn Listing> {
        self.inner().listing()
    }

    /// As [`Backend::about`].
    fn about<'life0, 'async_trait>(&'life0 self) -> Answer<'async_trait, Result<Vec<String>>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().about()
    }

    /// As [`Backend::shards`].
    fn shards(&self) -> Option<&dyn Shards> {
        self.inner().shards()
    }

    /// As [`Backend::era`].
    fn era(&self) -> Option<Era> {
        self.inner().era()
    }

    /// As [`Backend::circuits`].
    fn circuits(&self) -> Vec<Circuit> {
        self.inner().circuits()
    }

    /// As [`Backend::advice`].
    fn advice(&self) -> Vec<String> {
        self.inner().advice()
    }

    /// As [`Backend::bounded`].
    fn bounded(&self) -> Option<&dyn Bounded> {
        self.inner().bounded()
    }

    /// As [`Backend::get`].
    fn get<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        key: &'life1 StoreKey<'life2>,
        options: &'life3 GetOptions,
    ) -> Answer<'async_trait, Result<Lookup>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().get(key, options)
    }

    /// As [`Backend::set`].
    fn set<'life0, 'life1, 'life2, 'life3, 'life4, 'async_trait>(
        &'life0 self,
        key: &'life1 StoreKey<'life2>,
        entry: &'life3 Entry,
        options: &'life4 SetOptions,
    ) -> Answer<'async_trait, Result<Written>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        'life4: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().set(key, entry, options)
    }

    /// As [`Backend::touch`].
    fn touch<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        key: &'life1 StoreKey<'life2>,
        options: &'life3 TouchOptions,
    ) -> Answer<'async_trait, Result<bool>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().touch(key, options)
    }

    /// As [`Backend::delete`].
    fn delete<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        key: &'life1 StoreKey<'life2>,
        options: &'life3 DeleteOptions,
    ) -> Answer<'async_trait, Result<bool>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().delete(key, options)
    }

    /// As [`Backend::close`].
    fn close<'life0, 'async_trait>(&'life0 self) -> Answer<'async_trait, Result<()>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().close()
    }

    /// As [`Backend::get_many`].
    fn get_many<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        keys: &'life1 [StoreKey<'life2>],
        options: &'life3 GetOptions,
    ) -> Answer<'async_trait, Vec<Result<Lookup>>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().get_many(keys, options)
    }

    /// As [`Backend::set_many`].
    fn set_many<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        items: &'life1 [SetItem<'life2>],
    ) -> Answer<'async_trait, Vec<Result<Written>>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().set_many(items)
    }

    /// As [`Backend::touch_many`].
    fn touch_many<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        items: &'life1 [TouchItem<'life2>],
    ) -> Answer<'async_trait, Vec<Result<bool>>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().touch_many(items)
    }

    /// As [`Backend::delete_many`].
    fn delete_many<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        items: &'life1 [DeleteItem<'life2>],
    ) -> Answer<'async_trait, Vec<Result<bool>>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        self.inner().delete_many(items)
    }
}

/// What `#[async_trait]` makes of an async method's answer. It is written out here so that a layer costs no allocation of
/// its own for what it only hands on.
type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A shared backend is a backend.
impl<B: Backend + ?Sized> Forward for Arc<B> {
    type Inner = B;

    #[inline]
    fn inner(&self) -> &B {
        self
    }
}
