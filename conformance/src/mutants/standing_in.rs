//! Failovers that are wrong in one way, around two stores that are right: what the real one does is kept from happening, or
//! done twice, on its way to a store or back.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Miss, Result,
    backend::{
        CircuitState, Condition, Counters, DeleteOptions, Era, Forward, GetOptions, Lookup, SetItem,
        SetOptions, Written,
    },
    error::Operation,
    key::StoreKey,
    layer::{Breaker, BreakerSettings, Failover},
};

use super::{Mutant, lock, telling};
use crate::store::Store;

mutants! {
    |clock, flaw| store(&clock, flaw);

    WritesToBoth "writes to its second store as well" =>
        "failover::while_the_first_answers_the_second_is_left_alone";
    StaysAway "never comes back to its first store" =>
        "failover::while_the_first_answers_the_second_is_left_alone";
    OnlyReads "only reads while its first store is away" => "failover::while_the_first_is_away_the_second_answers";
    MissesWithoutBoth "answers a miss when both its stores are away" => "failover::with_both_away_it_is_as_with_one";
    KeepsFirst "lets what its first store has missed stand" =>
        "failover::what_the_first_has_missed_it_does_not_serve";
    KeepsSecond "lets what its second store has missed stand" =>
        "failover::what_the_second_has_missed_it_does_not_serve";
    KeepsLevels "makes up for an outage where entries are, and at no level above" =>
        "failover::invalidations_hold_for_the_levels_below";
    HasNoEra "does not say that it is another store now" =>
        "failover::what_is_remembered_of_one_store_does_not_hold_for_the_other";
    AnyToken "takes any token while its first store is away" =>
        "failover::a_token_of_one_store_matches_nothing_in_the_other";
    BringsVersionsBack "brings a version back that it had removed" => "failover::a_write_that_lands_late_does_no_harm";
    BulkStays "stays with its first store in bulk" => "failover::in_bulk_as_alone";
    NewcomersTrust "does not look for outages before its own" =>
        "failover::who_has_just_started_makes_up_for_an_outage";
    RecordsNothing "does not record which outages were made up for" => "failover::one_outage_is_made_up_for_once";
    LooksOnce "looks once whether an outage is over" =>
        "failover::who_goes_on_after_another_is_back_makes_up_for_that";
    LeftInFirst "leaves a removal to the store that has gone" =>
        "failover::a_removal_that_ends_after_the_first_has_gone_holds";
    LeftInSecond "leaves a removal to the store that stood in" =>
        "failover::a_removal_that_ends_after_the_first_is_back_holds";
}

const OPEN_FOR: Duration = Duration::from_secs(10);

/// Where the version of a namespace is, and where its outages are.
const GENERATION: &str = "!v:generation";
const OUTAGE: &str = "!v:outage";

/// One of the two stores, as the failover sees it.
#[derive(Debug)]
struct Seen {
    inner: Arc<dyn Backend>,
    is_first: bool,
    flaw: Option<Flaw>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    has_failed: bool,
    has_written: bool,
    /// The namespaces in which there were operations on entries.
    used: BTreeSet<String>,
    marker: Option<Entry>,
    version: Option<Entry>,
}

