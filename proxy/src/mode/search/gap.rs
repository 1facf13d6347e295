//! The refresh gap: marks in the store, beside the generations, that say that a search may not see all writes yet. An answer that
//! is made while there is one lives no longer than the mark, and no longer than a gap.
//!
//! A mark is an entry with a TTL, so its end is by the store's clock. There are three kinds of each generation. `AfterAnswer`
//! stands for a gap after the answer to a write. `InFlight` stands while a write is at the upstream: it is what a process that dies leaves.
//! `Lingering` is for writes that continue after their answer.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use larder::{Key, Ttl};

use super::{Entry, Shared, generations::Generations};

/// How long a write that continues after its answer is taken to last.
const LINGERS: Duration = Duration::from_hours(1);

/// Why a generation is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A write to it was answered, and is perhaps not visible yet.
    AfterAnswer,
    /// A write to it is at the upstream.
    InFlight,
    /// A write to it continues after its answer.
    Lingering,
}

impl Mark {
    fn key(self, shared: &Shared, tag: &str) -> Key {
        let kind = match self {
            Self::AfterAnswer => "after",
            Self::InFlight => "flight",
            Self::Lingering => "lingers",
        };
        Key::new("mark").part(shared.upstream.name()).part(kind).part(tag)
    }
}

/// The writes of this process that are at the upstream.
#[derive(Debug)]
pub(super) struct Gap {
    /// A random number, by which this process knows its marks.
    process: u64,
    in_flight: Mutex<HashMap<String, usize>>,
}

impl Default for Gap {
    fn default() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        Self { process: RandomState::new().hash_one("process"), in_flight: Mutex::default() }
    }
}

impl Gap {
    fn in_flight(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more write of this generation; and one less, which says whether it was the last.
    fn enter(&self, tag: &str) {
        *self.in_flight().entry(tag.to_owned()).or_default() += 1;
    }

    fn leave(&self, tag: &str) -> bool {
        let mut in_flight = self.in_flight();
        let left = in_flight.get_mut(tag).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == 0 {
            in_flight.remove(tag);
        }
        left == 0
    }
}

impl Shared {
    /// Marks these. False if the store has failed at one of them.
    pub(super) async fn mark(&self, generations: &Generations, mark: Mark) -> bool {
        let ttl = match mark {
            Mark::AfterAnswer => self.settings.gap,
            Mark::InFlight => self.settings.patience.saturating_add(self.settings.gap),
            Mark::Lingering => LINGERS,
        };
        let marks = generations.tags().map(|tag| {
            if mark == Mark::InFlight {
                self.gap.enter(tag);
            }
            async move {
                let key = mark.key(self, tag);
                let call = self.cache.at(&key).policy(|policy| policy.jitter(Duration::ZERO));
                call.ttl(ttl).set(Entry::Mark(self.gap.process)).await
            }
        });
        join_all(marks).await.into_iter().all(|set| self.worked("set a mark", set).is_some())
    }

    /// A write is no longer at the upstream. Its marks go if no other write of this process has them; where it is `lost`, they
    /// stay, since it may still be done.
    pub(super) async fn unmark(&self, generations: &Generations, lost: bool) {
        for tag in generations.tags() {
            if !self.gap.leave(tag) || lost {
                continue;
            }
            let key = Mark::InFlight.key(self, tag);
            let found = self.worked("read a mark", self.cache.at(&key).from_store().get().await).flatten();
            if found
                .is_some_and(|found| matches!(*found, Entry::Mark(process) if process == self.gap.process))
            {
                self.worked("remove a mark", self.cache.delete(&key).await);
            }
        }
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
        let kinds = [Mark::InFlight, Mark::Lingering, Mark::AfterAnswer];
        // Such a read sees a write as soon as it is done.
        let kinds = &kinds[..if real_time { 2 } else { 3 }];
        let keys: Vec<Key> =
            kinds.iter().flat_map(|kind| generations.tags().map(|tag| kind.key(self, tag))).collect();
        let found = join_all(keys.iter().map(|key| self.cache.at(key).from_store().get())).await;
        let mut longest = Duration::MAX;
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
