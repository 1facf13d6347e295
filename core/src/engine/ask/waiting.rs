//! Waiting for a flight, no longer than the caller does, and whether what it brings is right for that caller.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{
    budget::{Budget, Paused, by},
    events::Event,
    fetched::{Fetched, Status},
    flight::{Arrival, End},
    kit::Outcome,
    loader::Loader,
    reading::Reading,
    register::Register,
    waits::{self, Wait},
};
use super::{Aboard, Ask, Boarded};
use crate::{
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    value::Value,
    versions::Standing,
};

/// What came of waiting for a load.
pub(super) enum Waited<T> {
    Ended(Outcome<T>),
    /// It took longer than the caller waits.
    Late,
    /// There is nothing in it for this caller, who joins or begins another.
    Again,
}

/// How much longer than a load may take its flight is waited for: its task may be late in saying so.
pub(super) const GRACE: Duration = Duration::from_secs(1);

pub(crate) fn waits_for_itself() -> Error {
    let message = "the loader of this key waits for the same key, directly or through other loads; it would wait forever";
    Error::new(ErrorKind::Recursion, Operation::Load, message)
}

pub(super) fn vanished() -> Error {
    Error::new(ErrorKind::Load, Operation::Load, "the load was abandoned; is the runtime shutting down?")
}

impl<T: Value, L: Loader<T>> Ask<'_, T, L> {
    /// Waits for a flight; for its loader until then at most. Gives back what is left of the budget.
    pub(super) async fn wait(
        &self,
        boarded: &Boarded<T>,
        arrival: &Arrival,
        late: Option<Instant>,
        paused: Paused,
    ) -> (Waited<T>, Paused) {
        let Boarded { flight, leads, .. } = boarded;
        let made = match self.wait_for_loader(flight, *leads, late).await {
            Ok(made) => made,
            Err(waited) => return (waited, paused.less(flight.used())),
        };
        // What the load has used is used up for whoever has waited for it.
        let budget = paused.less(flight.used()).resume();
        let landed = match budget.bound(flight.landed()).await {
            Some(End::Outcome(Ok(Some(landed)))) => landed,
            // What is not stored in time is stored in the background.
            _ => made,
        };
        let waited = if *leads {
            Waited::Ended(Ok(Some(landed)))
        } else if self.is_for(flight, arrival, budget).await {
            Waited::Ended(Ok(Some(landed.with_status(Status::Joined))))
        } else {
            Waited::Again
        };
        (waited, budget.pause())
    }

    /// What a flight's loader has made.
    pub(super) async fn wait_for_loader(
        &self,
        flight: &Aboard<T>,
        leads: bool,
        late: Option<Instant>,
    ) -> Result<Fetched<T>, Waited<T>> {
        let (kit, call) = (self.kit, &self.order.call);
        let Ok(_wait) = Wait::begin(&flight.load) else { return Err(Waited::Ended(Err(waits_for_itself()))) };
        if !leads {
            if waits::is_nested() {
                // Who waits for it has a permit that it may be waiting for.
                flight.load.hurry();
            }
            kit.events.happened(&Event::Joined);
        }
        let made = loop {
            let alive = flight.load.last_beat();
            let lost =
                call.policy.load_limit.and_then(|limit| alive.checked_add(limit.saturating_add(GRACE)));
            let Some(end) = [late, lost].into_iter().flatten().min() else { break flight.made().await };
            if let Some(made) = by(end, flight.made()).await {
                break made;
            }
            if late.is_some_and(|late| late <= end) {
                // It goes on, whoever waits for it.
                flight.keep();
                return Err(Waited::Late);
            }
            if flight.load.last_beat() == alive {
                // Its runtime is not driven any more, or its loader would have ended.
                kit.flights.give_up(flight);
                break End::Vanished;
            }
        };
        match made {
            End::Outcome(Ok(Some(made))) => Ok(made),
            // The loader of several has left this key out. This caller's own may have it.
            End::Outcome(Ok(None)) if !leads && self.order.loader.is_full() => Err(Waited::Again),
            End::Outcome(outcome) => Err(Waited::Ended(outcome)),
            End::Vanished if self.order.loader.is_full() => Err(Waited::Again),
            End::Vanished => Err(Waited::Ended(Err(vanished()))),
        }
    }

    /// Whether a flight's value is right for somebody who arrived then. Who removes the key through the same cache removes its
    /// flight from the table; here it is about those who invalidate a tag of it or clear its namespace, and, under leases,
    /// about other processes that remove the key.
    pub(super) async fn is_for(&self, flight: &Aboard<T>, arrival: &Arrival, budget: Budget) -> bool {
        // Whatever was removed before this caller arrived was removed before the loader looked.
        if flight.is_newer_than(arrival) || flight.loader_began().is_some_and(|began| began > arrival.at) {
            return true;
        }
        if flight.is_doubtful() {
            return false;
        }
        if self.order.call.policy.lease.is_some() {
            return flight.is_vouched_for(arrival.at);
        }
        if let Register::There(parts) = &self.kit.store.register {
            let began = flight.loader_began().unwrap_or(flight.begun);
            if parts.is_within_lag(began, arrival.at) {
                return true;
            }
        }
        match flight.stamps() {
            Some(stamps) => {
                // Nor can a store that cannot say what was invalidated be told so.
                let key = StoreKey::new(&self.kit.namespace, &flight.key);
                let standing = self.kit.store.standing(&key, stamps, arrival.at, budget).await;
                standing.map_or(true, |standing| standing == Standing::Stands)
            }
            None => true,
        }
    }
}
