//! Many keys at once.

use std::{error::Error as StdError, fmt, ops::Deref};

use smallvec::{SmallVec, smallvec};

use super::{Cache, Fetched, Found, Value};
use crate::{
    backend::Condition,
    engine::{
        ask::ask,
        call::Options,
        loader::Several,
        look::{self, Now},
        remove,
    },
    error::{Error, Operation, Result},
    key::{Key, StoreKey},
};

/// The answers to a question for several keys, one for each in the order of the keys: a value, nothing, or an error of that
/// key's own. It is a slice of them, and has what is wanted of it most.
///
/// ```
/// # use larder_core::{Cache, Key, backend::NullBackend};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
/// # let cache: Cache<u64> = Cache::builder(NullBackend::new()).namespace("squares").build()?;
/// let keys: Vec<Key> = (1..=3_u64).map(|n| Key::new("square").part(n)).collect();
/// let squares = cache
///     .get_or_load_many(&keys, |missing| async move {
///         Ok::<_, std::io::Error>(missing.into_iter().zip([1, 4, 9]).take(2))
///     })
///     .await?;
/// assert_eq!(squares.value(1).map(|square| **square), Some(4));
/// assert!(squares.value(2).is_none());
/// assert_eq!(squares.failures().count(), 0);
/// let squares: Vec<Option<u64>> = squares.values()?.into_iter().map(|square| square.map(|square| *square)).collect();
/// assert_eq!(squares, [Some(1), Some(4), None]);
/// # Ok(()) }
/// ```
#[must_use]
pub struct Many<T>(Vec<Result<Option<Fetched<T>>>>);

impl<T> Many<T> {
    /// The value at this place; `None` if there is none, it failed, or there is no such place.
    pub fn value(&self, place: usize) -> Option<&Fetched<T>> {
        self.0.get(place)?.as_ref().ok()?.as_ref()
    }

    /// The values in the order of the keys, `None` for those that there are not.
    ///
    /// # Errors
    /// The first of the keys' own errors.
    pub fn values(self) -> Result<Vec<Option<Fetched<T>>>> {
        self.0.into_iter().collect()
    }

    /// The values that there are, in the order of the keys.
    pub fn found(&self) -> impl Iterator<Item = &Fetched<T>> {
        self.0.iter().filter_map(|answer| answer.as_ref().ok()?.as_ref())
    }

    /// The places of the keys that failed, and how.
    pub fn failures(&self) -> impl Iterator<Item = (usize, &Error)> {
        self.0.iter().enumerate().filter_map(|(place, answer)| Some((place, answer.as_ref().err()?)))
    }
}

impl<T> Deref for Many<T> {
    type Target = [Result<Option<Fetched<T>>>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> IntoIterator for Many<T> {
    type Item = Result<Option<Fetched<T>>>;
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Many<T> {
    type Item = &'a Result<Option<Fetched<T>>>;
    type IntoIter = std::slice::Iter<'a, Result<Option<Fetched<T>>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: fmt::Debug + Send + Sync + 'static> fmt::Debug for Many<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// Each key once, and at which place of those each of the given ones stands; no places where all are different.
struct Distinct<'a> {
    keys: Vec<StoreKey<'a>>,
    places: Option<Vec<usize>>,
}

impl Distinct<'_> {
    fn spread<R: Clone>(&self, answers: Vec<R>) -> Vec<R> {
        match &self.places {
            None => answers,
            Some(places) => places.iter().map(|place| answers[*place].clone()).collect(),
        }
    }
}

/// Places of keys by their hashes, which are seeded and whole already: open addressing, half full at most, and for a hundred keys
/// without an allocation. A general table takes as long as the look-ups that it saves.
struct Seen {
    /// A place and one, or zero.
    slots: SmallVec<[u32; 256]>,
    mask: usize,
}

impl Seen {
    fn new(keys: usize) -> Self {
        let slots = (2 * keys).next_power_of_two();
        Self { slots: smallvec![0; slots], mask: slots - 1 }
    }

    /// The place of this key, if it was seen before; else it is at this place from now on.
    fn find_or_insert(&mut self, hash: u64, place: usize, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        // The remainder is below the number of slots. The upper half, as the lower one chooses the shards of stores.
        let mut at = usize::try_from(hash >> 32).unwrap_or(0) & self.mask;
        while self.slots[at] != 0 {
            let known = self.slots[at] as usize - 1;
            if is_it(known) {
                return Some(known);
            }
            at = (at + 1) & self.mask;
        }
        // Nobody asks for four thousand million keys at once: each takes more than a hundred bytes.
        self.slots[at] = u32::try_from(place + 1).unwrap_or(u32::MAX);
        None
    }
}

impl<T: Value> Cache<T> {
    /// The values of several keys: one answer per key, in the order of the keys. A key that stands there twice
    /// is looked up once. No keys, no I/O; on a shared store it is one round trip per server, and one more where versions of
    /// tags are not known.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) for all if one key is empty, before anything is asked. What a
    /// store fails is an error in the places of its own keys.
    pub async fn get_many<'k>(&self, keys: impl IntoIterator<Item = &'k Key>) -> Result<Many<T>> {
        let distinct = self.distinct(keys, Operation::Get)?;
        let mut answers: Vec<Result<Option<Fetched<T>>>> = Vec::with_capacity(distinct.keys.len());
        let mut missing = Vec::new();
        for (place, key) in distinct.keys.iter().enumerate() {
            answers.push(Ok(match look::now(&self.kit, key) {
                Now::Hit(fetched) => Some(fetched),
                Now::Early(_) | Now::Unknown => {
                    missing.push((place, *key));
                    None
                }
            }));
        }
        if !missing.is_empty() {
            let keys: Vec<StoreKey<'_>> = missing.iter().map(|(_, key)| *key).collect();
            let found = look::look_many(&self.kit, &keys).await;
            for ((place, _), found) in missing.into_iter().zip(found) {
                answers[place] = found.map(|found| match found {
                    Found::Hit(fetched) => Some(fetched),
                    Found::Miss(_) => None,
                });
            }
        }
        Ok(Many(distinct.spread(answers)))
    }

    /// The values of several keys; those that the store does not have are made by one call of the loader,
    /// which is given them. One answer per key, in the order of the keys; `None` for a key that the loader
    /// left out, of which nothing is stored. What the loader gives beyond the keys it was asked for is ignored.
    ///
    /// A key that another call is loading, alone or among others, is not loaded again: this call waits for it. Everything that
    /// the [policy](super::Policy) says holds as for one key. Under [leases](super::Policy::lease), keys that another process
    /// is loading are waited for, and the rest is loaded in one call meanwhile; should that process not come back, the loader
    /// is called once more, for those: therefore it must be `Clone`, as a closure is whose captured values are.
    ///
    /// ```
    /// # use larder_core::{Cache, Key, backend::NullBackend};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
    /// # let cache: Cache<u64> = Cache::builder(NullBackend::new()).namespace("squares").build()?;
    /// let keys: Vec<Key> = (1..=3_u64).map(|n| Key::new("square").part(n)).collect();
    /// let squares = cache
    ///     .get_or_load_many(&keys, |missing| async move {
    ///         // A real loader would put all of them into one query.
    ///         Ok::<_, std::io::Error>(missing.into_iter().zip([1, 4, 9]))
    ///     })
    ///     .await?;
    /// assert_eq!(squares.value(2).map(|square| **square), Some(9));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) for all if one key is empty, before anything is asked. A loader
    /// that fails is an error in the places of the keys it was asked for; the others have their values.
    pub async fn get_or_load_many<'k, F, Fut, L, E>(
        &self,
        keys: impl IntoIterator<Item = &'k Key>,
        loader: F,
    ) -> Result<Many<T>>
    where
        F: FnOnce(Vec<Key>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: IntoIterator<Item = (Key, T)> + Send,
        L::IntoIter: Send,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let distinct = self.distinct(keys, Operation::Get)?;
        let call = self.call(Options::default(), Operation::Load)?;
        let answers = Box::pin(ask(&self.kit, &distinct.keys, call, Several(loader), None)).await;
        Ok(Many(distinct.spread(answers.into_vec())))
    }

