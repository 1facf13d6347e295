//! Leases: one load in the fleet, and a fence across processes.
//!
//! A lease is an entry without a value, under the key itself. Who finds nothing adds it and loads; the value replaces it
//! only if it is still there. So whatever writes or removes the key, from whatever process and whether it knows of
//! leases or not, revokes the lease, and every store with atomic adds and compare-and-set has leases. (The idea is
//! that of Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013; there the server keeps them.)

use std::{pin::pin, time::Duration};

use tokio::time::Instant;

use super::{
    budget::Budget,
    store::{Place, Store, Write},
};
use crate::{
    backend::{Condition, Written},
    entry::{Entry, Lifetime, Meta, Stamps, Token},
    error::Error,
    key::StoreKey,
    random,
};

/// The pauses between looks at a key that another process loads: from 2 ms, doubled, to 50 ms, each a random part between half
/// and all of it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// How often a lease is renewed while its load continues, each time after half of its time: for ten times as long in all.
const RENEWALS: u32 = 20;
/// How many lease times are waited for others before loading all the same.
const PATIENCE: u32 = 2;

/// What a load may do with its value.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    /// What it was begun under.
    pub(crate) stamps: Stamps,
    /// What must still hold for the value to be stored.
    pub(crate) condition: Condition,
    /// There is a lease under the key, in this state, which nobody else removes before it ends.
    pub(crate) lease: Option<Token>,
}

/// What came of trying to take a lease.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is ours.
    Ours(Token),
    /// There is something else.
    Refused,
    /// The store failed. If the lease was taken all the same, it is known by this token.
    Failed(Token, Error),
}

/// How long a process waits for leases of others.
#[derive(Debug)]
pub(crate) struct Patience {
    time: Duration,
    begun: Instant,
    pause: Duration,
}

impl Patience {
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, begun: Instant::now(), pause: PAUSES.0 }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.begun.elapsed() > self.time.saturating_mul(PATIENCE)
    }

    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.pause.mul_f64(0.5 + random::unit() / 2.0)).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
    }
}

/// A lease of another process, as this one has seen it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    token: Token,
    since: Instant,
}

impl Sighting {
    /// It is there now. The same as before, or another one?
    pub(crate) fn of(token: Token, before: Option<Self>) -> (Self, bool) {
        match before {
            Some(same) if same.token == token => (same, false),
            _ => (Self { token, since: Instant::now() }, true),
        }
    }

    /// Whether it is over. By our own clock, whatever the entry says: clocks differ.
    pub(crate) fn is_over(&self, time: Duration) -> bool {
        self.since.elapsed() >= time
    }
}

fn entry(store: &Store, time: Duration, stamps: &Stamps) -> Entry {
    let now = store.clock.now();
    Entry::lease(Meta::new(now, Lifetime::until(now.plus(time))).with_stamps(stamps.clone()))
}

/// Tries to take the leases of these keys, each in place of what is there.
pub(crate) async fn take(
    store: &Store,
    keys: &[(StoreKey<'_>, Place, &Stamps)],
    time: Duration,
    budget: Budget,
) -> Vec<Taken> {
    let writes: Vec<Write<'_>> = keys
        .iter()
        .map(|(key, place, stamps)| Write {
            key: *key,
            entry: entry(store, time, stamps),
            kept: time.into(),
            condition: store.condition(*place).unwrap_or(Condition::Absent),
        })
        .collect();
    let written = store.write_many(&writes, budget.until()).await;
    let taken = written.into_iter().zip(&writes).map(|(written, write)| match written {
        Ok(Written::Yes(token)) => Taken::Ours(token),
        Ok(Written::No) => Taken::Refused,
        Err(error) => Taken::Failed(write.entry.token(), error),
    });
    taken.collect()
}

/// Does this work, and keeps the leases for as long as it takes, up to [`RENEWALS`]: a lease's time says how soon others
/// take over when this process is gone, not how long loads may take.
pub(crate) async fn keep<W: Future>(
    store: &Store,
    time: Option<Duration>,
    holds: &mut [(StoreKey<'_>, &mut Hold)],
    work: W,
) -> W::Output {
    let mut work = pin!(work);
    let Some(time) = time.filter(|_| holds.iter().any(|(_, hold)| hold.lease.is_some())) else {
        return work.await;
    };
    for _ in 0..RENEWALS {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(time / 2) => {}
        }
        let mut done = None;
        {
            let mut renewal = pin!(renew(store, time, holds));
            // The work goes on meanwhile; and whether it may be stored depends on how this ends.
            loop {
                tokio::select! {
                    () = &mut renewal => break,
                    output = &mut work, if done.is_none() => done = Some(output),
                }
            }
        }
        match done {
            Some(done) => return done,
            None if holds.iter().any(|(_, hold)| hold.lease.is_some()) => {}
            None => break,
        }
    }
    work.await
}

async fn renew(store: &Store, time: Duration, holds: &mut [(StoreKey<'_>, &mut Hold)]) {
    let mut kept: Vec<&mut (StoreKey<'_>, &mut Hold)> =
        holds.iter_mut().filter(|(_, hold)| hold.lease.is_some()).collect();
    let writes: Vec<Write<'_>> = kept
        .iter()
        .map(|(key, hold)| Write {
            key: *key,
            entry: entry(store, time, &hold.stamps),
            kept: time.into(),
            condition: hold.condition,
        })
        .collect();
    let renewed = store.write_many(&writes, None).await;
    for ((_, hold), renewed) in kept.iter_mut().zip(renewed) {
        match renewed {
            Ok(Written::Yes(token)) => {
                hold.lease = Some(token);
                hold.condition = Condition::Unchanged(token);
            }
            // Somebody has written or removed the key: the condition will not hold, and there is no lease of ours.
            Ok(Written::No) => hold.lease = None,
            // If it has taken effect all the same, the value will not be stored: nobody knows under which token.
            Err(_) => {}
        }
    }
}

/// Ends leases of which nothing is stored, so that others need not wait for their end. `true` for those that were still there.
pub(crate) async fn release(store: &Store, leases: &[(StoreKey<'_>, Token)]) -> Vec<bool> {
    let leases: Vec<_> = leases.iter().map(|(key, token)| (*key, Condition::Unchanged(*token))).collect();
    let released = store.remove_many(&leases, None).await;
    // Otherwise they end when their time is up.
    released.into_iter().map(|released| store.counted(released).unwrap_or(false)).collect()
}
