//! The refresh gap: marks in the store, beside the generations, that say that a search may not see all writes yet. An answer that
//! is made while there is one lives no longer than the mark, and no longer than a gap.
//!
//! A mark is an entry with a TTL, so its end is by the store's clock. There are three kinds of each generation: for a gap after the
//! answer to a write, for writes that continue after their answer, and for writes that are at the upstream
//! ([`in_flight`](super::in_flight)).

use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use larder::{Key, Ttl};

use super::{
    Entry, Shared,
    generations::Generations,
    holders::{Holders, mark_key},
    in_flight::{self, InFlight},
};

/// Why a generation is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A write to it was answered, and is perhaps not visible yet.
    AfterAnswer,
    /// A write to it continues for this long after its answer.
    Lingering(Duration),
}

const AFTER: &str = "after";
const LINGERS: &str = "lingers";

/// The marks of this process.
#[derive(Debug)]
pub(super) struct Gap {
    /// A random number, by which this process knows its marks.
    pub(super) process: u64,
    /// Another one, for writes of which nobody knows whether they are done.
    pub(super) lost: u64,
    pub(super) in_flight: InFlight,
    /// When this route was made.
    made: Instant,
}

impl Default for Gap {
    fn default() -> Self {
        let (process, lost) = (in_flight::random(), in_flight::random());
        Self { process, lost, in_flight: InFlight::default(), made: Instant::now() }
    }
}

impl Shared {
    /// Marks these. False if the store has failed at one of them.
    pub(super) async fn mark(&self, generations: &Generations, mark: Mark) -> bool {
        let (kind, ttl) = match mark {
            Mark::AfterAnswer => (AFTER, self.settings.gap),
            Mark::Lingering(ttl) => return self.mark_lingering(generations, ttl).await,
        };
        let marks = generations.tags().map(|tag| async move {
            let key = mark_key(kind, tag);
            let call = self.cache.at(&key).policy(|policy| policy.jitter(Duration::ZERO));
            call.ttl(ttl).set(Entry::Mark(Holders::only(self.gap.process))).await
        });
        join_all(marks).await.into_iter().all(|set| self.worked("set a mark", set).is_some())
    }

    /// One that lasts longer is not cut short by another write.
    async fn mark_lingering(&self, generations: &Generations, ttl: Duration) -> bool {
        let (process, now) = (self.gap.process, SystemTime::now());
        let marks = generations.tags().map(|tag| async move {
            self.change(&mark_key(LINGERS, tag), ttl, |holders| holders.with(process, now, ttl)).await
        });
        join_all(marks).await.into_iter().all(|marked| marked.is_some())
    }

    /// How long an answer may live that is now going to be made: none where the store cannot say.
    pub(super) async fn longest_now(&self, generations: &Generations, real_time: bool) -> Option<Duration> {
        if self.settings.invalidation {
            self.longest(generations, real_time).await
        } else {
            Some(Duration::MAX)
        }
    }

    async fn longest(&self, generations: &Generations, real_time: bool) -> Option<Duration> {
        let kinds = [in_flight::KIND, LINGERS, AFTER];
        // Such a read sees a write as soon as it is done.
        let kinds = &kinds[..if real_time { 2 } else { 3 }];
        let keys: Vec<Key> =
            kinds.iter().flat_map(|kind| generations.tags().map(|tag| mark_key(kind, tag))).collect();
        let found = join_all(keys.iter().map(|key| self.cache.at(key).from_store().get())).await;
        let mut longest = if real_time { Duration::MAX } else { self.since_reload() };
        for mark in found {
            if let Some(mark) = self.worked("read a mark", mark)? {
                let left = match mark.remaining() {
                    Ttl::After(left) => left,
                    Ttl::Never => Duration::MAX,
                };
                longest = longest.min(left).min(self.settings.gap);
            }
        }
        Some(longest)
    }

    /// How long an answer may live because of writes whose marks are in stores that were used before.
    fn since_reload(&self) -> Duration {
        let left = self.settings.gap.saturating_sub(self.gap.made.elapsed());
        if self.account.is_of_a_reload() && !left.is_zero() { left } else { Duration::MAX }
    }

    /// What a store has answered; a failure is counted.
    pub(super) fn worked<T>(&self, what: &str, answered: larder::Result<T>) -> Option<T> {
        answered
            .inspect_err(|error| {
                self.counters.store_failures.up();
                tracing::debug!(%error, what, "the store failed");
            })
            .ok()
    }
}
