//! What implements [`Forward`] is a [`Backend`].

use super::{Answer, Forward};
use crate::{
    backend::{
        Backend, Bounded, Bus, Capabilities, Circuit, Counters, DeleteItem, DeleteOptions, Era, GetOptions,
        Invalidation, Listing, Lookup, SetItem, SetOptions, Shards, TouchItem, TouchOptions, Written,
    },
    entry::Entry,
    error::Result,
    key::StoreKey,
};

/// A layer is a backend.
impl<L: Forward> Backend for L {
    fn capabilities(&self) -> Capabilities {
        Forward::capabilities(self)
    }

    #[inline]
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        Forward::get_now(self, key)
    }

    #[inline]
    fn invalidation(&self) -> Invalidation<'_> {
        Forward::invalidation(self)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Forward::counters(self)
    }

    fn bus(&self) -> Option<&dyn Bus> {
        Forward::bus(self)
    }

    fn listing(&self) -> Option<&dyn Listing> {
        Forward::listing(self)
    }

    fn about<'life0, 'async_trait>(&'life0 self) -> Answer<'async_trait, Result<Vec<String>>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Forward::about(self)
    }

    fn shards(&self) -> Option<&dyn Shards> {
        Forward::shards(self)
    }

    fn era(&self) -> Option<Era> {
        Forward::era(self)
    }

    fn circuits(&self) -> Vec<Circuit> {
        Forward::circuits(self)
    }

    fn advice(&self) -> Vec<String> {
        Forward::advice(self)
    }

    fn bounded(&self) -> Option<&dyn Bounded> {
        Forward::bounded(self)
    }

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
        Forward::get(self, key, options)
    }

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
        Forward::set(self, key, entry, options)
    }

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
        Forward::touch(self, key, options)
    }

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
        Forward::delete(self, key, options)
    }

    fn close<'life0, 'async_trait>(&'life0 self) -> Answer<'async_trait, Result<()>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Forward::close(self)
    }

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
        Forward::get_many(self, keys, options)
    }

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
        Forward::set_many(self, items)
    }

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
        Forward::touch_many(self, items)
    }

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
        Forward::delete_many(self, items)
    }
}
