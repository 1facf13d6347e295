//! One key that a load is for: what is known of it, its flight, and under what its value may be stored.

use std::{sync::Arc, time::Duration};

use super::{
    events::Event,
    fetched::Fetched,
    flight::{End, Flight},
    kit::{Kit, Outcome},
    lease::{Hold, Sighting},
    store::{Found, Nothing, Place},
};
use crate::{
    entry::Token,
    error::{Error, Result},
    key::StoreKey,
    miss::Miss,
    value::Value,
};

/// What is known of a key that is to be loaded.
pub(crate) struct Seed<T> {
    /// What is under the key now. `None`: the store failed, and nothing is written back to it.
    pub(crate) place: Option<Place>,
    /// A value is there that others are served meanwhile.
    pub(crate) stands: bool,
    /// What there is in the meantime.
    pub(crate) old: Option<Fetched<T>>,
    /// The revision of the entry that is to be replaced though it is fresh; 0 for none.
    pub(crate) revision: u64,
    /// Another process is loading it, as its lease says.
    pub(crate) lease: Option<Token>,
    /// What the store has failed with.
    pub(crate) failed: Option<Error>,
    /// All this is known from a near copy: the store may have something else by now.
    pub(crate) is_near: bool,
}

impl<T> Seed<T> {
    /// For a key under which there is nothing usable.
    pub(crate) fn nothing(nothing: &Nothing) -> Self {
        let lease = match (&nothing.miss, nothing.place) {
            (Miss::Leased, Place::Taken(token)) => Some(token),
            _ => None,
        };
        Self {
            place: Some(nothing.place),
            stands: false,
            old: None,
            revision: 0,
            lease,
            failed: None,
            is_near: false,
        }
    }

    /// For a key of which nothing is known, since the store has failed.
    pub(crate) fn unknown(failed: Option<Error>) -> Self {
        Self { place: None, stands: false, old: None, revision: 0, lease: None, failed, is_near: false }
    }
}

/// Sees to it that a flight lands, whatever becomes of its task.
pub(super) struct Landing<T: Value> {
    pub(super) kit: Arc<Kit<T>>,
    pub(super) flight: Arc<Flight<Outcome<T>>>,
    landed: bool,
}

impl<T: Value> Drop for Landing<T> {
    fn drop(&mut self) {
        if !self.landed {
            self.kit.flights.land(&self.flight, End::Vanished);
        }
    }
}

/// One key that a load is for.
pub(crate) struct Wanted<T: Value> {
    pub(super) landing: Landing<T>,
    pub(super) place: Option<Place>,
    pub(super) stands: bool,
    /// Somebody else may have stored it since the store was asked.
    pub(super) look_again: bool,
    pub(crate) old: Option<Fetched<T>>,
    pub(super) revision: u64,
    /// The lease of another process that was seen there.
    pub(super) sighting: Option<Sighting>,
    /// Under what the value is stored. `None`: it is not.
    pub(crate) hold: Option<Hold>,
    /// A lease that may have been taken, though the store has failed to say so.
    pub(crate) perhaps: Option<Token>,
    /// What the store has failed with, if it has.
    pub(crate) cut_off_by: Option<Error>,
    /// How long the loader is left alone if it fails while there is something else to serve.
    backoff: Duration,
}

impl<T: Value> Wanted<T> {
    pub(crate) fn new(
        kit: &Arc<Kit<T>>,
        flight: Arc<Flight<Outcome<T>>>,
        look_again: bool,
        seed: Seed<T>,
        backoff: Duration,
    ) -> Self {
        let Seed { place, stands, old, revision, lease, failed, is_near } = seed;
        let landing = Landing { kit: Arc::clone(kit), flight, landed: false };
        let sighting = lease.map(|token| {
            kit.events.happened(&Event::LeaseAwaited);
            Sighting::of(token, None).0
        });
        let (hold, perhaps) = (None, None);
        Self {
            landing,
            place,
            stands,
            look_again: look_again || is_near,
            old,
            revision,
            sighting,
            hold,
            perhaps,
            cut_off_by: failed,
            backoff,
        }
    }

    pub(crate) fn flight(&self) -> &Arc<Flight<Outcome<T>>> {
        &self.landing.flight
    }

    /// The store has failed, so that nothing is known of what others do to the key.
    pub(super) fn cut_off(&mut self, error: Error) {
        self.place = None;
        self.cut_off_by = Some(error);
    }

    pub(super) fn key(&self) -> StoreKey<'_> {
        StoreKey::new(&self.landing.kit.namespace, &self.landing.flight.key)
    }

    /// Tells those who wait what the loader has made, or that it has failed.
    pub(crate) fn make(&self, outcome: Outcome<T>) {
        if let (Err(error), true) = (&outcome, self.stands) {
            // There is something else to serve meanwhile. Before anybody knows: the next call may come at once.
            let kit = &self.landing.kit;
            kit.resting.begin(self.key().seeded_hash(), kit.clock.now(), self.backoff);
            if let Some(times) = kit.warnings.due(("renew", error.kind().as_str())) {
                tracing::warn!(
                    cache = %kit.name, kind = error.kind().as_str(), error = %error.chain(), times,
                    "a value could not be reloaded; the old one is served meanwhile"
                );
            }
        }
        let is_value = matches!(outcome, Ok(Some(_)));
        self.flight().make(outcome, is_value);
    }

    pub(crate) fn land(mut self, outcome: Outcome<T>) {
        self.landing.landed = true;
        self.landing.kit.flights.land(&self.landing.flight, End::Outcome(outcome));
    }

    /// What a look at the key has shown.
    pub(super) fn saw(&mut self, found: &Result<Found>) {
        self.stands = false;
        match found {
            Ok(Ok(entry)) => {
                self.place = Some(Place::Taken(entry.token()));
                self.stands = true;
                self.sighting = None;
            }
            Ok(Err(Nothing { miss: Miss::Leased, place: Place::Taken(token) })) => {
                let (sighting, is_new) = Sighting::of(*token, self.sighting);
                if is_new {
                    self.landing.kit.events.happened(&Event::LeaseAwaited);
                }
                self.sighting = Some(sighting);
                self.place = Some(Place::Taken(*token));
            }
            Ok(Err(nothing)) => {
                self.place = Some(nothing.place);
                self.sighting = None;
            }
            Err(error) => self.cut_off(error.clone()),
        }
    }

    /// Whether another process has the lease, for all we know.
    pub(super) fn is_elsewhere(&self, time: Duration) -> bool {
        self.sighting.is_some_and(|sighting| !sighting.is_over(time))
    }
}