    /// Writes several values for the cache's default TTL; one answer per item, in order. On a shared store
    /// it is one round trip per server. If a key stands there twice, the last value is the one that stays.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) for all if one key is empty, before anything is written. What
    /// fails for one item is an error in its place, as [`set`](Self::set) gives it; the others are written.
    pub async fn set_many(&self, items: impl IntoIterator<Item = (Key, T)>) -> Result<Vec<Result<()>>> {
        let (keys, values): (Vec<Key>, Vec<T>) = items.into_iter().unzip();
        let mut store_keys = Vec::with_capacity(keys.len());
        for key in &keys {
            store_keys.push(self.store_key(key, Operation::Set)?);
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let items = store_keys.into_iter().zip(values).collect();
        let written = match self.write(items, Options::default(), Condition::Always).await {
            Ok(written) => written,
            // Nothing was written.
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        };
        Ok(written.into_iter().map(|written| written.map(drop)).collect())
    }

    /// Removes several entries; one answer per key, in order, as [`delete`](Self::delete) gives it. On a shared
    /// store it is one round trip per server. Of a key that stands there twice one answer says that it was there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](crate::ErrorKind::InvalidKey) for all if one key is empty, before anything is removed. What a
    /// store fails is an error in the places of its own keys.
    pub async fn delete_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k Key>,
    ) -> Result<Vec<Result<bool>>> {
        let mut store_keys = Vec::new();
        for key in keys {
            store_keys.push(self.store_key(key, Operation::Delete)?);
        }
        if store_keys.is_empty() {
            return Ok(Vec::new());
        }
        Ok(remove::remove(&self.kit, &store_keys).await)
    }

    fn distinct<'a, 'k: 'a>(
        &'a self,
        keys: impl IntoIterator<Item = &'k Key>,
        operation: Operation,
    ) -> Result<Distinct<'a>> {
        let keys = keys.into_iter();
        let mut all: Vec<StoreKey<'a>> = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            all.push(self.store_key(key, operation)?);
        }
        let mut seen = Seen::new(all.len());
        let mut places: Option<Vec<usize>> = None;
        let mut distinct = 0;
        for at in 0..all.len() {
            let key = all[at];
            let is_it =
                |place: usize| all[place].seeded_hash() == key.seeded_hash() && all[place].key() == key.key();
            if let Some(place) = seen.find_or_insert(key.seeded_hash(), distinct, is_it) {
                places.get_or_insert_with(|| (0..at).collect()).push(place);
                continue;
            }
            if let Some(places) = &mut places {
                places.push(distinct);
            }
            all[distinct] = key;
            distinct += 1;
        }
        all.truncate(distinct);
        Ok(Distinct { keys: all, places })
    }
}
