//! Leases: one load in the fleet, and a fence across processes.
//!
//! A lease is an entry without a value, under the key itself. Who finds nothing adds it and loads; the value replaces it
//! only if it is still there. So whatever writes or removes the key, from whatever process and whether it knows of
//! leases or not, revokes the lease, and every store with atomic adds and compare-and-set has leases. (The idea is
//! that of Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013; there the server keeps them.)

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Cache, Event, Fetched, Status, Value, conduct::Load, flight::Flight};
use crate::{
    backend::{Condition, Lookup, SetOptions},
    clock::Timestamp,
    entry::{Entry, Lifetime, Meta, Scope, Stamp, Token},
    error::Result,
    key::StoreKey,
    miss::Miss,
    random,
    ttl::Ttl,
};

/// The pauses between looks at a key that another process loads: from 2 ms, doubled, to 50 ms, each by chance between half
/// and all of it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// How long the store keeps a lease that is over.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1);
/// How often a lease is renewed while its load goes on, each time after half of its time: for ten times as long in all.
const RENEWALS: u32 = 20;
/// How many lease times are waited for others before loading all the same.
const PATIENCE: u32 = 2;

/// What a load may do with its value.
pub(super) struct Hold {
    /// What it was begun under.
    pub(super) stamps: Arc<[Stamp]>,
    /// What must still hold for the value to be stored.
    pub(super) condition: Condition,
    /// There is a lease under the key, which nobody else removes before it ends.
    leased: bool,
}

/// Who loads.
pub(super) enum Turn<T> {
    /// This process. Without a hold, what it makes is not stored.
    Ours(Option<Hold>),
    /// Another one did.
    Theirs(Fetched<T>),
}

/// What was found under a key that is to be loaded.
pub(super) enum Seen<T> {
    Usable(Fetched<T>),
    Leased(Token),
    /// Something that a lease may replace under this condition.
    Replaceable(Condition),
    /// A newer program's.
    Untouchable,
}

impl<T: Value> Cache<T> {
    /// Finds out whether this process loads; under leases that may mean to wait for another one.
    ///
    /// The stamps are taken before the loader begins: an invalidation from then on kills what it makes.
    pub(super) async fn turn(
        &self,
        key: &StoreKey<'_>,
        load: &Load<T>,
        tags: &[Scope],
        flight: &Flight<T>,
    ) -> Turn<T> {
        let ttl = load.options.ttl.unwrap_or(self.inner.policy.ttl);
        if !load.may_store || ttl.is_zero() {
            return Turn::Ours(None);
        }
        let turn = match (self.inner.policy.lease, load.in_place) {
            (None, _) => self.stamps(tags, ttl).await.map(|stamps| unfenced(stamps, Condition::Always)),
            // What is there must stay: others serve it meanwhile.
            (Some(_), Some(token)) => {
                self.stamps(tags, ttl).await.map(|stamps| unfenced(stamps, Condition::Unchanged(token)))
            }
            (Some(time), None) => self.lease(key, time, (tags, ttl), flight).await,
        };
        // A store that fails now costs the value its place, and nobody anything else.
        self.count_errors(turn).unwrap_or(Turn::Ours(None))
    }

    /// Takes the lease of this key, or waits for what the process that has it makes.
    async fn lease(
        &self,
        key: &StoreKey<'_>,
        time: Duration,
        (tags, ttl): (&[Scope], Ttl),
        flight: &Flight<T>,
    ) -> Result<Turn<T>> {
        let inner = &*self.inner;
        let begun = Instant::now();
        let mut condition = Condition::Absent;
        let mut pause = PAUSES.0;
        let mut seen: Option<(Token, Instant)> = None;
        loop {
            let stamps = self.stamps(tags, ttl).await?;
            let lease = self.lease_entry(time, Arc::clone(&stamps));
            let taken = inner.backend.set(key, &lease, &SetOptions::new(time.into()).when(condition)).await;
            // If it failed it may have taken effect, and is used and released all the same: both are conditional.
            if self.count_errors(taken).unwrap_or(true) {
                let condition = Condition::Unchanged(lease.token());
                return Ok(Turn::Ours(Some(Hold { stamps, condition, leased: true })));
            }
            loop {
                let looked = Instant::now();
                match self.see(key).await? {
                    Seen::Usable(fetched) => {
                        flight.vouch_for_those_before(looked);
                        return Ok(Turn::Theirs(fetched.with_status(Status::Joined)));
                    }
                    Seen::Untouchable => return Ok(Turn::Ours(None)),
                    Seen::Replaceable(now) => {
                        condition = now;
                        break;
                    }
                    Seen::Leased(token) => {
                        let since = match seen {
                            Some((same, since)) if same == token => since,
                            _ => {
                                inner.events.happened(&Event::LeaseAwaited);
                                seen.insert((token, looked)).1
                            }
                        };
                        // By our own clock, whatever the entry says: clocks differ.
                        if since.elapsed() >= time {
                            condition = Condition::Unchanged(token);
                            break;
                        }
                        if begun.elapsed() > time.saturating_mul(PATIENCE) {
                            return Ok(Turn::Ours(None));
                        }
                    }
                }
                tokio::time::sleep(pause.mul_f64(0.5 + random::unit() / 2.0)).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            if begun.elapsed() > time.saturating_mul(PATIENCE) {
                return Ok(Turn::Ours(None));
            }
        }
    }

    /// Does this work, and keeps the lease for as long as it takes, up to [`RENEWALS`]: a lease's time says how soon others
    /// take over when this process is gone, not how long loads may take.
    pub(super) async fn keep_lease<W: Future>(
        &self,
        key: &StoreKey<'_>,
        hold: Option<&mut Hold>,
        work: W,
    ) -> W::Output {
        let mut work = pin!(work);
        let (Some(time), Some(hold @ Hold { leased: true, .. })) = (self.inner.policy.lease, hold) else {
            return work.await;
        };
        for _ in 0..RENEWALS {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(time / 2) => {}
            }
            let lease = self.lease_entry(time, Arc::clone(&hold.stamps));
            let options = SetOptions::new(time.into()).when(hold.condition);
            let mut renewal = pin!(self.inner.backend.set(key, &lease, &options));
            let mut done = None;
            // The work goes on meanwhile; and whether it may be stored depends on how this ends.
            let renewed = loop {
                tokio::select! {
                    renewed = &mut renewal => break renewed,
                    output = &mut work, if done.is_none() => done = Some(output),
                }
            };
            let is_kept = match self.count_errors(renewed) {
                Ok(true) => {
                    hold.condition = Condition::Unchanged(lease.token());
                    true
                }
                // Somebody has written or removed the key.
                Ok(false) => false,
                // If it has taken effect all the same, the value will not be stored: nobody knows under which token.
                Err(_) => true,
            };
            match done {
                Some(done) => return done,
                None if is_kept => {}
                None => break,
            }
        }
        work.await
    }

