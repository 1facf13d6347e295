//! What keeps a store from serving what it has missed.
//!
//! - **Who goes over** to the second store first removes the namespace's version there, so that nothing of what it holds stands,
//!   and sees to an open marker.
//! - **Who has written** to the second store looks at the marker once more before it says so. If it was closed meanwhile, it opens
//!   another one. So whatever was said to be written is followed by a marker that was open.
//! - **Who comes back** closes the marker, then removes the namespace's version in the first store, if it is still the one that it
//!   finds now, then records there that this outage was made up for. Who finds that recorded for a closed marker need do
//!   nothing: the version was removed after the marker was closed, which was after everything that had been written.
//!
//! A version that is removed is as good as a new one: what was written under it stands no longer, and the next writer makes another.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    marker::{Found, Marker},
    pair::{Pair, TRIES, is_of_first},
    space::{Space, Stay, Task},
};
use crate::{
    backend::{Backend, Condition, DeleteOptions, GetOptions, Lookup, SetOptions},
    engine::stamps::GENERATION,
    error::{Error, ErrorKind, Operation, Result},
    key::{Key, StoreKey},
    layer::alarm::by,
    random,
    ttl::Ttl,
};

/// How long a process that knows of no outage goes on without the second store before it asks that again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it waits for the answer, if its caller does not say.
const PATIENCE: Duration = Duration::from_secs(1);

impl<A: Backend, B: Backend> Pair<A, B> {
    /// Makes this namespace ready for operations of this era.
    pub(super) async fn prepare(&self, space: &Space, era: u64, until: Option<Instant>) -> Result<()> {
        let is_recent = |asked: Instant| asked.elapsed() < PAUSE;
        if space.is_ready(era) || (is_of_first(era) && space.asked_in_vain().is_some_and(is_recent)) {
            return Ok(());
        }
        let mut turn = match space.turn(Task::Prepare(era)).await {
            Ok(turn) => turn,
            Err(result) => return result,
        };
        // Somebody may have asked meanwhile.
        if is_of_first(era) && space.asked_in_vain().is_some_and(is_recent) {
            return Ok(());
        }
        if !is_of_first(era) {
            let entered = self.enter(space, &mut turn.stay, until).await;
            return turn.ended(entered);
        }
        match self.check(space, &mut turn.stay, until).await {
            Ok(true) => turn.ended(Ok(())),
            Ok(false) => Ok(()),
            Err(error) => turn.ended(Err(error)),
        }
    }

    /// Before operations in the second store.
    async fn enter(&self, space: &Space, stay: &mut Stay, until: Option<Instant>) -> Result<()> {
        // It has missed what happened in the first.
        let (generation, options) = (Key::new(GENERATION), DeleteOptions::new().with_until(until));
        self.second.delete(&StoreKey::new(&space.bookkeeping, &generation), &options).await?;
        self.cover(space, stay, until).await
    }

