//! A store as the engine sees it: the backend with the versions of its entries. The only one who calls a backend. It counts
//! and reports what fails, and sees to it that there is one answer to each question.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    budget::Budget,
    events::{Event, Events},
    register::Register,
};
use crate::{
    backend::{
        Backend, Capabilities, Condition, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem, SetOptions,
        TouchOptions, Written,
    },
    clock::{Clock, Timestamp},
    entry::{Entry, Kind, Lifetime, Scope, Stamps, Token},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    miss::Miss,
    ttl::Ttl,
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

/// One new entry.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) key: StoreKey<'a>,
    pub(crate) entry: Entry,
    pub(crate) kept: Ttl,
    pub(crate) condition: Condition,
}

/// A backend, and the versions that its entries are checked against.
#[derive(Debug)]
pub(crate) struct Store {
    backend: Arc<dyn Backend>,
    pub(crate) register: Register,
    pub(crate) events: Arc<Events>,
    pub(crate) clock: Clock,
    capabilities: Capabilities,
}

impl Store {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        register: Register,
        events: Arc<Events>,
        clock: Clock,
    ) -> Self {
        let capabilities = backend.capabilities();
        Self { backend, register, events, clock, capabilities }
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
        let Some(Lookup::Hit(entry)) = self.backend.get_now(key) else { return None };
        let Register::Here(here) = &self.register else { return None };
        let stands = here.standing(&*self.backend, &entry.meta().stamps) == Standing::Stands;
        stands.then_some(entry)
    }

    /// Looks a key up: an entry that is neither expired nor invalidated; it may be stale. `tags` are those that the caller
    /// may need the versions of afterwards.
    pub(crate) async fn read(&self, key: &StoreKey<'_>, tags: &[Scope], budget: Budget) -> Result<Found> {
        let Some(lookup) = self.backend.get_now(key) else {
            let begun = Instant::now();
            self.prepare(tags, begun);
            let lookup = self.backend.get(key, &GetOptions::new().with_until(budget.until())).await;
            let found = self.judge_one(lookup, begun, budget).await;
            self.events.counters.waited(begun.elapsed());
            return found;
        };
        if let Register::Here(_) = &self.register {
            return Ok(self.judge_here(lookup));
        }
        self.judge_one(Ok(lookup), Instant::now(), budget).await
    }

    /// The same for several keys, in one call of the store and one question for versions.
    pub(crate) async fn read_many(
        &self,
        keys: &[StoreKey<'_>],
        tags: &[Scope],
        budget: Budget,
    ) -> Vec<Result<Found>> {
        if let [key] = keys {
            return vec![self.read(key, tags, budget).await];
        }
        if keys.is_empty() {
            return Vec::new();
        }
        if let Some(lookups) = self.look_up_now(keys) {
            return lookups.into_iter().map(|lookup| Ok(self.judge_here(lookup))).collect();
        }
        let begun = Instant::now();
        self.prepare(tags, begun);
        let options = GetOptions::new().with_until(budget.until());
        let lookups = self.backend.get_many(keys, &options).await;
        let found = self.judge(one_each(lookups, keys.len(), Operation::Get), begun, budget).await;
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
            found.push(self.backend.get_now(key)?);
        }
        Some(found)
    }

    fn prepare(&self, tags: &[Scope], since: Instant) {
        if let Register::There(there) = &self.register {
            there.prepare(tags, since);
        }
    }

    /// What a lookup that began then comes to.
    async fn judge_one(&self, lookup: Result<Lookup>, begun: Instant, budget: Budget) -> Result<Found> {
        let lookup = lookup?;
        if let (Register::There(there), Lookup::Hit(entry)) = (&self.register, &lookup) {
            let now = self.clock.now();
            if !entry.is_live(now) && !entry.is_lease() {
                return Ok(judged(entry.clone(), Standing::Stands, now));
            }
            if let Some(standing) = there.standing_now(&entry.meta().stamps, there.oldest_for(begun)) {
                return Ok(judged(entry.clone(), standing, now));
            }
        }
        let found = self.judge(vec![Ok(lookup)], begun, budget).await.pop();
        // One question, one answer.
        found.unwrap_or_else(|| Err(no_answer(0, 1, Operation::Get)))
    }

    /// What lookups that began then come to.
    async fn judge(
        &self,
        lookups: Vec<Result<Lookup>>,
        begun: Instant,
        budget: Budget,
    ) -> Vec<Result<Found>> {
        let there = match &self.register {
            Register::Here(_) => {
                return lookups
                    .into_iter()
                    .map(|lookup| lookup.map(|lookup| self.judge_here(lookup)))
                    .collect();
            }
            Register::There(there) => there,
        };
        let now = self.clock.now();
        let entries: Vec<&Entry> = lookups
            .iter()
            .filter_map(|lookup| match lookup {
                Ok(Lookup::Hit(entry)) if entry.is_live(now) || entry.is_lease() => Some(entry),
                _ => None,
            })
            .collect();
        let stamps: Vec<&Stamps> = entries.iter().map(|entry| &entry.meta().stamps).collect();
        let standings = if stamps.is_empty() {
            Vec::new()
        } else {
            there.standings(&stamps, there.oldest_for(begun), budget).await
        };
        let mut standings = standings.into_iter();
        let judged = lookups.into_iter().map(|lookup| match lookup? {
            Lookup::Hit(entry) if entry.is_live(now) || entry.is_lease() => {
                let standing = standings.next().unwrap_or(Ok(Standing::Dead))?;
                Ok(judged(entry, standing, now))
            }
            lookup => Ok(self.judge_here(lookup)),
        });
        judged.collect()
    }

    /// What a lookup comes to whose entry needs no question.
    fn judge_here(&self, lookup: Lookup) -> Found {
        match lookup {
            Lookup::Hit(entry) => {
                let now = self.clock.now();
                let standing = match &self.register {
                    Register::Here(here) => here.standing(&*self.backend, &entry.meta().stamps),
                    // Of such stores only what is over by our clock comes here.
                    Register::There(_) => Standing::Stands,
                };
                judged(entry, standing, now)
            }
            Lookup::Miss(miss) => {
                let place = match &miss {
                    Miss::Absent | Miss::Expired => Place::Empty,
                    miss if miss.is_from_the_future() => Place::Future,
                    _ => Place::Unreadable,
                };
                Err(Nothing { miss, place })
            }
        }
    }

    /// How what was written under these stands, for a caller who arrived at this time.
    pub(crate) async fn standing(&self, stamps: &Stamps, since: Instant, budget: Budget) -> Result<Standing> {
        match &self.register {
            Register::Here(here) => Ok(here.standing(&*self.backend, stamps)),
            Register::There(there) => {
                let standings = there.standings(&[stamps], there.oldest_for(since), budget).await;
                standings.into_iter().next().unwrap_or(Ok(Standing::Dead))
            }
        }
    }

    /// The stamps for entries whose values begin to be made now, and which are kept for this long.
    pub(crate) async fn stamps(&self, tags: &[Scope], kept: Ttl, budget: Budget) -> Result<Stamps> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(here), Some(versions)) => Ok(here.current(versions, tags)),
            (Register::There(there), _) => self.counted(there.current(tags, kept, budget).await),
            (Register::Here(_), None) => Err(no_versions()),
        }
    }

    /// Whether versions are had without asking.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.register, Register::Here(_))
    }

    /// Has the next question for versions ask for what [`mark`](Self::mark) needs, too.
    pub(crate) fn will_mark(&self) {
        if let Register::There(there) = &self.register {
            there.will_mark();
        }
    }

    /// A mark for [`stamps_since`](Self::stamps_since), taken before a loader begins that may name tags.
    pub(crate) async fn mark(&self, kept: Ttl, budget: Budget) -> Result<u64> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(_), Some(versions)) => Ok(versions.mark()),
            (Register::There(there), _) => self.counted(there.mark(kept, budget).await),
            (Register::Here(_), None) => Err(no_versions()),
        }
    }

    /// The stamps of tags that a loader has named; `None` if one was invalidated since the mark.
    pub(crate) async fn stamps_since(
        &self,
        tags: &[Scope],
        kept: Ttl,
        mark: u64,
        budget: Budget,
    ) -> Result<Option<Stamps>> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(here), Some(versions)) => Ok(here.since(versions, tags, mark)),
            (Register::There(there), _) => self.counted(there.since(tags, kept, mark, budget).await),
            (Register::Here(_), None) => Err(no_versions()),
        }
    }

    /// Sees to it that what an entry was written under is kept for as long as the entry, which is given a longer TTL. If that
    /// fails, the entry ends sooner, and nothing is served that should not be.
    pub(crate) async fn keep_stamps(&self, entry: &Entry, kept: Ttl, budget: Budget) {
        if let Register::There(there) = &self.register {
            let _ = self.counted(there.keep(&entry.meta().stamps, kept, budget).await);
        }
    }

    /// Gives a scope a new version: what was written under the old one is dead or, when `softly`, stale.
    pub(crate) async fn invalidate(
        &self,
        scope: &Scope,
        softly: bool,
        operation: Operation,
        budget: Budget,
    ) -> Result<()> {
        let result = match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(here), Some(versions)) => {
                // Only the store knows whether it is still in use.
                let open = match self.register.levels().record(scope) {
                    Some(record) => {
                        let options = GetOptions::new().with_until(budget.until());
                        self.backend.get(&record.store_key(), &options).await.map(drop)
                    }
                    None => Ok(()),
                };
                let closed = || Error::new(ErrorKind::Closed, operation, "the store was closed");
                open.and_then(|()| here.invalidate(versions, scope, softly).then_some(()).ok_or_else(closed))
            }
            (Register::There(there), _) => there.invalidate(scope, softly, budget).await,
            (Register::Here(_), None) => Err(no_versions()),
        };
        self.counted(result.map_err(|error| error.during(operation)))
    }

    /// Writes entries, counting; one answer each. Where a value is too large for the store and the write had no condition,
    /// what it should have replaced is gone: it would be served as if it were current.
    pub(crate) async fn write_many(
        &self,
        writes: &[Write<'_>],
        until: Option<Instant>,
    ) -> Vec<Result<Written>> {
        let options = |write: &Write<'_>| SetOptions::new(write.kept).when(write.condition).with_until(until);
        let written = match writes {
            [] => return Vec::new(),
            [write] => vec![self.backend.set(&write.key, &write.entry, &options(write)).await],
            writes => {
                let items: Vec<SetItem<'_>> = writes
                    .iter()
                    .map(|write| SetItem::new(write.key, write.entry.clone(), options(write)))
                    .collect();
                one_each(self.backend.set_many(&items).await, items.len(), Operation::Set)
            }
        };
        let mut lies = Vec::new();
        for (write, written) in writes.iter().zip(&written) {
            let is_too_large = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::TooLarge);
            if is_too_large && write.condition == Condition::Always {
                lies.push((write.key, Condition::Always));
            }
        }
        if !lies.is_empty() {
            for removed in self.remove_many(&lies, until).await {
                // Reported: the old value may still be there.
                let _ = self.counted(removed);
            }
        }
        let mut results = Vec::with_capacity(written.len());
        for (write, written) in writes.iter().zip(written) {
            if matches!(written, Ok(Written::Yes(_))) && !write.entry.is_lease() {
                self.events.happened(&stored(&write.entry));
            }
            results.push(self.counted(written));
        }
        results
    }

    /// Writes one entry.
    pub(crate) async fn write(&self, write: Write<'_>, until: Option<Instant>) -> Result<Written> {
        let written = self.write_many(&[write], until).await.pop();
        written.unwrap_or_else(|| Err(no_answer(0, 1, Operation::Set)))
    }

    /// Removes entries under conditions; one answer each. Nothing is counted.
    pub(crate) async fn remove_many(
        &self,
        keys: &[(StoreKey<'_>, Condition)],
        until: Option<Instant>,
    ) -> Vec<Result<bool>> {
        let options = |condition| DeleteOptions::new().when(condition).with_until(until);
        match keys {
            [] => Vec::new(),
            [(key, condition)] => vec![self.backend.delete(key, &options(*condition)).await],
            keys => {
                let items: Vec<DeleteItem<'_>> =
                    keys.iter().map(|(key, condition)| DeleteItem::new(*key, options(*condition))).collect();
                one_each(self.backend.delete_many(&items).await, items.len(), Operation::Delete)
            }
        }
    }

    /// Gives a live entry another TTL, if the condition holds.
    pub(crate) async fn touch(
        &self,
        key: &StoreKey<'_>,
        (lifetime, kept): (Lifetime, Ttl),
        condition: Condition,
        until: Option<Instant>,
    ) -> Result<bool> {
        let options = TouchOptions::new(lifetime, kept).when(condition).with_until(until);
        let touched = self.backend.touch(key, &options).await;
        self.counted(touched)
    }

    /// Has the store weigh an entry again that it has given out in these forms, if one was made since.
    pub(crate) fn weigh_again(&self, key: &StoreKey<'_>, entry: &Entry, forms: (bool, bool)) {
        if entry.forms() != forms
            && let Some(bounded) = self.backend.bounded()
        {
            bounded.grew(key);
        }
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
        if let Err(error) = &result {
            self.events.happened(&Event::StoreFailed { error });
            tracing::debug!(
                cache = %self.events.cache(), kind = error.kind().as_str(), error = %error.chain(), "the store failed"
            );
        }
        result
    }
}

/// What an entry that stands like this comes to at this time.
fn judged(entry: Entry, standing: Standing, now: Timestamp) -> Found {
    let miss = match standing {
        // Another process's clock says nothing of how long its lease lasts.
        Standing::Dead => Miss::Invalidated,
        // What its load makes would be stale at once.
        Standing::Stale if entry.is_lease() => Miss::Invalidated,
        _ if entry.is_lease() => Miss::Leased,
        _ if !entry.is_live(now) => Miss::Expired,
        Standing::Stands => return Ok(entry),
        // A negative answer is never served stale.
        Standing::Stale if entry.kind() == Kind::Negative => Miss::Invalidated,
        Standing::Stale => {
            let Lifetime { fresh_until, expires } = entry.meta().lifetime;
            return Ok(entry.with_lifetime(Lifetime { fresh_until: fresh_until.min(now), expires }));
        }
    };
    Err(Nothing { miss, place: Place::Taken(entry.token()) })
}

/// That this entry was written.
pub(crate) fn stored(entry: &Entry) -> Event<'static> {
    Event::Stored { bytes: entry.encoded().map(|body| (body.raw_len, body.bytes.len() as u64)) }
}

/// Exactly one answer per question, whatever a backend returned: nobody's value may end up under another key.
pub(crate) fn one_each<R>(answers: Vec<Result<R>>, questions: usize, operation: Operation) -> Vec<Result<R>> {
    if answers.len() == questions {
        return answers;
    }
    let error = no_answer(answers.len(), questions, operation);
    (0..questions).map(|_| Err(error.clone())).collect()
}

fn no_answer(answers: usize, questions: usize, operation: Operation) -> Error {
    let message = format!("the backend gave {answers} answers to {questions} questions");
    Error::new(ErrorKind::Protocol, operation, message)
}

fn no_versions() -> Error {
    Error::new(ErrorKind::Protocol, Operation::Get, "the backend has given its versions away")
}
