//! A second store that answers while the first is away.

mod many;
mod marker;
mod pair;
mod protocol;
mod space;
mod tokens;
mod told;
mod work;

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;

use self::{
    pair::Pair,
    work::{Delete, Get, Increment, Set, Touch},
};
use super::breaker::Breaker;
use crate::{
    backend::{
        Backend, Bounded, Capabilities, Circuit, CounterEnds, CounterOptions, Counters, DeleteItem,
        DeleteOptions, Era, GetOptions, Lookup, SetItem, SetOptions, TouchItem, TouchOptions, Written,
    },
    clock::Clock,
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
};

/// A second store that answers while the [breaker](Breaker) of the first is open.
///
/// The first store is tried again as its breaker says, in the background, and used again as soon as it answers. **What a store
/// has missed while the other one answered it does not serve afterwards**: whoever changes over gives the namespace a new version
/// in the store that was away, so that everything in it is a miss. Nothing is copied from one store to the other; what the second
/// holds ends by its TTL.
///
/// ```
/// use larder_core::{Backend, Cache, Clock, Error, layer::{Breaker, BreakerSettings, Failover}};
///
/// fn users(redis: impl Backend, standby: impl Backend) -> Result<Cache<String>, Error> {
///     let clock = Clock::system();
///     let first = Breaker::new(redis, "shared", BreakerSettings::new(), &clock)?;
///     Cache::builder(Failover::new(first, standby, &clock)?).namespace("users").build()
/// }
/// ```
///
/// # Promises
/// - **One outage is made up for once, by whichever process comes back first**, and by a process that has just started as well.
///   Before a namespace is used in the second store, a marker with the number of the outage is written there; before it is used in
///   the first store again, the marker is read, and unless the first store has that number already, the namespace's version in it
///   is removed under a condition, and the number recorded. A process that goes on writing to the second store after another one
///   has come back opens an outage of its own.
/// - **What is said to be written is covered.** A write to the second store is acknowledged when a marker that is open was seen
///   after it. One that ends in a store which was left meanwhile is done again in the other, and that one's answer counts.
/// - **Each namespace and each level above it** is made ready on its own, when it is next used.
/// - **A write that was given up and lands later** in either store does no harm: what it was written under stands no longer.
/// - **Tokens** of one store match nothing in the other.
/// - **With both stores away** it is as if there were no second one: an error that names both failures, and the first store is tried
///   again as before. What this process has written to the second store until then is made up for also if that does not come back,
///   or has lost its marker.
///
/// # Notes
/// - Until the breaker opens, calls fail as they do without a second store. A write that fails while the breaker opens is done in the
///   second.
/// - Where several processes disagree on whether the first store is away, they see different stores. One that sees the first sees
///   what the others have done when they are back; what it remembers of versions, up to the cache's invalidation lag later.
/// - A process that has just started and cannot read the marker, since the second store is away, uses the first one unchecked and
///   asks again each second. [`advice`](Backend::advice) says so.
/// - Counters begin anew in each store.
/// - It has no [bus](Backend::bus), so near copies live by their TTL, and no [shards](Backend::shards): if one of several servers of
///   the first store is away, the second answers for all of them.
/// - [`capabilities`](Backend::capabilities) are what both stores can do. Where their counters differ at the ends, they are said to
///   refuse if one refuses, and else to wrap.
///
/// # Cost
/// A read while the first store answers costs three loads of a number, and no allocation. A write, besides, one allocation, since it
/// has to know in which store it ended. The first use of a namespace in a process reads one small entry from each store at most.
/// While the second answers, each write is followed by reading the marker, once for all writes that wait for it. Going over and
/// coming back cost three to five round trips for each namespace and process.
///
/// # Cancellation safety
/// Dropping a call is safe at every point. What had to be done for its namespace is done by the next.
pub struct Failover<A, B> {
    pair: Arc<Pair<A, B>>,
}

/// What `#[async_trait]` makes of an async method's answer, written out where what is inside is handed on as it is.
type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<A: Backend, B: Backend> Failover<A, B> {
    /// The first store with its breaker, and the second one with whatever layers of its own. The clock is that of the caches on it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a store that other processes do not see, that keeps nothing or cannot compare and set, and for a
    /// second store that has a second one itself.
    pub fn new(first: Breaker<A>, second: B, clock: &Clock) -> Result<Self> {
        fits(&first, "first")?;
        fits(&second, "second")?;
        Ok(Self { pair: Arc::new(Pair::new(first, second, clock.clone())) })
    }
}

/// Whether a store can be one of the two.
fn fits(store: &impl Backend, which: &str) -> Result<()> {
    let abilities = store.capabilities();
    let wrong = if store.invalidation().here().is_some() || !abilities.shared {
        "is in this process's memory; both have to be stores that processes share"
    } else if !abilities.keeps {
        "keeps nothing"
    } else if !abilities.compare_and_set || !abilities.atomic_add {
        "has no compare-and-set, so that processes could not agree on which outages were made up for"
    } else if store.era().is_some() {
        "has a second store itself; there can be one"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Config, Operation::Build, format!("the {which} store of a failover {wrong}")))
}

