//! Bounded stores that are wrong in one way.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, Weak},
};

use async_trait::async_trait;
use larder_core::{
    Backend as _, Clock, Entry, Error, ErrorKind, Result,
    backend::{
        Bound, Bounded, Cause, CounterOptions, Counters, DeleteOptions, Forward, Lookup, Observer, SetItem,
        SetOptions, TouchOptions, Usage, Written,
    },
    error::Operation,
    key::{Namespace, OwnedStoreKey, StoreKey},
};

use super::{Mutant, lock};
use crate::{reference::ReferenceBackend, store::Store};

mutants! {
    |clock, flaw| store(clock, flaw);

    EvictsNothing "evicts nothing" => "bounded::a_full_store_keeps_no_more_entries_than_its_bound";
    EvictsByNumber "counts entries where bytes are bounded" => "bounded::a_full_store_weighs_no_more_than_its_bound";
    BulkUnbounded "makes no room for what is written in bulk" => "bounded::a_bulk_write_is_bounded_like_single_ones";
    CountersUnbounded "makes no room for counters" => "bounded::counters_are_within_the_bound";
    EvictsTheOldest "evicts what was written first" => "bounded::what_is_asked_for_all_the_time_stays";
    CountsWrites "counts every write as an entry" => "bounded::usage_counts_what_is_there";
    KeepsTheOld "leaves the old entry where the new one is too large" =>
        "bounded::what_is_heavier_than_the_store_is_too_large";
    BulkTooLarge "fails a whole bulk write for one entry" => "bounded::a_bulk_write_tells_which_entry_is_too_large";
    Wraps "adds weights up without looking" => "bounded::weights_saturate";
    ForgetsBytes "weighs no bytes that are made later" => "bounded::bytes_that_are_made_later_count";
    ForgetsObjects "weighs no object that is made later" => "bounded::an_object_that_is_made_later_counts";
    TellsTwice "tells twice what it evicts" => "bounded::every_evicted_entry_is_told_once";
    FreesInSilence "tells nobody what has expired" => "bounded::an_expired_entry_is_freed_and_told";
    TellsEvicted "tells as evicted what has expired" => "bounded::what_has_expired_is_not_told_as_evicted";
    ReplacesInSilence "tells nobody what is replaced" => "bounded::an_overwritten_entry_is_told_as_replaced";
    TellsTouches "tells of what is touched" => "bounded::what_is_removed_or_touched_is_not_told";
    TellsAll "tells every cache of everything" => "bounded::each_namespace_is_told_of_its_own";
    TellsCopies "tells of an entry as if it had just been made" => "bounded::the_age_of_what_left_is_told";
}

/// The store without a flaw.
pub(super) fn healthy(clock: Clock) -> Store {
    store(clock, None)
}

#[allow(clippy::needless_pass_by_value, reason = "as a mutant is made")]
fn store(clock: Clock, flaw: Option<Flaw>) -> Store {
    let of = move |bound, clock: Clock| Some(Small::new(bound, &clock, flaw));
    Store::new(Small::new(Bound::Entries(u64::MAX), &clock, flaw)).with_bound(of)
}

/// The plainest bounded store: what was used least recently goes.
struct Small {
    inner: ReferenceBackend,
    bound: Bound,
    flaw: Option<Flaw>,
    books: Mutex<Books>,
    observers: Mutex<Vec<(String, Weak<dyn Observer>)>>,
}

#[derive(Default)]
struct Books {
    now: u64,
    writes: u64,
    used: HashMap<OwnedStoreKey, u64>,
    weights: HashMap<OwnedStoreKey, u64>,
    /// Which entries were written as bytes.
    bytes: HashMap<OwnedStoreKey, bool>,
}

