//! Stores that go wrong when a future is dropped, or act before it is polled.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use larder_core::{
    Backend as _, Clock, Entry, Result,
    backend::{
        DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem, SetOptions, TouchItem, TouchOptions,
        Written,
    },
    key::StoreKey,
};

use super::{Mutant, lock};
use crate::{reference::ReferenceBackend, store::Store};

mutants! {
    |clock, flaw| Store::new(Later::new(clock, flaw));

    WritesLater "writes what was dropped a little later" => "dropped::a_write_lands_whole_or_not_at_all";
    WritesManyLater "writes in bulk what was dropped a little later" => "dropped::a_bulk_write_lands_whole_or_not_at_all";
    DeletesLater "removes what was dropped a little later" => "dropped::a_delete_does_not_reach_a_later_write";
    DeletesManyLater "removes in bulk what was dropped a little later" => "dropped::a_bulk_delete_does_not_reach_a_later_write";
    TouchesLater "touches what was dropped a little later" => "dropped::a_touch_does_not_reach_a_later_write";
    TouchesManyLater "touches in bulk what was dropped a little later" => "dropped::a_bulk_touch_does_not_reach_a_later_write";
    AnswersTheNext "answers a read with what a dropped one asked for" => "dropped::a_read_leaves_its_answer_to_nobody";
    AnswersTheNextOfMany "answers a bulk read with what a dropped one asked for" => "dropped::a_bulk_read_leaves_its_answers_to_nobody";
    ActsUnpolled "writes before its future is polled" => "dropped::what_is_never_polled_does_nothing";
}

struct Later {
    inner: Arc<ReferenceBackend>,
    flaw: Option<Flaw>,
    left: Mutex<Option<Vec<Lookup>>>,
    late: Late,
}

impl Later {
    fn new(clock: Clock, flaw: Option<Flaw>) -> Self {
        Self {
            inner: Arc::new(ReferenceBackend::new(clock)),
            flaw,
            left: Mutex::default(),
            late: Late::default(),
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn store(&self) -> &ReferenceBackend {
        &self.inner
    }

    /// Does what is due. Every operation begins with it.
    fn begins(&self) {
        let mut due = Vec::new();
        lock(&self.late).retain_mut(|(operations, work)| {
            *operations -= 1;
            if *operations == 0 {
                due.extend(work.take());
            }
            *operations > 0
        });
        for work in due {
            work(&self.inner);
        }
    }

    /// Waits once, as for a reply. Who is dropped meanwhile has this done later, if the store is wrong in that.
    async fn wait(&self, later: Option<impl FnOnce(&ReferenceBackend) + Send + 'static>) {
        let mut dropped = Dropped(&self.late, later.map(|later| Box::new(later) as Work));
        tokio::task::yield_now().await;
        dropped.1 = None;
    }

    fn later<T>(&self, flaw: Flaw, work: T) -> Option<T> {
        self.is(flaw).then_some(work)
    }
}

type Work = Box<dyn FnOnce(&ReferenceBackend) + Send>;

/// What is done later, and when: before this many operations more.
type Late = Mutex<Vec<(usize, Option<Work>)>>;

/// Has this done later, unless it is emptied before.
struct Dropped<'a>(&'a Late, Option<Work>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        // Counted in operations, so that it comes as late on a busy machine as on any: after whoever was told of the drop has
        // looked, and has done one thing more.
        if let Some(work) = self.1.take() {
            lock(self.0).push((3, Some(work)));
        }
    }
}

/// Keeps answers for the next, unless it is emptied before.
struct Left<'a>(&'a Mutex<Option<Vec<Lookup>>>, Option<Vec<Lookup>>);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if let Some(left) = self.1.take() {
            *lock(self.0) = Some(left);
        }
    }
}

#[async_trait]
impl Forward for Later {
    type Inner = ReferenceBackend;

    fn inner(&self) -> &ReferenceBackend {
        &self.inner
    }

    fn get_now(&self, _: &StoreKey<'_>) -> Option<Lookup> {
        None
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.begins();
        if self.is(Flaw::AnswersTheNext)
            && let Some(mut left) = lock(&self.left).take()
        {
            return Ok(left.swap_remove(0));
        }
        let found = self.store().get(key, options).await?;
        let mut left = Left(&self.left, self.is(Flaw::AnswersTheNext).then(|| vec![found.clone()]));
        tokio::task::yield_now().await;
        left.1 = None;
        Ok(found)
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        self.begins();
        if self.is(Flaw::AnswersTheNextOfMany)
            && let Some(left) = lock(&self.left).take()
        {
            return left.into_iter().cycle().take(keys.len()).map(Ok).collect();
        }
        let found = self.store().get_many(keys, options).await;
        let known = found.iter().filter_map(|found| found.as_ref().ok().cloned()).collect();
        let mut left = Left(&self.left, self.is(Flaw::AnswersTheNextOfMany).then_some(known));
        tokio::task::yield_now().await;
        left.1 = None;
        found
    }

    fn set<'life0, 'life1, 'life2, 'life3, 'life4, 'async_trait>(
        &'life0 self,
        key: &'life1 StoreKey<'life2>,
        entry: &'life3 Entry,
        options: &'life4 SetOptions,
    ) -> Pin<Box<dyn Future<Output = Result<Written>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        'life4: 'async_trait,
        Self: 'async_trait,
    {
        if self.is(Flaw::ActsUnpolled) && self.inner.open(larder_core::error::Operation::Set).is_ok() {
            self.inner.entries().insert(key.into_owned(), entry.known_by_revision());
        }
        Box::pin(async move {
            self.begins();
            let (owned, kept) = (key.into_owned(), entry.known_by_revision());
            let later = move |store: &ReferenceBackend| {
                store.entries().insert(owned, kept);
            };
            self.wait(self.later(Flaw::WritesLater, later)).await;
            self.store().set(key, entry, options).await
        })
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        self.begins();
        let kept: Vec<_> =
            items.iter().map(|item| (item.key.into_owned(), item.entry.known_by_revision())).collect();
        let later = move |store: &ReferenceBackend| store.entries().extend(kept);
        self.wait(self.later(Flaw::WritesManyLater, later)).await;
        self.store().set_many(items).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.begins();
        let (owned, lifetime) = (key.into_owned(), options.lifetime);
        let later = move |store: &ReferenceBackend| {
            if let Some(entry) = store.entries().get_mut(&owned) {
                *entry = entry.with_lifetime(lifetime);
            }
        };
        self.wait(self.later(Flaw::TouchesLater, later)).await;
        self.store().touch(key, options).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        self.begins();
        let all: Vec<_> = items.iter().map(|item| (item.key.into_owned(), item.options.lifetime)).collect();
        let later = move |store: &ReferenceBackend| {
            for (key, lifetime) in all {
                if let Some(entry) = store.entries().get_mut(&key) {
                    *entry = entry.with_lifetime(lifetime);
                }
            }
        };
        self.wait(self.later(Flaw::TouchesManyLater, later)).await;
        self.store().touch_many(items).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.begins();
        let owned = key.into_owned();
        let later = move |store: &ReferenceBackend| {
            store.entries().remove(&owned);
        };
        self.wait(self.later(Flaw::DeletesLater, later)).await;
        self.store().delete(key, options).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        self.begins();
        let all: Vec<_> = items.iter().map(|item| item.key.into_owned()).collect();
        let later = move |store: &ReferenceBackend| store.entries().retain(|key, _| !all.contains(key));
        self.wait(self.later(Flaw::DeletesManyLater, later)).await;
        self.store().delete_many(items).await
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Later({:?})", self.flaw)
    }
}
