//! What a lookup comes to: an entry that stands, or why there is nothing usable and what is there instead.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::super::{
    Few,
    budget::Budget,
    register::{Register, There},
};
use super::{Found, Nothing, Place, Store, no_answer};
use crate::{
    backend::Lookup,
    clock::Timestamp,
    entry::{Entry, Kind, Lifetime, Scope, Stamps},
    error::{Operation, Result},
    key::StoreKey,
    miss::Miss,
    versions::Standing,
};

/// What an entry that stands like this comes to at this time.
pub(super) fn judged(entry: Entry, standing: Standing, now: Timestamp) -> Found {
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

/// How a near copy stands by what is known of its versions, if enough is.
#[cold]
fn copy_by_memory(there: &Arc<There>, stamps: &Stamps, heard: Duration) -> Option<Standing> {
    let now = Instant::now();
    if let Some(standing) = there.standing_of_copy(stamps, there.oldest_for(now)) {
        return Some(standing);
    }
    let standing = there.standing_failing(stamps, now.checked_sub(heard))?;
    let scopes: Few<Scope> = stamps.iter().map(|stamp| stamp.scope.clone()).collect();
    there.prepare(&scopes, now);
    Some(standing)
}

impl Store {
    /// What a lookup that began then comes to.
    pub(super) async fn judge_one(
        &self,
        key: &StoreKey<'_>,
        lookup: Result<Lookup>,
        begun: Instant,
        budget: Budget,
    ) -> Result<Found> {
        let lookup = lookup?;
        if let (Register::There(parts), Lookup::Hit(entry)) = (&self.register, &lookup) {
            let now = self.clock.now();
            if !entry.is_live(now) && !entry.is_lease() {
                return Ok(judged(entry.clone(), Standing::Stands, now));
            }
            let there = parts.of(parts.part(key));
            if let Some(standing) = there.standing_now(&entry.meta().stamps, there.oldest_for(begun)) {
                return Ok(judged(entry.clone(), standing, now));
            }
        }
        let found =
            self.judge(std::slice::from_ref(key), Few::from_buf([Ok(lookup)]), begun, budget).await.pop();
        // One question, one answer.
        found.unwrap_or_else(|| Err(no_answer(0, 1, Operation::Get)))
    }

    /// A near copy, if nothing that is known of its versions speaks against it. They are remembered as long as for any read. If
    /// asking for them has failed since, the last that was heard in this time holds, and they are asked for again without
    /// waiting: a store that is away takes no near copies along.
    pub(super) fn judge_copy(
        &self,
        key: &StoreKey<'_>,
        entry: Entry,
        heard: Duration,
        at: Timestamp,
    ) -> Option<Entry> {
        let stamps = &entry.meta().stamps;
        let standing = match &self.register {
            Register::Here(here) => here.standing(&*self.backend, stamps),
            Register::There(parts) => {
                let there = parts.of(parts.part(key));
                if there.still_stands(stamps, self.clock.moment()) {
                    Standing::Stands
                } else {
                    copy_by_memory(there, stamps, heard)?
                }
            }
        };
        judged(entry, standing, at).ok()
    }

    /// What lookups that began then come to.
    pub(super) async fn judge(
        &self,
        keys: &[StoreKey<'_>],
        lookups: Few<Result<Lookup>>,
        begun: Instant,
        budget: Budget,
    ) -> Few<Result<Found>> {
        let parts = match &self.register {
            Register::Here(_) => {
                return lookups
                    .into_iter()
                    .map(|lookup| lookup.map(|lookup| self.judge_here(lookup)))
                    .collect();
            }
            Register::There(parts) => parts,
        };
        let now = self.clock.now();
        let stamps: Few<(usize, &Stamps)> = keys
            .iter()
            .zip(&lookups)
            .filter_map(|(key, lookup)| match lookup {
                Ok(Lookup::Hit(entry)) if entry.is_live(now) || entry.is_lease() => {
                    Some((parts.part(key), &entry.meta().stamps))
                }
                _ => None,
            })
            .collect();
        let standings = if stamps.is_empty() {
            Vec::new()
        } else {
            Box::pin(parts.standings(&stamps, parts.oldest_for(begun), budget)).await
        };
        drop(stamps);
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
    pub(super) fn judge_here(&self, lookup: Lookup) -> Found {
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
}
