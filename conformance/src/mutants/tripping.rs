//! Breakers that are wrong in one way, around a store that is right.

use std::{
    future::Future,
    mem::forget,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Miss, Result,
    backend::{
        Circuit, CircuitState, DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem, SetOptions,
        Written,
    },
    clock::Timestamp,
    error::{Operation, Origin},
    key::StoreKey,
    layer::{Breaker, BreakerSettings, Fault, Faults, Mishap},
};

use super::{Mutant, lock};
use crate::{reference::ReferenceBackend, store::Store};

mutants! {
    |clock, flaw| store(&clock, flaw);

    AsksAllTheSame "asks a store whose breaker is open" => "breaker::a_server_that_fails_is_not_asked";
    SaysTheStoreFailed "says of what it refuses that the store failed" => "breaker::a_call_that_is_refused_says_so";
    OpensAtOnce "opens at the first failure" => "breaker::a_few_failures_do_not_open_it";
    NothingIsAFailure "counts a miss as a failure" => "breaker::answers_without_values_are_answers";
    OursCount "counts its own full queue" => "breaker::our_own_failures_do_not_open_it";
    ReadsInBulk "reads in bulk past its breaker" => "breaker::a_bulk_read_is_refused_like_a_single_one";
    WritesInBulk "writes in bulk past its breaker" => "breaker::a_bulk_write_is_refused_like_a_single_one";
    IgnoresBulk "does not count what fails in bulk" => "breaker::bulk_failures_open_it";
    SwallowsDeletes "takes a refused delete for a delete of nothing" => "breaker::a_delete_that_is_refused_is_an_error";
    SwallowsWrites "takes a refused write for done" => "breaker::a_write_that_is_refused_has_not_landed";
    TriesAll "lets all calls through while one is trying" => "breaker::one_call_tries_whether_the_store_is_back";
    NeverTries "never tries again" => "breaker::a_try_that_succeeds_closes_it";
    ClosesOnAnything "closes when a try has failed" => "breaker::a_try_that_fails_leaves_it_open";
    WaitsForTheDropped "waits for a try that was given up" => "breaker::a_try_that_is_given_up_is_left_to_the_next";
    WaitsForTheDroppedBulk "waits for a bulk try that was given up" =>
        "breaker::a_bulk_try_that_is_given_up_is_left_to_the_next";
    GoesByTheWall "goes by a clock that can be set" => "breaker::a_clock_that_is_set_does_not_keep_it_open";
}

const OPEN_FOR: Duration = Duration::from_secs(10);

type Inner = Breaker<Fault<ReferenceBackend>>;

#[derive(Debug)]
struct Tripping {
    inner: Inner,
    faults: Faults,
    clock: Clock,
    /// When it opened, by the clock that can be set.
    opened: Mutex<Option<Timestamp>>,
    flaw: Option<Flaw>,
}

fn store(clock: &Clock, flaw: Option<Flaw>) -> Store {
    let faults = Faults::new(clock);
    let settings = match flaw {
        Some(Flaw::OpensAtOnce) => BreakerSettings::new().with_failures(0.01),
        Some(Flaw::NeverTries) => BreakerSettings::new().with_open_for(OPEN_FOR * 1000),
        _ => BreakerSettings::new().with_open_for(OPEN_FOR),
    };
    let store = Fault::new(ReferenceBackend::new(clock.clone()), faults.clone());
    // The settings are right.
    let Ok(inner) = Breaker::new(store, "wrong", settings, clock) else {
        unreachable!("settings are refused")
    };
    let opened = Mutex::default();
    let store = Tripping { inner, faults: faults.clone(), clock: clock.clone(), opened, flaw };
    Store::new(store).with_breaker(faults, OPEN_FOR)
}

impl Tripping {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn breaker(&self) -> &dyn Backend {
        &self.inner
    }

    /// What is inside of the breaker.
    fn within(&self) -> &dyn Backend {
        Forward::inner(&self.inner)
    }