impl Seen {
    fn new(inner: Arc<dyn Backend>, is_first: bool, flaw: Option<Flaw>) -> Arc<Self> {
        Arc::new(Self { inner, is_first, flaw, state: Mutex::default() })
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn note<T>(&self, result: &Result<T>) {
        if result.is_err() && self.is_first {
            lock(&self.state).has_failed = true;
        }
    }

    /// Whether it is not used again once it has failed.
    fn refusal(&self, operation: Operation) -> Result<()> {
        if self.is(Flaw::StaysAway) && lock(&self.state).has_failed {
            return Err(Error::new(ErrorKind::Unavailable, operation, "it is not used again"));
        }
        Ok(())
    }

    /// The path of the namespace whose version this is.
    fn versioned(text: &str) -> Option<&str> {
        text.strip_suffix(GENERATION)
    }

    fn uses(&self, text: &str) {
        if !text.contains("!v:")
            && let Some((namespace, _)) = text.split_once(':')
        {
            lock(&self.state).used.insert(namespace.to_owned());
        }
    }

    /// Whether a version that is to be removed stays.
    fn keeps(&self, path: &str) -> bool {
        match self.flaw {
            Some(Flaw::KeepsFirst) => self.is_first,
            Some(Flaw::KeepsSecond) => !self.is_first,
            Some(Flaw::KeepsLevels) => !lock(&self.state).used.contains(path),
            _ => false,
        }
    }
}

#[async_trait]
impl Forward for Seen {
    type Inner = dyn Backend;

    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    fn counters(&self) -> Option<&dyn Counters> {
        None
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.refusal(Operation::Get)?;
        let text = key.to_string();
        self.uses(&text);
        let found = self.inner().get(key, options).await;
        self.note(&found);
        if self.is_first || !text.ends_with(OUTAGE) {
            return found;
        }
        let mut state = lock(&self.state);
        if self.is(Flaw::NewcomersTrust) && !state.has_written {
            return found.map(|_| Lookup::Miss(Miss::Absent));
        }
        if self.is(Flaw::LooksOnce) && state.has_written {
            if let Some(marker) = &state.marker {
                return Ok(Lookup::Hit(marker.clone()));
            }
            if let Ok(Lookup::Hit(marker)) = &found {
                state.marker = Some(marker.clone());
            }
        }
        found
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.refusal(Operation::Set)?;
        let text = key.to_string();
        self.uses(&text);
        if self.is_first && text.ends_with(OUTAGE) && self.is(Flaw::RecordsNothing) {
            return Ok(Written::when(true, entry));
        }
        let version = lock(&self.state).version.clone();
        let entry = match version {
            Some(version) if text.ends_with(GENERATION) => version,
            _ => entry.clone(),
        };
        let written = self.inner().set(key, &entry, options).await;
        self.note(&written);
        lock(&self.state).has_written = true;
        written
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.refusal(Operation::Delete)?;
        let text = key.to_string();
        self.uses(&text);
        if let Some(path) = Self::versioned(&text) {
            if self.keeps(path) {
                return Ok(true);
            }
            if self.is_first
                && self.is(Flaw::BringsVersionsBack)
                && let Ok(Lookup::Hit(version)) = self.inner().get(key, &GetOptions::new()).await
            {
                lock(&self.state).version = Some(version);
            }
        }
        let removed = self.inner().delete(key, options).await;
        self.note(&removed);
        removed
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut written = Vec::with_capacity(items.len());
        for item in items {
            written.push(Backend::set(self, &item.key, &item.entry, &item.options).await);
        }
        written
    }
}

type Inner = Failover<Arc<Seen>, Arc<Seen>>;

/// The failover, as its callers see it.
#[derive(Debug)]
struct StandingIn {
    inner: Inner,
    first: Arc<Seen>,
    second: Arc<Seen>,
    flaw: Option<Flaw>,
}

fn store(clock: &Clock, flaw: Option<Flaw>) -> Store {
    let (first, second) = (telling::processes(clock), telling::processes(clock));
    let make = move |first, second, clock: Clock| StandingIn::new(first, second, &clock, flaw);
    Store::new(make(first(), second(), clock.clone())).with_failover(
        move |_| first(),
        move |_| second(),
        make,
        OPEN_FOR,
    )
}

impl StandingIn {
    fn new(first: Arc<dyn Backend>, second: Arc<dyn Backend>, clock: &Clock, flaw: Option<Flaw>) -> Self {
        let (first, second) = (Seen::new(first, true, flaw), Seen::new(second, false, flaw));
        let settings = BreakerSettings::new().with_open_for(OPEN_FOR);
        let made = Breaker::new(Arc::clone(&first), "wrong", settings, clock)
            .and_then(|breaker| Failover::new(breaker, Arc::clone(&second), clock));
        // The settings are right, and so are the stores.
        let Ok(inner) = made else { unreachable!("the parts are refused") };
        Self { inner, first, second, flaw }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn is_with_first(&self) -> bool {
        self.inner.circuits().iter().all(|circuit| circuit.state == CircuitState::Closed)
    }
}

#[async_trait]
impl Forward for StandingIn {
    type Inner = Inner;

    fn inner(&self) -> &Inner {
        &self.inner
    }

    fn era(&self) -> Option<Era> {
        if self.is(Flaw::HasNoEra) { None } else { self.inner.era() }
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        match self.inner.get(key, options).await {
            Err(_) if self.is(Flaw::MissesWithoutBoth) && !self.is_with_first() => {
                Ok(Lookup::Miss(Miss::Absent))
            }
            found => found,
        }
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        if self.is(Flaw::OnlyReads) && !self.is_with_first() {
            return Err(Error::new(ErrorKind::ReadOnly, Operation::Set, "the second store is only read"));
        }
        if self.is(Flaw::WritesToBoth) && self.is_with_first() {
            Backend::set(&*self.second, key, entry, &options.when(Condition::Always)).await?;
        }
        let is_by_token = matches!(options.condition, Condition::Unchanged(_));
        if is_by_token && self.is(Flaw::AnyToken) && !self.is_with_first() {
            return self.inner.set(key, entry, &options.when(Condition::Present)).await;
        }
        self.inner.set(key, entry, options).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        if self.is(Flaw::LeftInFirst) && self.is_with_first() {
            return Backend::delete(&*self.first, key, options).await;
        }
        if self.is(Flaw::LeftInSecond) && !self.is_with_first() {
            let removed = Backend::delete(&*self.second, key, options).await;
            return if self.is_with_first() {
                removed
            } else {
                self.inner.delete(key, options).await.and(removed)
            };
        }
        self.inner.delete(key, options).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        if self.is(Flaw::BulkStays) {
            return Backend::get_many(&*self.first, keys, options).await;
        }
        self.inner.get_many(keys, options).await
    }
}
