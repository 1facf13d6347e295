//! What has happened, counted.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{departures::Departures, tally::Tally};
use crate::{backend::Cause, miss::Miss};

/// What has happened to a cache since it was made, in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Reads answered from the store, or from a near copy of what it has.
    pub hits: u64,
    /// Reads for which a near copy was found, in a chain.
    pub near_hits: u64,
    /// Reads that found nothing there, or nothing usable.
    pub misses: u64,
    /// Of the misses: the entry's life was over. Where the store expires entries by itself, it is absent.
    pub expired: u64,
    /// Of the misses: the entry had been invalidated by a tag or a clear.
    pub invalidated: u64,
    /// Of the misses: there were bytes that are no readable entry of this key.
    pub undecodable: u64,
    /// Operations that the store failed.
    pub errors: u64,
    /// Stale values that were served.
    pub stale: u64,
    /// Loaders that ran.
    pub loads: u64,
    /// Of the loads: the loader failed or panicked.
    pub load_failures: u64,
    /// Calls that waited for a load that another call had begun.
    pub joined: u64,
    /// Time spent in loaders that succeeded, in microseconds.
    pub load_micros: u64,
    /// Of the hits: what their loads had cost, in microseconds: the time that they saved.
    pub saved_micros: u64,
    /// Time that reads waited for the store, in microseconds, with hits in memory, which wait for nothing, left out:
    /// what the cache costs.
    pub store_micros: u64,
    /// Entries written.
    pub writes: u64,
    /// Loaded values that were not stored, because their key was invalidated or written meanwhile.
    pub fenced: u64,
    /// Leases of other processes that were waited for.
    pub leases_awaited: u64,
    /// Entries removed.
    pub deletes: u64,
    /// Usable entries that a store in this process's memory dropped because it was full: it is too small for all of them.
    pub evictions: u64,
    /// How old the values of those were, in milliseconds, in sum.
    pub evicted_age_millis: u64,
    /// Entries that such a store dropped because their TTL was over.
    pub expirations: u64,
    /// Entries in such a store that were overwritten.
    pub replacements: u64,
}

impl Stats {
    /// The share of reads that were hits, from 0 to 1; `None` before the first read.
    #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn hit_rate(&self) -> Option<f64> {
        let reads = self.hits + self.misses;
        (reads > 0).then(|| self.hits as f64 / reads as f64)
    }

    /// How old values are on average when a store in this process's memory drops them because it is full; `None` if it never
    /// did. Far below the TTL: the store is too small, and a longer TTL would change nothing.
    pub fn mean_age_at_eviction(&self) -> Option<Duration> {
        self.evicted_age_millis.checked_div(self.evictions).map(Duration::from_millis)
    }

    /// Whether the cache is worth it: the time that loads avoided would have taken, less the time that reads waited for the
    /// store, in microseconds. Negative when it costs more than it saves. A loader's time as it was when it ran: a
    /// database that the cache relieves answers faster than it would without.
    pub fn net_saved_micros(&self) -> i64 {
        let signed = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
        signed(self.saved_micros).saturating_sub(signed(self.store_micros))
    }
}

/// What is counted one at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    Stale,
    Joined,
    LeaseAwaited,
    Load,
    LoadFailure,
    Fenced,
    Stored,
    Deleted,
    Error,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    hits: Tally,
    near: Tally,
    misses: AtomicU64,
    expired: AtomicU64,
    invalidated: AtomicU64,
    undecodable: AtomicU64,
    load_micros: AtomicU64,
    store_micros: AtomicU64,
    others: [AtomicU64; 9],
    left: Departures,
}

impl Counters {
    /// Counts a hit, and what the value's load had cost in microseconds.
    #[inline]
    pub(crate) fn hit(&self, saved: u64) {
        self.hits.add(saved);
    }

    /// Counts a near copy that was found.
    #[inline]
    pub(crate) fn near(&self) {
        self.near.add(0);
    }

    /// Counts one.
    pub(crate) fn count(&self, what: Count) {
        add(&self.others[what as usize]);
    }

    /// Counts the time of a loader that has succeeded.
    pub(crate) fn loaded(&self, took: Duration) {
        self.load_micros.fetch_add(micros(took), Relaxed);
    }

    /// Counts an entry that has left the store at this age of its value.
    pub(crate) fn left(&self, cause: Cause, age: Duration) {
        self.left.count(cause, age);
    }

    /// Counts the time that a read has waited for the store.
    pub(crate) fn waited(&self, time: Duration) {
        self.store_micros.fetch_add(micros(time), Relaxed);
    }

    /// Counts a miss.
    pub(crate) fn miss(&self, why: &Miss) {
        add(&self.misses);
        match why {
            Miss::Absent | Miss::Leased => {}
            Miss::Expired | Miss::Stale => add(&self.expired),
            Miss::Invalidated => add(&self.invalidated),
            Miss::OtherKey | Miss::Undecodable(_) => add(&self.undecodable),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let (hits, saved_micros) = self.hits.sums();
        let other = |what| self.others[what as usize].load(Relaxed);
        Stats {
            hits,
            near_hits: self.near.sums().0,
            misses: self.misses.load(Relaxed),
            expired: self.expired.load(Relaxed),
            invalidated: self.invalidated.load(Relaxed),
            undecodable: self.undecodable.load(Relaxed),
            errors: other(Count::Error),
            stale: other(Count::Stale),
            loads: other(Count::Load),
            load_failures: other(Count::LoadFailure),
            joined: other(Count::Joined),
            load_micros: self.load_micros.load(Relaxed),
            saved_micros,
            store_micros: self.store_micros.load(Relaxed),
            writes: other(Count::Stored),
            fenced: other(Count::Fenced),
            leases_awaited: other(Count::LeaseAwaited),
            deletes: other(Count::Deleted),
            evictions: self.left.evictions.load(Relaxed),
            evicted_age_millis: self.left.evicted_age_millis.load(Relaxed),
            expirations: self.left.expirations.load(Relaxed),
            replacements: self.left.replacements.load(Relaxed),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