    /// What is there now.
    async fn see(&self, key: &StoreKey<'_>) -> Result<Seen<T>> {
        let store = &*self.inner.backend;
        let since = Instant::now();
        let lookup = match store.get_now(key) {
            Some(lookup) => lookup,
            None => store.get(key).await?,
        };
        self.seen(lookup, since).await
    }

    /// What a look that began then comes to, for somebody who wants to take the lease.
    pub(super) async fn seen(&self, lookup: Lookup, since: Instant) -> Result<Seen<T>> {
        let token = match &lookup {
            Lookup::Hit(entry) => entry.token(),
            Lookup::Miss(Miss::Absent | Miss::Expired) => return Ok(Seen::Replaceable(Condition::Absent)),
            Lookup::Miss(miss) if miss.is_from_the_future() => return Ok(Seen::Untouchable),
            // Bytes that no token names. Of two processes that replace them at once, one fills in vain.
            Lookup::Miss(_) => return Ok(Seen::Replaceable(Condition::Always)),
        };
        Ok(match self.usable(lookup, since).await?.and_then(|entry| self.if_fresh(entry)) {
            Ok(entry) => match self.fetched(entry, Status::Hit).await {
                Ok(fetched) => Seen::Usable(fetched),
                Err(_) => Seen::Replaceable(Condition::Unchanged(token)),
            },
            Err(Miss::Leased) => Seen::Leased(token),
            Err(_) => Seen::Replaceable(Condition::Unchanged(token)),
        })
    }

    /// What takes a lease's place when nothing else does: there is no conditional removal.
    pub(super) fn lease_that_is_over(&self, stamps: Arc<[Stamp]>) -> Entry {
        let over = Meta::new(self.inner.clock.now(), Lifetime::until(Timestamp::from_millis(0)));
        Entry::lease(Meta { stamps, ..over })
    }

    pub(super) fn lease_entry(&self, time: Duration, stamps: Arc<[Stamp]>) -> Entry {
        let now = self.inner.clock.now();
        Entry::lease(Meta { stamps, ..Meta::new(now, Lifetime::until(now.plus(time))) })
    }

    /// Stores what a load has made, if nothing has come between. `false` if something has.
    pub(super) async fn fill(
        &self,
        key: &StoreKey<'_>,
        entry: &Entry,
        kept: Ttl,
        hold: &Hold,
        flight: &Flight<T>,
    ) -> Result<bool> {
        if self.inner.policy.lease.is_none() {
            return self.store(key, entry, kept, hold.condition).await;
        }
        let begun = Instant::now();
        let (filled, stands) =
            tokio::join!(self.store(key, entry, kept, hold.condition), self.stands(entry, begun));
        let filled = filled?;
        if filled && stands {
            flight.vouch_for_those_before(begun);
        }
        Ok(filled)
    }

    /// Whether no tag of the entry was invalidated and no clear came before this moment: that leaves a lease where it is, so
    /// that it does not show in whether the key was unchanged.
    pub(super) async fn stands(&self, entry: &Entry, since: Instant) -> bool {
        let inner = &*self.inner;
        let stands = match inner.backend.versions() {
            Some(versions) => Ok(inner.stamps.stand_here(versions, entry)),
            None => inner.stamps.stand_there(&*inner.backend, entry, since).await,
        };
        self.count_errors(stands).unwrap_or(false)
    }

    /// Ends the lease of a load that stores nothing, so that others need not wait for its end.
    pub(super) async fn release(&self, key: &StoreKey<'_>, hold: Option<&Hold>, flight: &Flight<T>) {
        let Some(hold @ Hold { leased: true, .. }) = hold else { return };
        let begun = Instant::now();
        let over = self.lease_that_is_over(Arc::clone(&hold.stamps));
        let options = SetOptions::new(AT_ONCE.into()).when(hold.condition);
        let (released, stands) =
            tokio::join!(self.inner.backend.set(key, &over, &options), self.stands(&over, begun));
        // Otherwise it ends by itself.
        if self.count_errors(released).is_ok_and(|released| released) && stands {
            flight.vouch_for_those_before(begun);
        }
    }
}

fn unfenced<T>(stamps: Arc<[Stamp]>, condition: Condition) -> Turn<T> {
    Turn::Ours(Some(Hold { stamps, condition, leased: false }))
}
