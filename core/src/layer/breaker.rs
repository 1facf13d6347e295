//! What stops asking a server that fails.

mod many;
mod position;
mod settings;
mod switch;
mod switches;
mod telling;
mod verdict;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

pub use self::settings::BreakerSettings;
use self::{switch::Admitted, switches::Switches, verdict::Verdict};
use super::{
    counting::increment,
    limit::{Limit, encode},
};
use crate::{
    backend::{
        Backend, Capabilities, Circuit, CircuitState, CounterOptions, Counters, DeleteItem, DeleteOptions,
        Forward, GetOptions, Lookup, SetItem, SetOptions, Shards, TouchItem, TouchOptions, Written,
    },
    clock::Clock,
    entry::Entry,
    error::{Error, Operation, Result},
    key::StoreKey,
};

/// Stops asking a store that fails, and finds out when it answers again.
///
/// While it is closed every call goes through, and the last outcomes are remembered. When too many of them were failures it
/// opens: calls fail at once. After [`open_for`](BreakerSettings::open_for) one call goes through, as a probe, while the
/// others still fail at once. If that succeeds the breaker closes, else it stays open for as long again.
///
/// ```
/// use larder_core::{Cache, Clock, Key, backend::NullBackend, layer::{Breaker, BreakerSettings}};
/// use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder_core::Error> {
/// let settings = BreakerSettings::new().with_open_for(Duration::from_millis(500));
/// let store = Breaker::new(NullBackend::new(), "shared", settings, &Clock::system())?
///     .with_deadline(Duration::from_millis(50))?;
/// let users: Cache<String> = Cache::builder(store).namespace("users").build()?;
/// # users.get(&Key::new("ada")).await?;
/// # Ok(()) }
/// ```
///
/// # Notes
/// - **What counts as a failure** is an error of the kinds `Timeout`, `Unavailable`, `Protocol`, `Loading` and `Busy` whose
///   [origin](crate::Error::origin) is the store, and an answer that took longer than [`slow`](BreakerSettings::slow). A client's own
///   full queue is none, nor is what concerns one key or value; a server that refuses a write because it is full or
///   read-only has answered. A `Timeout` counts only if the server was given half of the deadline at least, since the
///   caller's time may have been used up before, and not if it took half as long again as the deadline: then this process did not
///   run, and may have missed the answer.
/// - **A call that is refused was not sent**: its error is [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) with
///   [`Origin::Here`](crate::error::Origin::Here), says for how long the breaker has been open and when the next call goes
///   through, and has the last failure as its source. A write or an invalidation that is refused has certainly not taken
///   place, and is an error like that of a store that cannot be reached; invalidations of tags and clears are owed, and made
///   up for.
/// - **Several servers** ([`Shards`]) have a breaker each. A bulk call is one call for each server whose keys it has, and the
///   keys of a server whose breaker is open fail alone. Which of several servers was slow in one call is not known, and not
///   judged.
/// - **A store that hangs** is noticed by a deadline. Without one, here, inside, or in the store's own settings, nothing counts
///   against it.
/// - What a store in this process's memory answers without a future ([`Backend::get_now`]) is neither refused nor judged; nor
///   is closing.
/// - **Cost.** While closed, a call reads one number before and one after, and writes it only while one of the last outcomes
///   was a failure. There is no timer and no lock. [`with_deadline`](Self::with_deadline) makes one layer of two: around a
///   [`Deadline`](super::Deadline) the breaker would allocate a future of its own for each call.
///
/// # Cancellation safety
/// A call whose future is dropped says nothing of the server. A probe whose future is dropped leaves the probing to the next
/// call; one that is neither driven nor dropped counts as lost after `open_for`, or twice the deadline if that is longer.
pub struct Breaker<B> {
    inner: B,
    settings: BreakerSettings,
    limit: Option<Limit>,
    /// Of the store with everything in it.
    deadline: Option<Duration>,
    switches: Switches,
}

impl<B: Backend> Breaker<B> {
    /// Around the store of this name. Time is that of the clock, as it would be had nobody set it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for settings that cannot be right.
    pub fn new(inner: B, store: &str, settings: BreakerSettings, clock: &Clock) -> Result<Self> {
        let deadline = inner.capabilities().deadline;
        let count = inner.shards().map_or(1, Shards::count);
        let switches = Switches::new(store.into(), settings.rules(deadline)?, clock, count);
        Ok(Self { inner, settings, limit: None, deadline, switches })
    }

    /// The same, and every operation ends after this time, as by a [`Deadline`](super::Deadline) inside.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if [`slow`](BreakerSettings::slow) is not below it.
    pub fn with_deadline(mut self, limit: Duration) -> Result<Self> {
        self.deadline = Some(self.deadline.map_or(limit, |inner| inner.min(limit)));
        self.switches.rules = self.settings.rules(self.deadline)?;
        self.limit = Some(Limit::new(limit));
        Ok(self)
    }

    /// Calls this with the name of the store for each breaker that opens or closes, on the thread of the call that changed it:
    /// it must neither block nor take long. One that panics harms nobody. It replaces an earlier one.
    #[must_use]
    pub fn on_change(mut self, watcher: impl Fn(&str, &Circuit) + Send + Sync + 'static) -> Self {
        self.switches.watcher = Some(Arc::new(watcher));
        self
    }

    /// Whether calls go through: of several servers, the state of the worst.
    pub fn state(&self) -> CircuitState {
        self.switches.state()
    }

