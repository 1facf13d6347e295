//! Counts over time: a ring of buckets of ten seconds, an hour long.

use std::{collections::VecDeque, time::Duration};

use serde::Serialize;

use super::Finished;
use crate::counters::Outcome;

/// Ten seconds.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Bucket {
    /// Answered from the store, fresh, stale or confirmed, or with what another request has brought.
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) passes: u64,
    pub(crate) failed: u64,
    /// In milliseconds.
    pub(crate) upstream: f64,
    pub(crate) saved: f64,
}

/// The buckets of the last hour.
#[derive(Debug, Default)]
pub(super) struct Series {
    buckets: VecDeque<Bucket>,
    /// Which one the last is, counted from the start.
    last: u64,
}

impl Series {
    /// How long a bucket is.
    pub(super) const STEP: Duration = Duration::from_secs(10);
    const MOST: u64 = 360;

    /// Goes on to the bucket of a moment, by the time since the start.
    fn now(&mut self, now: Duration) -> &mut Bucket {
        let number = now.as_secs() / Self::STEP.as_secs();
        let new = number.saturating_sub(self.last).min(Self::MOST);
        self.last = self.last.max(number);
        self.buckets.extend((0..new).map(|_| Bucket::default()));
        let surplus = self.buckets.len().saturating_sub(usize::try_from(Self::MOST).unwrap_or(usize::MAX));
        self.buckets.drain(..surplus);
        if self.buckets.is_empty() {
            self.buckets.push_back(Bucket::default());
        }
        let last = self.buckets.len() - 1;
        &mut self.buckets[last]
    }

    pub(super) fn count(&mut self, now: Duration, finished: &Finished<'_>) {
        let bucket = self.now(now);
        *match finished.outcome {
            Outcome::Hit | Outcome::Stale | Outcome::Revalidated | Outcome::Joined => &mut bucket.hits,
            Outcome::Miss => &mut bucket.misses,
            Outcome::Pass => &mut bucket.passes,
            Outcome::Failed => &mut bucket.failed,
        } += 1;
        bucket.upstream += finished.upstream.as_secs_f64() * 1e3;
        bucket.saved += finished.saved.as_secs_f64() * 1e3;
    }

    /// All of them up to a moment.
    pub(super) fn until(&mut self, now: Duration) -> Vec<Bucket> {
        self.now(now);
        self.buckets.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_and_no_more() {
        let mut series = Series::default();
        let hit = Finished {
            outcome: Outcome::Hit,
            unstored: None,
            key: None,
            label: &String::new,
            upstream: Duration::ZERO,
            saved: Duration::from_millis(5),
        };
        series.count(Duration::from_secs(1), &hit);
        series.count(Duration::from_secs(9), &hit);
        series.count(Duration::from_secs(31), &hit);
        let hits = |series: &mut Series, now| -> Vec<u64> {
            series.until(Duration::from_secs(now)).iter().map(|bucket| bucket.hits).collect()
        };
        assert_eq!(hits(&mut series, 45), [2, 0, 0, 1, 0]);
        // A clock that went back counts for the last one.
        series.count(Duration::from_secs(1), &hit);
        assert_eq!(hits(&mut series, 45), [2, 0, 0, 1, 1]);
        assert_eq!(hits(&mut series, 1_000_000), [0; 360]);
    }
}
