//! What the workers share: the start, the database with its one row, and the results.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Barrier, mpsc::UnboundedSender},
    time::sleep,
};

use super::{LOAD_TIME, asked::Asked};
use crate::wire::Service;

/// What the workers tell the one who watches.
#[derive(Debug)]
pub(super) enum Event {
    /// All are ready, and begin now.
    Go,
    /// The process with this id loads.
    Loading(u64),
    /// All callers of a process have ended.
    Done(Answers),
}

/// What callers got.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) right: u64,
    pub(super) wrong: u64,
    pub(super) errors: u64,
    /// How long the one waited who waited longest.
    pub(super) slowest: Duration,
}

impl Answers {
    pub(super) fn add(&mut self, other: &Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.errors += other.errors;
        self.slowest = self.slowest.max(other.slowest);
    }

    pub(super) fn numbers(&self) -> [u64; 4] {
        let slowest = u64::try_from(self.slowest.as_micros()).unwrap_or(u64::MAX);
        [self.right, self.wrong, self.errors, slowest]
    }

    fn of(numbers: &[u64]) -> Option<Self> {
        let &[right, wrong, errors, slowest] = numbers else { return None };
        Some(Self { right, wrong, errors, slowest: Duration::from_micros(slowest) })
    }
}

/// Answers `ready`, which all are at once, with the value that callers must get; `load <process id>` with the value,
/// after the time that a load takes; `done <answers>` with nothing.
#[derive(Debug)]
pub(super) struct Host {
    value: u64,
    kills_leader: bool,
    start: Barrier,
    loads: AtomicU64,
    told: UnboundedSender<Event>,
}

impl Host {
    pub(super) fn new(asked: &Asked, value: u64, told: UnboundedSender<Event>) -> Self {
        // 64 at most.
        let processes = usize::try_from(asked.processes).unwrap_or(usize::MAX);
        Self {
            value,
            kills_leader: asked.kill_leader,
            start: Barrier::new(processes),
            loads: AtomicU64::new(0),
            told,
        }
    }

    pub(super) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn tell(&self, event: Event) {
        // Nobody watches any more only when the run was given up.
        let _ = self.told.send(event);
    }
}

impl Service for Host {
    async fn answer(&self, word: &str, numbers: &[u64]) -> Option<Vec<u64>> {
        match (word, numbers) {
            ("ready", []) => {
                if self.start.wait().await.is_leader() {
                    self.tell(Event::Go);
                }
                Some(vec![self.value])
            }
            ("load", &[process]) => {
                let before = self.loads.fetch_add(1, Ordering::SeqCst);
                self.tell(Event::Loading(process));
                if self.kills_leader && before == 0 {
                    // It will not live to see an answer.
                    std::future::pending::<()>().await;
                }
                sleep(LOAD_TIME).await;
                Some(vec![self.value])
            }
            ("done", numbers) => {
                self.tell(Event::Done(Answers::of(numbers)?));
                Some(Vec::new())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_over_the_wire_as_they_were() {
        let answers = Answers { right: 1, wrong: 2, errors: 3, slowest: Duration::from_micros(4) };
        assert_eq!(Answers::of(&answers.numbers()), Some(answers.clone()));
        assert_eq!(Answers::of(&[1, 2, 3]), None);
        let mut sum = answers.clone();
        sum.add(&Answers { slowest: Duration::ZERO, ..answers });
        assert_eq!(sum.numbers(), [2, 4, 6, 4]);
    }
}
