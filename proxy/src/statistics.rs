//! What the page for people shows: what became of requests over time, which keys are asked for most and which are slowest, and
//! what was not stored and why. All of it is bounded, in this process, and begins when the process does.

mod series;
mod top;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use self::{
    series::{Bucket, Series},
    top::{Asked, Slow},
};
use crate::counters::Outcome;

/// More reasons than this are counted as one.
const REASONS: usize = 64;
/// How many keys are shown.
const SHOWN: usize = 20;

/// A request that was answered to its end.
pub(crate) struct Finished<'a> {
    pub(crate) outcome: Outcome,
    /// Why it was not stored, where it was not.
    pub(crate) unstored: Option<&'a str>,
    /// The hash of its key.
    pub(crate) key: Option<u64>,
    /// What it is called on the page.
    pub(crate) label: &'a dyn Fn() -> String,
    /// How long the upstream took.
    pub(crate) upstream: Duration,
    /// How long the upstream would have taken.
    pub(crate) saved: Duration,
}

/// What is counted for the page.
#[derive(Debug)]
pub(crate) struct Statistics {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    series: Series,
    asked: Asked,
    slow: Slow,
    unstored: BTreeMap<String, u64>,
    upstream: Duration,
    saved: Duration,
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    /// How long the process runs, in seconds.
    pub(crate) uptime: u64,
    /// How long upstreams took for all requests, and would have taken for what was stored, in seconds.
    pub(crate) upstream: f64,
    pub(crate) saved: f64,
    /// The newest last.
    pub(crate) series: Vec<Bucket>,
    /// How long each of them is, in seconds.
    pub(crate) step: u64,
    pub(crate) asked: Vec<top::Entry>,
    pub(crate) slow: Vec<top::Entry>,
    pub(crate) unstored: Vec<(String, u64)>,
}

impl Default for Statistics {
    fn default() -> Self {
        Self { started: Instant::now(), state: Mutex::default() }
    }
}

impl Statistics {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request.
    pub(crate) fn count(&self, finished: &Finished<'_>) {
        let now = self.started.elapsed();
        let mut state = self.state();
        state.series.count(now, finished);
        state.upstream += finished.upstream;
        state.saved += finished.saved;
        if let Some(key) = finished.key {
            state.asked.count(key, finished.label, finished.upstream);
            if !finished.upstream.is_zero() {
                state.slow.count(key, finished.label, finished.upstream);
            }
        }
        if let Some(why) = finished.unstored {
            if let Some(count) = state.unstored.get_mut(why) {
                *count += 1;
            } else {
                let why = if state.unstored.len() < REASONS { why } else { "other reasons" };
                *state.unstored.entry(why.to_owned()).or_default() += 1;
            }
        }
    }

    /// How long upstreams took, and would have taken for what was stored.
    pub(crate) fn times(&self) -> (Duration, Duration) {
        let state = self.state();
        (state.upstream, state.saved)
    }

    /// What there is to show now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let now = self.started.elapsed();
        let mut state = self.state();
        let mut unstored: Vec<_> = state.unstored.iter().map(|(why, count)| (why.clone(), *count)).collect();
        unstored.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Snapshot {
            uptime: now.as_secs(),
            upstream: state.upstream.as_secs_f64(),
            saved: state.saved.as_secs_f64(),
            series: state.series.until(now),
            step: Series::STEP.as_secs(),
            asked: state.asked.most(SHOWN),
            slow: state.slow.most(SHOWN),
            unstored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(outcome: Outcome, key: u64, unstored: Option<&str>) -> Finished<'_> {
        let upstream = Duration::from_millis(if outcome == Outcome::Hit { 0 } else { 7 });
        let saved = Duration::from_millis(if outcome == Outcome::Hit { 7 } else { 0 });
        Finished { outcome, unstored, key: Some(key), label: &|| "GET /".to_owned(), upstream, saved }
    }

    #[test]
    fn what_is_shown() {
        let statistics = Statistics::default();
        statistics.count(&finished(Outcome::Miss, 1, None));
        statistics.count(&finished(Outcome::Hit, 1, None));
        statistics.count(&finished(Outcome::Pass, 2, Some("a write")));
        let shown = statistics.snapshot();
        assert_eq!((shown.asked[0].key.as_str(), shown.asked[0].count), ("0000000000000001", 2));
        assert!((shown.saved - 0.007).abs() < 1e-9 && (shown.upstream - 0.014).abs() < 1e-9, "{shown:?}");
        assert_eq!(shown.unstored, [("a write".to_owned(), 1)]);
        assert_eq!(shown.series.iter().map(|bucket| bucket.hits).sum::<u64>(), 1);
    }

    #[test]
    fn reasons_are_bounded() {
        let statistics = Statistics::default();
        for number in 0..1000 {
            statistics.count(&finished(Outcome::Pass, 1, Some(&number.to_string())));
        }
        let shown = statistics.snapshot().unstored;
        assert_eq!((shown.len(), &*shown[0].0, shown[0].1), (REASONS + 1, "other reasons", 1000 - 64));
    }
}
