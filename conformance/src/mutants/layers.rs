//! Layers that are wrong in one way, around a store that is right.

use std::{collections::HashSet, fmt, sync::Mutex, time::Duration};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Miss, Result, Ttl,
    backend::{
        Condition, DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem, SetOptions, TouchItem,
        TouchOptions, Written,
    },
    entry::{Lifetime, Scope},
    key::{OwnedStoreKey, StoreKey},
};

use super::{Mutant, broken::with_meta, lock};
use crate::{reference::ReferenceBackend, store::Store};

mutants! {
    |clock, flaw| Store::new(Layer::new(clock, flaw));

    ForgetsLoadCost "forgets how long a load took" => "loading::the_time_a_load_took_is_known";
    ForgetsTags "passes entries on without their tags" => "tags::invalidating_kills_all_under_the_tag";
    MakesYounger "takes an entry for new when it is touched" => "ttl::a_hit_knows_its_age";
    EndsWhenStale "ends entries when they turn stale" =>
        "freshness::a_stale_value_is_served_while_another_is_made";
    StaleIsFresh "takes stale entries for fresh" => "freshness::a_stale_value_is_no_hit_for_a_plain_get";
    BulkMisses "finds in bulk nothing that it finds alone" => "loading_many::all_hits_do_not_load";
    AddsOverMortals "adds over entries that will end" => "kinds::a_lease_stands_in_the_way_of_an_add";
    LeasesStay "lets no value replace a lease" => "leases::of_two_caches_one_loads";
    AnyMissIsExpired "calls every miss an expired one" => "stats::hits_and_misses_are_counted";
    TouchWritesBack "touches by writing back what it has read" =>
        "concurrency::a_touch_of_the_store_never_undoes_a_set";
    AnswersTheNext "gives the answer of who gave up to the next" =>
        "concurrency::callers_who_give_up_disturb_nobody";
    KeepsTouchedLife "keeps a touched life when the entry is overwritten" =>
        "model::random_operations_agree_with_a_map_as_time_passes";
}

/// How many milliseconds a touch waits for somebody to come between.
const AT_MOST: u32 = 20;

struct Layer {
    inner: ReferenceBackend,
    clock: Clock,
    flaw: Option<Flaw>,
    touched: Mutex<HashSet<OwnedStoreKey>>,
    /// The answer that nobody waited for.
    left: Mutex<Option<Lookup>>,
}

impl Layer {
    fn new(clock: Clock, flaw: Option<Flaw>) -> Self {
        let inner = ReferenceBackend::new(clock.clone());
        Self { inner, clock, flaw, touched: Mutex::default(), left: Mutex::default() }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn passed_on(&self, found: Lookup) -> Lookup {
        match (self.flaw, found) {
            (Some(Flaw::AnyMissIsExpired), Lookup::Miss(_)) => Lookup::Miss(Miss::Expired),
            (_, found) => found,
        }
    }

    fn as_written(&self, key: &StoreKey<'_>, entry: &Entry) -> Entry {
        let meta = entry.meta();
        match self.flaw {
            Some(Flaw::ForgetsLoadCost) => with_meta(entry, meta.clone().with_load_cost(Duration::ZERO)),
            Some(Flaw::ForgetsTags) => {
                let stamps = meta.stamps.iter().filter(|stamp| !matches!(stamp.scope, Scope::Tag(_)));
                with_meta(entry, meta.clone().with_stamps(stamps.cloned().collect()))
            }
            Some(Flaw::EndsWhenStale) => entry.with_lifetime(Lifetime::until(meta.lifetime.fresh_until)),
            Some(Flaw::StaleIsFresh) => entry.with_lifetime(Lifetime::until(meta.lifetime.expires)),
            Some(Flaw::KeepsTouchedLife) if lock(&self.touched).contains(&key.into_owned()) => {
                let old = self.inner.entries().get(&key.into_owned()).map(|old| old.meta().lifetime);
                old.map_or_else(|| entry.clone(), |lifetime| entry.with_lifetime(lifetime))
            }
            _ => entry.clone(),
        }
    }
}

#[async_trait]
impl Forward for Layer {
    type Inner = ReferenceBackend;

    fn inner(&self) -> &ReferenceBackend {
        &self.inner
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        // Whoever is answered at once cannot give up, and asks for many one by one.
        if self.is(Flaw::AnswersTheNext) || self.is(Flaw::BulkMisses) {
            return None;
        }
        self.inner.get_now(key).map(|found| self.passed_on(found))
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        if !self.is(Flaw::AnswersTheNext) {
            return self.inner.get(key, options).await.map(|found| self.passed_on(found));
        }
        if let Some(left) = lock(&self.left).take() {
            return Ok(left);
        }
        let mut asked = Asked { left: &self.left, found: Some(self.inner.get(key, options).await?) };
        tokio::time::sleep(Duration::from_micros(100)).await;
        Ok(asked.found.take().unwrap_or(Lookup::Miss(Miss::Absent)))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let mut options = *options;
        let ends = |entry: &Entry| entry.meta().lifetime.expires < Ttl::Never.expires(self.clock.now());
        if self.is(Flaw::AddsOverMortals)
            && options.condition == Condition::Absent
            && self.inner.entries().get(&key.into_owned()).is_some_and(ends)
        {
            options.condition = Condition::Always;
        }
        if self.is(Flaw::LeasesStay)
            && matches!(options.condition, Condition::Unchanged(_))
            && self.inner.entries().get(&key.into_owned()).is_some_and(Entry::is_lease)
        {
            return Ok(Written::No);
        }
        self.inner.set(key, &self.as_written(key, entry), &options).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        if self.is(Flaw::TouchWritesBack) {
            let Lookup::Hit(read) = self.inner.look_up(key) else { return Ok(false) };
            // As long as it takes for somebody else to come between.
            let is_as_read =
                || matches!(self.inner.look_up(key), Lookup::Hit(now) if now.token() == read.token());
            for _ in 0..AT_MOST {
                if !is_as_read() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let written = read.with_lifetime(options.lifetime);
            return Ok(self.inner.set(key, &written, &SetOptions::new(options.ttl)).await?.took_place());
        }
        let touched = self.inner.touch(key, options).await?;
        if touched
            && self.is(Flaw::MakesYounger)
            && let Some(entry) = self.inner.entries().get_mut(&key.into_owned())
        {
            *entry = with_meta(entry, entry.meta().clone().with_created(self.clock.now()));
        }
        if touched {
            lock(&self.touched).insert(key.into_owned());
        }
        Ok(touched)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        lock(&self.touched).remove(&key.into_owned());
        self.inner.delete(key, options).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        if self.is(Flaw::BulkMisses) && keys.len() > 1 {
            return keys.iter().map(|_| Ok(Lookup::Miss(Miss::Absent))).collect();
        }
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(Forward::get(self, key, options).await);
        }
        found
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut written = Vec::with_capacity(items.len());
        for item in items {
            written.push(Forward::set(self, &item.key, &item.entry, &item.options).await);
        }
        written
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let mut touched = Vec::with_capacity(items.len());
        for item in items {
            touched.push(Forward::touch(self, &item.key, &item.options).await);
        }
        touched
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let mut removed = Vec::with_capacity(items.len());
        for item in items {
            removed.push(Forward::delete(self, &item.key, &item.options).await);
        }
        removed
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer({:?})", self.flaw)
    }
}

/// A question whose answer is left to whoever asks next, if nobody waits for it.
struct Asked<'a> {
    left: &'a Mutex<Option<Lookup>>,
    found: Option<Lookup>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(found) = self.found.take() {
            *lock(self.left) = Some(found);
        }
    }
}
