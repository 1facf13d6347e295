//! Many keys at once.

use std::{collections::HashMap, sync::Arc, time::Instant};

use super::{Cache, Event, Fetched, Value, write::stored};
use crate::{
    backend::{SetItem, SetOptions},
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, StoreKey},
    miss::Miss,
};

impl<T: Value> Cache<T> {
    /// The values of several keys: one answer per key, in the order of the keys. A key that stands there twice
    /// is looked up once. No keys, no I/O; on a shared store it is one round trip per server.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] for all if one key is empty, before anything is asked. What a store fails is
    /// an error in the places of its own keys.
    pub async fn get_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k Key>,
    ) -> Result<Vec<Result<Option<Fetched<T>>>>> {
        let (distinct, places) = self.distinct(keys, Operation::Get)?;
        let found: Vec<_> = self.get_distinct(&distinct).await;
        let found: Vec<_> = found.into_iter().map(|found| found.map(Result::ok)).collect();
        Ok(places.into_iter().map(|place| found[place].clone()).collect())
    }

    /// Each key once, and at which place of those each of the given ones stands.
    pub(super) fn distinct<'a, 'k: 'a>(
        &'a self,
        keys: impl IntoIterator<Item = &'k Key>,
        operation: Operation,
    ) -> Result<(Vec<StoreKey<'a>>, Vec<usize>)> {
        let keys = keys.into_iter();
        let mut distinct: Vec<StoreKey<'a>> = Vec::with_capacity(keys.size_hint().0);
        let mut places: Vec<usize> = Vec::with_capacity(keys.size_hint().0);
        let mut seen: HashMap<&Key, usize> = HashMap::with_capacity(keys.size_hint().0);
        for key in keys {
            let store_key = self.store_key(key, operation)?;
            let place = *seen.entry(key).or_insert_with(|| {
                distinct.push(store_key);
                distinct.len() - 1
            });
            places.push(place);
        }
        Ok((distinct, places))
    }

    /// Looks keys up that are all different, and counts.
    pub(super) async fn get_distinct(&self, keys: &[StoreKey<'_>]) -> Vec<Result<Result<Fetched<T>, Miss>>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let inner = &*self.inner;
        let store = &*inner.backend;
        let since = Instant::now();
        let lookups = if store.versions().is_none() && !inner.stamps.is_prepared(since) {
            tokio::join!(store.get_many(keys), inner.stamps.prepare(store, since)).0
        } else {
            store.get_many(keys).await
        };
        if store.versions().is_none() {
            inner.events.counters.waited(since.elapsed());
        }
        let mut found = Vec::with_capacity(keys.len());
        for (key, lookup) in keys.iter().zip(one_each(lookups, keys.len(), Operation::Get)) {
            let read = async {
                match self.usable(lookup?, since).await?.and_then(|entry| self.if_fresh(entry)) {
                    Ok(entry) => {
                        self.slide(key, &entry).await;
                        Ok(self.fetched(entry, super::Status::Hit).await.map_err(Miss::from))
                    }
                    Err(miss) => Ok(Err(miss)),
                }
            };
            found.push(self.count(read.await));
        }
        found
    }

    /// Writes several values for the cache's default life; one answer per item, in order. On a shared store
    /// it is one round trip per server. If a key stands there twice, the last value is the one that stays.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] for all if one key is empty, before anything is written. What fails for one
    /// item is an error in its place, as [`set`](Self::set) gives it; the others are written.
    pub async fn set_many(&self, items: impl IntoIterator<Item = (Key, T)>) -> Result<Vec<Result<()>>> {
        let items: Vec<(Key, T)> = items.into_iter().collect();
        for (key, _) in &items {
            self.store_key(key, Operation::Set)?;
        }
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let inner = &*self.inner;
        let ttl = inner.policy.ttl;
        let (keys, values): (Vec<Key>, Vec<T>) = items.into_iter().unzip();
        let keys: Vec<StoreKey<'_>> = keys.iter().map(|key| StoreKey::new(&inner.namespace, key)).collect();
        if ttl.is_zero() {
            let removed = self.delete_distinct(&keys).await;
            return Ok(removed.into_iter().map(|removed| removed.map(drop)).collect());
        }
        let mut writing = Vec::with_capacity(keys.len());
        for key in &keys {
            writing.push(inner.flights.write(key).await);
        }
        let stamps = match self.stamps(&[], ttl).await {
            Ok(stamps) => stamps,
            Err(error) => return Ok(keys.iter().map(|_| self.count_errors(Err(error.clone()))).collect()),
        };
        let items: Vec<SetItem<'_>> = keys
            .iter()
            .zip(values)
            .map(|(key, value)| {
                let (meta, kept) = self.meta(ttl, Arc::clone(&stamps), Vec::new());
                let options = SetOptions::new(kept);
                SetItem { key: *key, entry: self.entry(Arc::new(value), meta), options }
            })
            .collect();
        Ok(self.write_items(&items).await.into_iter().map(|written| written.map(drop)).collect())
    }

    /// Hands entries to the store, and counts.
    pub(super) async fn write_items(&self, items: &[SetItem<'_>]) -> Vec<Result<bool>> {
        if items.is_empty() {
            return Vec::new();
        }
        let inner = &*self.inner;
        let mut written = Vec::with_capacity(items.len());
        let results = one_each(inner.backend.set_many(items).await, items.len(), Operation::Set);
        for (item, result) in items.iter().zip(results) {
            if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::TooLarge) {
                self.count_errors(inner.backend.delete(&item.key).await.map(drop)).ok();
            }
            if matches!(result, Ok(true)) {
                inner.events.happened(&stored(&item.entry));
            }
            written.push(self.count_errors(result));
        }
        written
    }

    /// Removes several entries: one answer per key, in order, as [`delete`](Self::delete) gives it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] for all if one key is empty, before anything is removed.
    pub async fn delete_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k Key>,
    ) -> Result<Vec<Result<bool>>> {
        let mut store_keys = Vec::new();
        for key in keys {
            store_keys.push(self.store_key(key, Operation::Delete)?);
        }
        Ok(self.delete_distinct(&store_keys).await)
    }

    async fn delete_distinct(&self, keys: &[StoreKey<'_>]) -> Vec<Result<bool>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let mut writing = Vec::with_capacity(keys.len());
        for key in keys {
            writing.push(self.inner.flights.write(key).await);
        }
        let live: Vec<bool> = keys.iter().map(|key| self.is_live_here(key)).collect();
        let removed = self.inner.backend.delete_many(keys).await;
        one_each(removed, keys.len(), Operation::Delete)
            .into_iter()
            .zip(live)
            .map(|(removed, was_live)| {
                let removed = self.count_errors(removed)?;
                if removed {
                    self.inner.events.happened(&Event::Deleted);
                }
                Ok(removed && was_live)
            })
            .collect()
    }
}

/// Exactly one answer per question, whatever a backend returned: nobody's value may end up under another key.
pub(super) fn one_each<R>(answers: Vec<Result<R>>, questions: usize, operation: Operation) -> Vec<Result<R>> {
    if answers.len() == questions {
        return answers;
    }
    let message = format!("the backend gave {} answers to {questions} questions", answers.len());
    let error = Error::new(ErrorKind::Protocol, operation, message);
    (0..questions).map(|_| Err(error.clone())).collect()
}
