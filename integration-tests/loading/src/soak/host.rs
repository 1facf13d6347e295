//! What the workers share: what they are to do now, and where they tell what they have seen.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::mpsc::UnboundedSender;

use super::vitals::Vitals;
use crate::wire::Service;

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Work,
    /// Nobody reads or writes; at the end of it the workers look at themselves.
    Rest,
    End,
}

impl Phase {
    pub(super) fn of(number: u64) -> Self {
        match number {
            0 => Self::Work,
            1 => Self::Rest,
            _ => Self::End,
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Work => 0,
            Self::Rest => 1,
            Self::End => 2,
        }
    }
}

/// What a worker has seen since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) reads: u64,
    pub(super) near: u64,
    pub(super) loads: u64,
    /// Reads that failed, where a loader would have had the value.
    pub(super) errors: u64,
    /// Values of another key, of another time, or older than they can be.
    pub(super) wrong: u64,
    pub(super) writes: u64,
    /// Writes that failed, which a cache tells its caller.
    pub(super) unwritten: u64,
}

impl Tally {
    pub(super) fn numbers(&self) -> [u64; 7] {
        [self.reads, self.near, self.loads, self.errors, self.wrong, self.writes, self.unwritten]
    }

    fn of(numbers: &[u64]) -> Option<Self> {
        let &[reads, near, loads, errors, wrong, writes, unwritten] = numbers else { return None };
        Some(Self { reads, near, loads, errors, wrong, writes, unwritten })
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.near += other.near;
        self.loads += other.loads;
        self.errors += other.errors;
        self.wrong += other.wrong;
        self.writes += other.writes;
        self.unwritten += other.unwritten;
    }
}

/// What a worker tells at the end of each rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) worker: u64,
    pub(super) vitals: Vitals,
    pub(super) tally: Tally,
}

/// Answers `phase` with what is to be done, and `told <worker> <vitals> <tally>` with nothing.
#[derive(Debug)]
pub(super) struct Host {
    phase: AtomicU64,
    told: UnboundedSender<Told>,
}

impl Host {
    pub(super) fn new(told: UnboundedSender<Told>) -> Self {
        Self { phase: AtomicU64::new(Phase::Work.number()), told }
    }

    pub(super) fn set(&self, phase: Phase) {
        self.phase.store(phase.number(), Relaxed);
    }
}

impl Service for Host {
    async fn answer(&self, word: &str, numbers: &[u64]) -> Option<Vec<u64>> {
        match (word, numbers) {
            ("phase", []) => Some(vec![self.phase.load(Relaxed)]),
            ("told", [worker, rest @ ..]) => {
                let (vitals, tally) = rest.split_at_checked(4)?;
                let told = Told { worker: *worker, vitals: Vitals::of(vitals)?, tally: Tally::of(tally)? };
                // Nobody listens any more only when the run was given up.
                let _ = self.told.send(told);
                Some(Vec::new())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn what_is_told_arrives_as_it_was() {
        let (told, mut heard) = mpsc::unbounded_channel();
        let host = Host::new(told);
        host.set(Phase::Rest);
        let phase = host.answer("phase", &[]).await.unwrap();
        assert_eq!(Phase::of(phase[0]), Phase::Rest);
        let expected = Told {
            worker: 2,
            vitals: Vitals { memory: 3, tasks: 4, descriptors: 5, threads: 6 },
            tally: Tally { reads: 7, near: 8, loads: 9, errors: 10, wrong: 11, writes: 12, unwritten: 13 },
        };
        let mut numbers = vec![2];
        numbers.extend(expected.vitals.numbers());
        numbers.extend(expected.tally.numbers());
        assert_eq!(host.answer("told", &numbers).await, Some(Vec::new()));
        assert_eq!(heard.recv().await, Some(expected));
        assert_eq!(host.answer("told", &numbers[1..]).await, None);
    }
}
