//! A store as the engine sees it: the backend with the versions of its entries. The only one who calls a backend. It counts
//! and reports what fails, and sees to it that there is one answer to each question.

mod judge;
mod stamping;
mod writes;

use std::sync::Arc;

use tokio::time::Instant;

pub(crate) use self::writes::{Write, stored};
use super::{
    Few,
    budget::Budget,
    events::{Event, Events},
    register::Register,
};
use crate::{
    backend::{Backend, Capabilities, Condition, GetOptions, Lookup},
    clock::{Clock, Timestamp},
    entry::{Entry, LastStamps, Scope, Token},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    miss::Miss,
    value::Value,
    versions::Standing,
};

/// What is under a key that has nothing usable: what a write needs to know that is to replace it and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing.
    Empty,
    /// An entry, in this state.
    Taken(Token),
    /// Bytes that no token names.
    Unreadable,
    /// A newer program's entry, which is left alone.
    Future,
}

/// Why there is nothing usable, and what is there instead.
#[derive(Debug, Clone)]
pub(crate) struct Nothing {
    pub(crate) miss: Miss,
    pub(crate) place: Place,
}

/// What a look into the store has found.
pub(crate) type Found = Result<Entry, Nothing>;

/// A backend, and the versions that its entries are checked against.
#[derive(Debug)]
pub(crate) struct Store {
    backend: Arc<dyn Backend>,
    pub(crate) register: Register,
    pub(crate) events: Arc<Events>,
    pub(crate) clock: Clock,
    capabilities: Capabilities,
    /// Of near copies.
    stamps: LastStamps,
}