/// What both can do.
fn weaker(first: Capabilities, second: Capabilities) -> Capabilities {
    let either = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
    let slower = |one: Option<Duration>, other: Option<Duration>| Some(one?.max(other?));
    let counter_ends = match (first.counter_ends, second.counter_ends) {
        (CounterEnds::Refuse, _) | (_, CounterEnds::Refuse) => CounterEnds::Refuse,
        (CounterEnds::StopAndWrap, _) | (_, CounterEnds::StopAndWrap) => CounterEnds::StopAndWrap,
        (CounterEnds::Stop, CounterEnds::Stop) => CounterEnds::Stop,
    };
    Capabilities {
        ttl_resolution: first.ttl_resolution.max(second.ttl_resolution),
        max_value: either(first.max_value, second.max_value),
        atomic_add: first.atomic_add && second.atomic_add,
        compare_and_set: first.compare_and_set && second.compare_and_set,
        survives_restart: first.survives_restart && second.survives_restart,
        shared: first.shared && second.shared,
        keeps: first.keeps && second.keeps,
        deadline: slower(first.deadline, second.deadline),
        counter_ends,
        near_ttl: None,
    }
}

#[async_trait]
impl<A: Backend, B: Backend> Backend for Failover<A, B> {
    fn capabilities(&self) -> Capabilities {
        weaker(self.pair.first.capabilities(), self.pair.second.capabilities())
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
        if self.pair.is_steady(key.namespace()) {
            return self.pair.first.get(key, options);
        }
        Box::pin(self.pair.one(Get(key, options)))
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
        if !keys.is_empty() && keys.iter().all(|key| self.pair.is_steady(key.namespace())) {
            return self.pair.first.get_many(keys, options);
        }
        Box::pin(self.pair.many(keys, options))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.pair.one(Set(key, entry, options)).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.pair.one(Touch(key, options)).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.pair.one(Delete(key, options)).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        self.pair.many(items, &()).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        self.pair.many(items, &()).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        self.pair.many(items, &()).await
    }

    /// Both, whatever becomes of the first.
    async fn close(&self) -> Result<()> {
        let first = self.pair.first.close().await;
        first.and(self.pair.second.close().await)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        let both = self.pair.first.counters().is_some() && self.pair.second.counters().is_some();
        both.then_some(self)
    }

    fn era(&self) -> Option<Era> {
        Some(self.pair.era.clone())
    }

    fn circuits(&self) -> Vec<Circuit> {
        let mut circuits = self.pair.first.circuits();
        circuits.extend(self.pair.second.circuits());
        circuits
    }

    /// Of both; of one that does not answer, nothing.
    async fn about(&self) -> Result<Vec<String>> {
        let mut about = self.pair.first.about().await.unwrap_or_default();
        about.extend(self.pair.second.about().await.unwrap_or_default());
        Ok(about)
    }

    fn advice(&self) -> Vec<String> {
        let mut advice = self.pair.first.advice();
        advice.extend(self.pair.second.advice());
        let unchecked = self.pair.unchecked();
        if unchecked > 0 {
            advice.push(format!(
                "whether the store has missed an outage is not known for {unchecked} of its namespaces, since the second store has \
                 not answered yet"
            ));
        }
        advice
    }

    fn bounded(&self) -> Option<&dyn Bounded> {
        self.pair.first.bounded().or_else(|| self.pair.second.bounded())
    }
}

#[async_trait]
impl<A: Backend, B: Backend> Counters for Failover<A, B> {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        self.pair.one(Increment(key, by, options)).await
    }
}

impl<A: fmt::Debug, B: fmt::Debug> fmt::Debug for Failover<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover")
            .field("first", &self.pair.first)
            .field("second", &self.pair.second)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_of_two_cannot_do_both_cannot() {
        let (ms, all) = (Duration::from_millis(1), Capabilities::shared());
        let first = all.with_deadline(Some(50 * ms)).with_max_value(Some(10)).with_atomic_add(false);
        let second = all
            .with_deadline(Some(80 * ms))
            .with_ttl_resolution(1000 * ms)
            .with_counter_ends(CounterEnds::StopAndWrap)
            .with_compare_and_set(false);
        for weaker in [weaker(first, second), weaker(second, first)] {
            assert_eq!((weaker.deadline, weaker.max_value), (Some(80 * ms), Some(10)));
            assert_eq!((weaker.ttl_resolution, weaker.counter_ends), (1000 * ms, CounterEnds::StopAndWrap));
            assert!(!weaker.atomic_add && !weaker.compare_and_set && weaker.shared && weaker.keeps);
        }
        assert_eq!(weaker(first, all).deadline, None, "nothing ends what the second does");
        let refusing = all.with_counter_ends(CounterEnds::Refuse);
        assert_eq!(weaker(second, refusing).counter_ends, CounterEnds::Refuse);
    }
}