    /// Whether a call goes past the breaker.
    fn passes(&self) -> bool {
        let is_open = self.inner.state() == CircuitState::Open;
        (self.is(Flaw::AsksAllTheSame) && is_open)
            || (self.is(Flaw::TriesAll) && self.inner.state() == CircuitState::HalfOpen)
    }

    /// One failure more.
    async fn fail(&self, key: &StoreKey<'_>) {
        let faults = &self.faults;
        faults.always(Mishap::Fails(ErrorKind::Unavailable));
        let _ = self.breaker().get(key, &GetOptions::new()).await;
        faults.none();
    }

    fn shown<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            if self.is(Flaw::SaysTheStoreFailed) && is_refusal(&error) {
                return Error::new(error.kind(), error.operation(), error.message());
            }
            error
        })
    }

    /// By the clock that can be set, whether it is still open.
    fn is_open_by_the_wall(&self) -> bool {
        let mut opened = lock(&self.opened);
        if self.inner.state() == CircuitState::Closed {
            *opened = None;
            return false;
        }
        let now = self.clock.now();
        let at = *opened.get_or_insert(now);
        now < at.plus(OPEN_FOR)
    }

    fn refuse(operation: Operation) -> Error {
        Error::new(ErrorKind::Unavailable, operation, "refused").with_origin(Origin::Here)
    }
}

fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.origin() == Origin::Here
}

/// A call that is forgotten when it is dropped.
struct Forgotten<'a, T>(Option<Pin<Box<dyn Future<Output = T> + Send + 'a>>>);

impl<T> Future for Forgotten<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T> Drop for Forgotten<'_, T> {
    fn drop(&mut self) {
        forget(self.0.take());
    }
}

#[async_trait]
impl Forward for Tripping {
    type Inner = Inner;

    fn inner(&self) -> &Inner {
        &self.inner
    }

    fn get_now(&self, _: &StoreKey<'_>) -> Option<Lookup> {
        None
    }

    fn circuits(&self) -> Vec<Circuit> {
        self.breaker().circuits()
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        if self.passes() {
            return self.within().get(key, options).await;
        }
        if self.is(Flaw::GoesByTheWall) && self.is_open_by_the_wall() {
            return Err(Self::refuse(Operation::Get));
        }
        if self.is(Flaw::WaitsForTheDropped) {
            return Forgotten(Some(self.breaker().get(key, options))).await;
        }
        let is_trying = self.inner.state() == CircuitState::Open;
        let found = self.breaker().get(key, options).await;
        self.is_open_by_the_wall();
        match &found {
            Ok(Lookup::Miss(Miss::Absent)) if self.is(Flaw::NothingIsAFailure) => self.fail(key).await,
            Err(error) if self.is(Flaw::OursCount) && error.kind() == ErrorKind::Busy => {
                let faults = &self.faults;
                self.fail(key).await;
                faults.always(Mishap::Fails(ErrorKind::Busy));
            }
            Err(error) if self.is(Flaw::ClosesOnAnything) && is_trying && !is_refusal(error) => {
                // What comes next is let through, as if it were closed.
                self.clock.advance(OPEN_FOR);
            }
            _ => {}
        }
        self.shown(found)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        match self.breaker().set(key, entry, options).await {
            Err(error) if self.is(Flaw::SwallowsWrites) && is_refusal(&error) => {
                Ok(Written::when(true, entry))
            }
            written => written,
        }
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        if self.passes() {
            return self.within().delete(key, options).await;
        }
        match self.breaker().delete(key, options).await {
            Err(error) if self.is(Flaw::SwallowsDeletes) && is_refusal(&error) => Ok(false),
            deleted => deleted,
        }
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        if self.is(Flaw::ReadsInBulk) || self.is(Flaw::IgnoresBulk) {
            return self.within().get_many(keys, options).await;
        }
        if self.is(Flaw::WaitsForTheDroppedBulk) {
            return Forgotten(Some(self.breaker().get_many(keys, options))).await;
        }
        self.breaker().get_many(keys, options).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        if self.is(Flaw::WritesInBulk) {
            return self.within().set_many(items).await;
        }
        self.breaker().set_many(items).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        self.breaker().delete_many(items).await
    }
}
