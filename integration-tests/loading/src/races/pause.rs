//! Random pauses, so that the tasks meet in other places each time.

use std::time::Duration;

use tokio::{task::yield_now, time::sleep};

use crate::{random::Random, store::Store};

/// The pauses of one place in a program: how long they may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    /// How often at most the other tasks get their turn: some microseconds each on a busy machine.
    turns: u64,
    /// Once in so many times it is a sleep instead.
    sleeps_one_in: u64,
    /// A sleep's length, at most. Timers know whole milliseconds.
    sleep: Duration,
}

/// Where the pauses are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// In the loader, between reading the database and answering.
    pub(super) loader: Pauses,
    /// Between the reads of one reader.
    pub(super) reader: Pauses,
    /// How long a reader has patience who goes away.
    pub(super) patience: Pauses,
    /// Between the commits of one writer.
    pub(super) writer: Pauses,
    /// Between a commit and its invalidation.
    pub(super) commit: Pauses,
}

impl Pace {
    pub(super) fn of(store: Store) -> Self {
        let pauses = |turns, sleeps_one_in, millis| Pauses {
            turns,
            sleeps_one_in,
            sleep: Duration::from_millis(millis),
        };
        if matches!(store, Store::Bus | Store::Naive) {
            // Few writes for many reads, as where copies are kept near.
            return Self {
                loader: pauses(16, 2, 4),
                reader: pauses(8, 64, 2),
                patience: pauses(16, 2, 3),
                writer: pauses(64, 1, 120),
                commit: pauses(8, 4, 2),
            };
        }
        if store.is_shared() {
            Self {
                loader: pauses(16, 2, 4),
                reader: pauses(8, 64, 2),
                patience: pauses(16, 2, 3),
                writer: pauses(32, 2, 6),
                commit: pauses(8, 4, 2),
            }
        } else {
            Self {
                loader: pauses(64, 64, 2),
                reader: pauses(12, 4096, 2),
                patience: pauses(32, 64, 2),
                writer: pauses(16, 64, 2),
                commit: pauses(16, 64, 2),
            }
        }
    }
}

/// One pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    Turns(u64),
    Sleep(Duration),
}

impl Pauses {
    pub(super) fn draw(&self, random: &mut Random) -> Pause {
        if random.one_in(self.sleeps_one_in) {
            let most = u64::try_from(self.sleep.as_micros()).unwrap_or(u64::MAX);
            Pause::Sleep(Duration::from_micros(random.below(most)))
        } else {
            Pause::Turns(random.below(self.turns))
        }
    }
}

impl Pause {
    pub(super) async fn make(self) {
        match self {
            Self::Turns(turns) => {
                for _ in 0..turns {
                    yield_now().await;
                }
            }
            Self::Sleep(length) => sleep(length).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_as_long_as_they_may_be_and_both_kinds_occur() {
        let pauses = Pauses { turns: 8, sleeps_one_in: 4, sleep: Duration::from_millis(2) };
        let mut random = Random::of_task(1, 0, 0);
        let drawn: Vec<Pause> = (0..1000).map(|_| pauses.draw(&mut random)).collect();
        let sleeps = drawn.iter().filter(|pause| matches!(pause, Pause::Sleep(_))).count();
        assert!((150..350).contains(&sleeps), "{sleeps}");
        assert!(drawn.iter().all(|pause| match pause {
            Pause::Turns(turns) => *turns < 8,
            Pause::Sleep(length) => *length < Duration::from_millis(2),
        }));
    }
}
