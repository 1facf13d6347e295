//! What came of the calls.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use larder_core::cache::Status;

use crate::report::Report;

/// How many wrong answers and errors are kept as they were.
const KEPT: usize = 4;

/// Counts and times.
#[derive(Debug)]
pub(super) struct Tally {
    keys: u64,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    times: Vec<Duration>,
    late: Vec<Duration>,
    known: u64,
    hits: u64,
    keys_hit: HashSet<u64>,
    keys_missed: HashSet<u64>,
    errors: u64,
    wrong: u64,
    stale: u64,
    examples: Vec<String>,
}

impl Tally {
    /// Keys below this number are known before the fault begins.
    pub(super) fn new(keys: u64) -> Self {
        Self { keys, sums: Mutex::default() }
    }

    /// A call that is measured has ended.
    pub(super) fn took(&self, time: Duration, number: u64, status: Option<Status>) {
        let mut sums = self.lock();
        sums.times.push(time);
        if number < self.keys {
            sums.known += 1;
            if status == Some(Status::Hit) {
                sums.hits += 1;
                sums.keys_hit.insert(number);
            } else {
                sums.keys_missed.insert(number);
            }
        }
    }

    /// The timer beside a call was this late.
    pub(super) fn late(&self, late: Duration) {
        self.lock().late.push(late);
    }

    pub(super) fn error(&self, why: String) {
        self.lock().errors += 1;
        self.example(why);
    }

    pub(super) fn wrong(&self, what: String) {
        self.lock().wrong += 1;
        self.example(what);
    }

    pub(super) fn stale(&self, what: String) {
        self.lock().stale += 1;
        self.example(what);
    }

    pub(super) fn example(&self, what: String) {
        let mut sums = self.lock();
        if sums.examples.len() < KEPT {
            sums.examples.push(what);
        }
    }

    pub(super) fn report(&self) -> Report {
        let mut sums = self.lock();
        sums.times.sort_unstable();
        sums.late.sort_unstable();
        Report {
            calls: sums.times.len() as u64,
            errors: sums.errors,
            wrong: sums.wrong,
            stale: sums.stale,
            examples: sums.examples.clone(),
            p50: part(&sums.times, 50),
            p99: part(&sums.times, 99),
            longest: part(&sums.times, 100),
            late: part(&sums.late, 99),
            known: sums.known,
            hits: sums.hits,
            keys_hit: sums.keys_hit.len() as u64,
            keys_missed: sums.keys_missed.len() as u64,
            ..Report::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sums> {
        // Sums that a panic left are as good as any.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What so many in a hundred do not exceed.
fn part(sorted: &[Duration], share: usize) -> Duration {
    let place = (sorted.len() * share).div_ceil(100).max(1) - 1;
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_nearest_ranks() {
        let times: Vec<_> = (1..=1000).map(Duration::from_millis).collect();
        for (share, expected) in [(50, 500), (99, 990), (100, 1000)] {
            assert_eq!(part(&times, share), Duration::from_millis(expected));
        }
        assert_eq!(part(&times[..1], 99), Duration::from_millis(1));
        assert_eq!(part(&[], 99), Duration::ZERO);
    }
}