impl Small {
    fn new(bound: Bound, clock: &Clock, flaw: Option<Flaw>) -> Self {
        // TTLs in memory go by a clock that nobody sets.
        let inner = ReferenceBackend::new(clock.steady());
        Self { inner, bound, flaw, books: Mutex::default(), observers: Mutex::default() }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn weigh(&self, key: &OwnedStoreKey, entry: &Entry) -> u64 {
        match self.bound {
            Bound::Entries(_) => 1,
            Bound::Bytes(_) if self.is(Flaw::Wraps) => {
                entry.weight().wrapping_add(key.text().len() as u64 + 1000)
            }
            Bound::Bytes(_) => entry.weight().saturating_add(key.text().len() as u64),
        }
    }

    fn used(&self, key: &OwnedStoreKey, written: bool) {
        let mut books = lock(&self.books);
        books.now += 1;
        books.writes += u64::from(written);
        let now = books.now;
        if written || !self.is(Flaw::EvictsTheOldest) {
            books.used.insert(key.clone(), now);
        }
    }

    /// Takes an entry out, and tells of it.
    fn leave(&self, key: &OwnedStoreKey, cause: Cause) {
        let Some(entry) = self.inner.entries().remove(key) else { return };
        let mut books = lock(&self.books);
        books.used.remove(key);
        books.weights.remove(key);
        drop(books);
        self.tell(key, &entry, cause);
    }

    fn tell(&self, key: &OwnedStoreKey, entry: &Entry, cause: Cause) {
        let over = !entry.is_live(self.inner.clock.now());
        let cause = if over && !self.is(Flaw::TellsEvicted) { Cause::Expired } else { cause };
        let silent = match cause {
            Cause::Expired => self.is(Flaw::FreesInSilence),
            Cause::Replaced => self.is(Flaw::ReplacesInSilence),
            _ => false,
        };
        if silent {
            return;
        }
        let mut entry = entry.clone();
        if self.is(Flaw::TellsCopies) {
            entry = entry.with_meta(entry.meta().clone().with_created(self.inner.clock.now()));
        }
        let times = if self.is(Flaw::TellsTwice) && cause == Cause::Evicted { 2 } else { 1 };
        let observers: Vec<Arc<dyn Observer>> = lock(&self.observers)
            .iter()
            .filter(|(namespace, _)| namespace == key.split().0 || self.is(Flaw::TellsAll))
            .filter_map(|(_, observer)| observer.upgrade())
            .collect();
        for observer in observers {
            (0..times).for_each(|_| observer.left(key.split().1, &entry, cause));
        }
    }

    fn over(&self) -> Vec<OwnedStoreKey> {
        let now = self.inner.clock.now();
        let entries = self.inner.entries();
        entries.iter().filter(|(_, entry)| !entry.is_live(now)).map(|(key, _)| key.clone()).collect()
    }

    fn weight(&self) -> u64 {
        let books = lock(&self.books);
        match self.bound {
            Bound::Bytes(_) if self.is(Flaw::EvictsByNumber) => books.weights.len() as u64,
            _ => books.weights.values().fold(0, |sum, weight| sum.saturating_add(*weight)),
        }
    }

    fn make_room(&self) {
        if self.is(Flaw::EvictsNothing) {
            return;
        }
        while self.weight() > self.bound.capacity() {
            let books = lock(&self.books);
            let least = books.used.iter().min_by_key(|(_, used)| **used).map(|(key, _)| key.clone());
            drop(books);
            let Some(key) = least else { return };
            self.leave(&key, Cause::Evicted);
        }
    }

    fn weigh_anew(&self, key: &OwnedStoreKey) {
        let Some(entry) = self.inner.entries().get(key).cloned() else { return };
        let weight = self.weigh(key, &entry);
        lock(&self.books).weights.insert(key.clone(), weight);
    }

    async fn write(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let owned = key.into_owned();
        let old = self.inner.entries().get(&owned).cloned();
        if self.weigh(&owned, entry) > self.bound.capacity() {
            if !self.is(Flaw::KeepsTheOld) {
                self.leave(&owned, Cause::Replaced);
            }
            return Err(Error::new(ErrorKind::TooLarge, Operation::Set, "heavier than the store"));
        }
        let written = self.inner.set(key, entry, options).await?;
        if written.took_place() {
            self.used(&owned, true);
            self.weigh_anew(&owned);
            lock(&self.books).bytes.insert(owned.clone(), entry.live_object().is_none());
            if let Some(old) = old {
                self.tell(&owned, &old, Cause::Replaced);
            }
        }
        Ok(written)
    }
}

#[async_trait]
impl Forward for Small {
    type Inner = ReferenceBackend;

    fn inner(&self) -> &ReferenceBackend {
        &self.inner
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        let found = self.inner.get_now(key)?;
        if matches!(found, Lookup::Hit(_)) {
            self.used(&key.into_owned(), false);
        }
        Some(found)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let written = self.write(key, entry, options).await;
        self.make_room();
        written
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut written = Vec::with_capacity(items.len());
        for item in items {
            written.push(self.write(&item.key, &item.entry, &item.options).await);
            if !self.is(Flaw::BulkUnbounded) {
                self.make_room();
            }
        }
        if self.is(Flaw::BulkTooLarge)
            && let Some(error) = written.iter().find_map(|written| written.as_ref().err().cloned())
        {
            return items.iter().map(|_| Err(error.clone())).collect();
        }
        written
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let old = self.inner.entries().get(&key.into_owned()).cloned();
        let touched = self.inner.touch(key, options).await?;
        if let Some(old) = old.filter(|_| touched && self.is(Flaw::TellsTouches)) {
            self.tell(&key.into_owned(), &old, Cause::Replaced);
        }
        Ok(touched)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let removed = self.inner.delete(key, options).await?;
        let owned = key.into_owned();
        if !self.inner.entries().contains_key(&owned) {
            let mut books = lock(&self.books);
            books.used.remove(&owned);
            books.weights.remove(&owned);
        }
        Ok(removed)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }

    fn bounded(&self) -> Option<&dyn Bounded> {
        Some(self)
    }
}

#[async_trait]
impl Counters for Small {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let number = Counters::increment(&self.inner, key, by, options).await?;
        let owned = key.of_counter().into_owned();
        self.used(&owned, true);
        if !self.is(Flaw::CountersUnbounded) {
            self.weigh_anew(&owned);
            self.make_room();
        }
        Ok(number)
    }
}

impl Bounded for Small {
    fn usage(&self) -> Usage {
        for key in self.over() {
            self.leave(&key, Cause::Expired);
        }
        let entries = if self.is(Flaw::CountsWrites) {
            lock(&self.books).writes
        } else {
            self.inner.entries().len() as u64
        };
        let weight =
            lock(&self.books).weights.values().fold(0, |sum: u64, weight| sum.saturating_add(*weight));
        Usage::new(entries, weight, self.bound)
    }

    fn observe(&self, namespace: &Namespace, observer: Weak<dyn Observer>) {
        lock(&self.observers).push((namespace.text().to_owned(), observer));
    }

    fn grew(&self, key: &StoreKey<'_>) {
        let owned = key.into_owned();
        let forms = self.inner.entries().get(&owned).map(Entry::forms);
        let began_as_bytes = lock(&self.books).bytes.get(&owned) == Some(&true);
        let forgets = if began_as_bytes { Flaw::ForgetsObjects } else { Flaw::ForgetsBytes };
        if forms == Some((true, true)) && !self.is(forgets) {
            self.weigh_anew(&owned);
            self.make_room();
        }
    }
}

impl fmt::Debug for Small {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Small").field("bound", &self.bound).finish_non_exhaustive()
    }
}