impl Store {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        register: Register,
        events: Arc<Events>,
        clock: Clock,
    ) -> Self {
        let capabilities = backend.capabilities();
        Self { backend, register, events, clock, capabilities, stamps: LastStamps::default() }
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// How long a call may wait for this store, which it begins to do now.
    #[inline]
    pub(crate) fn budget(&self) -> Budget {
        Budget::start(self.capabilities.deadline)
    }

    /// Under which condition something is written that is to replace what is there, and nothing else. `None`: it is not
    /// written.
    pub(crate) fn condition(&self, place: Place) -> Option<Condition> {
        Some(match place {
            Place::Empty if self.capabilities.atomic_add => Condition::Absent,
            Place::Taken(token) if self.capabilities.compare_and_set => Condition::Unchanged(token),
            Place::Future => return None,
            // Of two processes that replace it at once, one fills in vain.
            Place::Empty | Place::Taken(_) | Place::Unreadable => Condition::Always,
        })
    }

    /// An entry that this process holds and that stands, if there is one: no future, no allocation.
    #[inline]
    pub(crate) fn standing_now(&self, key: &StoreKey<'_>) -> Option<Entry> {
        debug_assert!(!self.is_chain(), "near copies are judged otherwise");
        let Some(Lookup::Hit(entry)) = self.backend.get_now(key) else { return None };
        let Register::Here(here) = &self.register else { return None };
        let stands = here.standing(&*self.backend, &entry.meta().stamps) == Standing::Stands;
        stands.then_some(entry)
    }

    /// A near copy that stands, as far as was heard in time.
    #[inline]
    pub(crate) fn copy(&self, key: &StoreKey<'_>, now: Timestamp) -> Option<Entry> {
        let heard = self.capabilities.near_ttl?;
        match self.backend.get_now(key) {
            Some(Lookup::Hit(entry)) => self.judge_copy(key, entry, heard, now),
            _ => None,
        }
    }

    /// Whether the store is a chain, whose answers are read [near](Self::copy) first.
    #[inline]
    pub(crate) fn is_chain(&self) -> bool {
        self.capabilities.near_ttl.is_some()
    }

    /// What a store has for a key that needs no future. Near copies are not meant.
    #[inline]
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        if self.is_chain() { None } else { self.backend.get_now(key) }
    }

    /// Looks a key up, in a call that begins with it.
    pub(crate) async fn look_up(&self, key: &StoreKey<'_>) -> Result<Found> {
        if let Some(lookup) = self.get_now(key) {
            return self.judge_now(key, lookup, self.budget()).await;
        }
        let begun = Instant::now();
        self.ask_for(key, &[], begun, Budget::start_at(begun, self.capabilities.deadline)).await
    }

    /// Looks a key up: an entry that is neither expired nor invalidated; it may be stale. `tags` are those that the caller
    /// may need the versions of afterwards.
    pub(crate) async fn read(&self, key: &StoreKey<'_>, tags: &[Scope], budget: Budget) -> Result<Found> {
        match self.get_now(key) {
            Some(lookup) => self.judge_now(key, lookup, budget).await,
            None => self.ask_for(key, tags, Instant::now(), budget).await,
        }
    }

    async fn ask_for(
        &self,
        key: &StoreKey<'_>,
        tags: &[Scope],
        begun: Instant,
        budget: Budget,
    ) -> Result<Found> {
        self.prepare(std::slice::from_ref(key), tags, begun);
        let options = GetOptions::new().with_until(budget.until()).with_far(true);
        let lookup = self.backend.get(key, &options).await;
        let found = self.judge_one(key, lookup, begun, budget).await;
        self.events.counters.waited(begun.elapsed());
        found
    }

    /// What an answer comes to that was given without a future.
    async fn judge_now(&self, key: &StoreKey<'_>, lookup: Lookup, budget: Budget) -> Result<Found> {
        if let Register::Here(_) = &self.register {
            return Ok(self.judge_here(lookup));
        }
        self.judge_one(key, Ok(lookup), Instant::now(), budget).await
    }

    /// The same for several keys, in one call of the store and one question for versions.
    pub(crate) async fn read_many(
        &self,
        keys: &[StoreKey<'_>],
        tags: &[Scope],
        budget: Budget,
    ) -> Few<Result<Found>> {
        if let [key] = keys {
            return Few::from_buf([self.read(key, tags, budget).await]);
        }
        if keys.is_empty() {
            return Few::new();
        }
        if let Some(lookups) = self.look_up_now(keys) {
            return lookups.into_iter().map(|lookup| Ok(self.judge_here(lookup))).collect();
        }
        let begun = Instant::now();
        self.prepare(keys, tags, begun);
        let options = GetOptions::new().with_until(budget.until()).with_far(true);
        let lookups = self.backend.get_many(keys, &options).await;
        let found =
            self.judge(keys, one_each(lookups.into(), keys.len(), Operation::Get), begun, budget).await;
        if let Register::There(_) = &self.register {
            self.events.counters.waited(begun.elapsed());
        }
        found
    }

    /// All of these without a future, if the store is in this process.
    fn look_up_now(&self, keys: &[StoreKey<'_>]) -> Option<Vec<Lookup>> {
        if !matches!(self.register, Register::Here(_)) {
            return None;
        }
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.get_now(key)?);
        }
        Some(found)
    }

    fn prepare(&self, keys: &[StoreKey<'_>], tags: &[Scope], since: Instant) {
        if let Register::There(parts) = &self.register {
            for part in parts.of_keys(keys.iter().copied()) {
                parts.of(part).prepare(tags, since);
            }
        }
    }

    /// Has the store weigh an entry again that it has given out in these forms, if one was made since.
    pub(crate) fn weigh_again(&self, key: &StoreKey<'_>, entry: &Entry, forms: (bool, bool)) {
        if entry.forms() != forms
            && let Some(bounded) = self.backend.bounded()
        {
            bounded.grew(key);
        }
    }

    /// A near copy with its value, which was made of its bytes; near, it takes the place of the first from now on.
    pub(crate) fn decoded<T: Value>(&self, key: &StoreKey<'_>, copy: &Entry, value: T) -> Entry {
        let decoded = copy.decoded(value, self.stamps.or(&copy.meta().stamps));
        if let Some(bounded) = self.backend.bounded() {
            bounded.exchange(key, copy, &decoded);
        }
        decoded
    }

    /// Ends the use of the store.
    pub(crate) async fn close(&self) -> Result<()> {
        self.backend.close().await
    }

    /// Whether an entry that is in this process still stands; `true` where that costs a round trip.
    pub(crate) fn is_live_here(&self, key: &StoreKey<'_>) -> bool {
        let Register::Here(here) = &self.register else { return true };
        match self.backend.get_now(key) {
            Some(Lookup::Hit(entry)) => {
                entry.is_fresh(self.clock.now())
                    && !entry.is_lease()
                    && here.standing(&*self.backend, &entry.meta().stamps) == Standing::Stands
            }
            Some(Lookup::Miss(_)) => false,
            None => true,
        }
    }

    /// Counts and reports what the store failed at.
    pub(crate) fn counted<R>(&self, result: Result<R>) -> Result<R> {
        self.count(&result);
        result
    }

    fn count<R>(&self, result: &Result<R>) {
        if let Err(error) = result {
            self.events.happened(&Event::StoreFailed { error });
            tracing::debug!(
                cache = %self.events.cache(), kind = error.kind().as_str(), error = %error.chain(), "the store failed"
            );
        }
    }
}

/// Exactly one answer per question, whatever a backend returned: nobody's value may end up under another key.
pub(crate) fn one_each<R>(answers: Few<Result<R>>, questions: usize, operation: Operation) -> Few<Result<R>> {
    if answers.len() == questions {
        return answers;
    }
    let error = no_answer(answers.len(), questions, operation);
    (0..questions).map(|_| Err(error.clone())).collect()
}

fn no_answer(answers: usize, questions: usize, operation: Operation) -> Error {
    let message = format!("the backend returned {answers} answers for {questions} keys");
    Error::new(ErrorKind::Protocol, operation, message)
}