    /// The store's name.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.switches.store
    }

    /// What a call would fail with that came now, if it would be refused; of several servers, by the first of those.
    pub(super) fn refusal(&self, operation: Operation) -> Option<Error> {
        self.switches.refusal(operation, self.shards())
    }

    /// The servers whose breaker is not closed and lets a call through now, to try whether it is back.
    pub(super) fn due(&self) -> impl Iterator<Item = u16> + '_ {
        self.switches.due()
    }

    fn shards(&self) -> Option<&dyn Shards> {
        self.inner.shards()
    }

    fn server(&self, key: &StoreKey<'_>) -> u16 {
        if !self.switches.are_many() {
            return 0;
        }
        self.shards().map_or(0, |shards| shards.of(key))
    }

    fn admit(&self, server: u16, operation: Operation) -> Result<Admitted<'_>> {
        self.switches.admit(server, operation, self.shards())
    }

    fn ended(&self, server: u16, admitted: Admitted<'_>, verdict: Verdict) {
        self.switches.ended(server, admitted, verdict, self.shards());
    }

    /// When a call begins, if that is going to matter.
    fn begins(&self, until: Option<Instant>) -> Option<Instant> {
        let matters = self.limit.is_some()
            || self.switches.rules.slow.is_some()
            || (until.is_some() && self.deadline.is_some());
        matters.then(Instant::now)
    }

    /// How long a call took that has ended now, if that matters.
    fn took(&self, began: Option<Instant>, has_failed: bool) -> Option<Duration> {
        let matters = has_failed || self.switches.rules.slow.is_some();
        began.filter(|_| matters).map(|began| began.elapsed())
    }

    /// Does something with one key. What the caller prepares before the store is asked is not the store's time.
    async fn one<T>(
        &self,
        (operation, key, until): (Operation, &StoreKey<'_>, Option<Instant>),
        prepared: impl Future<Output = Result<()>>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let server = self.server(key);
        let admitted = self.admit(server, operation)?;
        prepared.await?;
        let began = self.begins(until);
        let result = match (&self.limit, began) {
            (Some(limit), Some(began)) => limit.one(operation, (began, until), work).await,
            _ => work.await,
        };
        let took = self.took(began, result.is_err());
        self.ended(server, admitted, Verdict::of(&result, took, &self.switches.rules));
        result.map_err(|error| error.in_store(self.name()))
    }

    async fn in_time_many<T>(
        &self,
        operation: Operation,
        (count, began, until): (usize, Option<Instant>, Option<Instant>),
        work: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        match (&self.limit, began) {
            (Some(limit), Some(began)) => limit.many(operation, (count, began, until), work).await,
            _ => work.await,
        }
    }
}

/// What most calls need prepared.
fn nothing() -> std::future::Ready<Result<()>> {
    std::future::ready(Ok(()))
}

/// When callers of all of these stop waiting, the first of them.
fn soonest(each: impl Iterator<Item = Option<Instant>>) -> Option<Instant> {
    each.flatten().min()
}

#[async_trait]
impl<B: Backend> Forward for Breaker<B> {
    type Inner = B;

    fn inner(&self) -> &B {
        &self.inner
    }

    fn capabilities(&self) -> Capabilities {
        let inner = self.inner.capabilities();
        self.limit.as_ref().map_or(inner, |limit| limit.on(inner))
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.inner.counters().map(|_| self as &dyn Counters)
    }

    fn circuits(&self) -> Vec<Circuit> {
        self.switches.circuits(self.shards())
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        let call = (Operation::Get, key, options.until);
        self.one(call, nothing(), self.inner.get(key, options)).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let (call, store) = ((Operation::Set, key, options.until), self.inner.capabilities());
        self.one(call, encode(entry, &store), self.inner.set(key, entry, options)).await
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let call = (Operation::Touch, key, options.until);
        self.one(call, nothing(), self.inner.touch(key, options)).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let call = (Operation::Delete, key, options.until);
        self.one(call, nothing(), self.inner.delete(key, options)).await
    }

    async fn close(&self) -> Result<()> {
        let began = Instant::now();
        let result = match &self.limit {
            Some(limit) => limit.one(Operation::Close, (began, None), self.inner.close()).await,
            None => self.inner.close().await,
        };
        result.map_err(|error| error.in_store(self.name()))
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let (call, keys) = self.call(Operation::Get, keys, options.until);
        let options = options.with_until(call.until);
        call.answered(self.inner.get_many(&keys, &options)).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let store = self.inner.capabilities();
        let is_closed = self.state() == CircuitState::Closed;
        for item in items {
            // What is refused need not be encoded. A value that cannot be fails again inside, where its own answer is given.
            if is_closed || !self.switches.refuse(self.server(&item.key)) {
                let _ = encode(&item.entry, &store).await;
            }
        }
        let until = soonest(items.iter().map(|item| item.options.until));
        let (call, items) = self.call(Operation::Set, items, until);
        call.answered(self.inner.set_many(&items)).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let until = soonest(items.iter().map(|item| item.options.until));
        let (call, items) = self.call(Operation::Touch, items, until);
        call.answered(self.inner.touch_many(&items)).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let until = soonest(items.iter().map(|item| item.options.until));
        let (call, items) = self.call(Operation::Delete, items, until);
        call.answered(self.inner.delete_many(&items)).await
    }
}

#[async_trait]
impl<B: Backend> Counters for Breaker<B> {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        let work = increment(&self.inner, key, by, options);
        self.one((Operation::Increment, key, options.until), nothing(), work).await
    }
}

impl<B: fmt::Debug> fmt::Debug for Breaker<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("inner", &self.inner)
            .field("switches", &self.switches)
            .finish_non_exhaustive()
    }
}