    /// Sees to an open marker. What was written to the second store before this was called is known of afterwards.
    pub(super) async fn cover(&self, space: &Space, stay: &mut Stay, until: Option<Instant>) -> Result<()> {
        for _ in 0..TRIES {
            let found = self.marker(space, until).await?;
            if let Some(Marker { number, is_open: true }) = found.marker {
                space.is_in(stay, number);
                return Ok(());
            }
            let number = random::unique();
            if self.mark(space, Marker::open(number), found.condition, until).await? {
                space.is_in(stay, number);
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Before operations in the first store: makes up for an outage, if there was one. `false` if that cannot be known.
    ///
    /// # Errors
    /// What the first store fails with.
    async fn check(&self, space: &Space, stay: &mut Stay, until: Option<Instant>) -> Result<bool> {
        for _ in 0..TRIES {
            let found = match (self.marker_soon(space, until).await, stay.outage) {
                (Ok(found), _) => found,
                // As if there were no second store.
                (Err(_), None) => {
                    space.set_asked_in_vain(Instant::now());
                    return Ok(false);
                }
                // Nobody else is told: the marker is open still, and whoever finds it does this again.
                (Err(_), Some(_)) => {
                    self.reset(space, until).await?;
                    stay.outage = None;
                    return Ok(true);
                }
            };
            let (number, may_be_done) = match (found.marker, stay.outage) {
                (Some(Marker { number, is_open: false }), own) => {
                    (number, own.is_none_or(|own| own == number))
                }
                (None, None) if found.is_nothing() => return Ok(true),
                // It was lost.
                (None, Some(own)) if found.is_nothing() => (own, true),
                (marker, _) => {
                    // While the first store does not answer, nobody comes back to it.
                    self.recorded(space, until).await?;
                    let number = marker.map_or_else(random::unique, |marker| marker.number);
                    match self.mark(space, Marker::closed(number), found.condition, until).await {
                        Ok(true) => {}
                        Ok(false) => continue,
                        Err(_) => {
                            self.reset(space, until).await?;
                            stay.outage = None;
                            return Ok(true);
                        }
                    }
                    (number, false)
                }
            };
            if !(may_be_done && self.recorded(space, until).await? == Some(number)) {
                self.reset(space, until).await?;
                // If this fails, somebody does it again.
                let _ = self.record(space, number, until).await;
            }
            stay.outage = None;
            return Ok(true);
        }
        Err(contended())
    }

    /// What is in the first store stands no longer. If others change its version meanwhile, they have done it.
    async fn reset(&self, space: &Space, until: Option<Instant>) -> Result<()> {
        let generation = Key::new(GENERATION);
        let key = StoreKey::new(&space.bookkeeping, &generation);
        // Without a version, and with one that nobody can read, nothing stands.
        if let Lookup::Hit(version) = self.first.get(&key, &GetOptions::new().with_until(until)).await? {
            let options = DeleteOptions::new().when(Condition::Unchanged(version.token())).with_until(until);
            self.first.delete(&key, &options).await?;
        }
        Ok(())
    }

    /// The number of the outage that was made up for last.
    async fn recorded(&self, space: &Space, until: Option<Instant>) -> Result<Option<u64>> {
        let key = StoreKey::new(&space.bookkeeping, &self.outage);
        let lookup = self.first.get(&key, &GetOptions::new().with_until(until)).await?;
        Ok(Found::of(lookup)?.marker.map(|marker| marker.number))
    }

    async fn record(&self, space: &Space, number: u64, until: Option<Instant>) -> Result<()> {
        let key = StoreKey::new(&space.bookkeeping, &self.outage);
        let entry = Marker::closed(number).entry(self.clock.now());
        self.first.set(&key, &entry, &SetOptions::new(Ttl::Never).with_until(until)).await.map(drop)
    }

    async fn marker(&self, space: &Space, until: Option<Instant>) -> Result<Found> {
        let key = StoreKey::new(&space.bookkeeping, &self.outage);
        Found::of(self.second.get(&key, &GetOptions::new().with_until(until)).await?)
    }

    /// The same, so early that something can still be done in the first store if there is no answer.
    async fn marker_soon(&self, space: &Space, until: Option<Instant>) -> Result<Found> {
        let now = Instant::now();
        let soon = now + until.map_or(PATIENCE, |until| until.saturating_duration_since(now) / 2);
        by(&self.alarm, soon, self.marker(space, Some(soon))).await.unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Timeout, Operation::Get, "the second store does not answer"))
        })
    }

    /// Writes the marker in place of the one that was found; whether it was still that.
    async fn mark(
        &self,
        space: &Space,
        marker: Marker,
        condition: Condition,
        until: Option<Instant>,
    ) -> Result<bool> {
        let key = StoreKey::new(&space.bookkeeping, &self.outage);
        let options = SetOptions::new(Ttl::Never).when(condition).with_until(until);
        let written = self.second.set(&key, &marker.entry(self.clock.now()), &options).await?;
        Ok(written.took_place())
    }
}

fn contended() -> Error {
    let message = "the marker of an outage changes faster than it can be followed";
    Error::new(ErrorKind::Other, Operation::Set, message)
}
