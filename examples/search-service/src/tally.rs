//! What came out of a cache, counted by where it came from, and the hit rate of the last minutes. The cache's own
//! statistics count reads of the store; this counts answers to people.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use larder::cache::Status;
use serde::Serialize;

/// How many seconds are remembered.
const REMEMBERED: usize = 300;

/// Counts answers.
#[derive(Debug)]
pub(crate) struct Tally {
    since: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: Answers,
    seconds: VecDeque<Second>,
}

/// Answers by where they came from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Answers {
    /// From the cache.
    pub(crate) hit: u64,
    /// Made for this request, and stored.
    pub(crate) stored: u64,
    /// Made for this request, and not stored: the store failed, or a document changed meanwhile.
    pub(crate) not_stored: u64,
    /// Made for another request that came at the same time.
    pub(crate) joined: u64,
    /// Made past the cache.
    pub(crate) bypassed: u64,
}

impl Answers {
    /// How many answers there were.
    pub(crate) fn all(self) -> u64 {
        self.hit + self.stored + self.not_stored + self.joined + self.bypassed
    }

    /// The share of answers that came from the cache, from 0 to 1; `None` before the first.
    #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub(crate) fn hit_rate(self) -> Option<f64> {
        (self.all() > 0).then(|| self.hit as f64 / self.all() as f64)
    }
}

#[derive(Debug, Clone, Copy)]
struct Second {
    number: u64,
    hits: u32,
    answers: u32,
}

/// The answers of the last minutes, one number for each second, the last one now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct History {
    pub(crate) hits: Vec<u32>,
    pub(crate) answers: Vec<u32>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), state: Mutex::default() }
    }

    /// Counts an answer; `None` for one that was made past the cache.
    pub(crate) fn count(&self, status: Option<Status>) {
        self.count_at(status, self.since.elapsed().as_secs());
    }

    fn count_at(&self, status: Option<Status>, number: u64) {
        let mut state = self.state();
        let answers = &mut state.answers;
        let counter = match status {
            Some(Status::Hit) => &mut answers.hit,
            Some(Status::Loaded) => &mut answers.stored,
            Some(Status::Joined) => &mut answers.joined,
            Some(_) => &mut answers.not_stored,
            None => &mut answers.bypassed,
        };
        *counter += 1;

        // Two requests may come in here in another order than they looked at the clock.
        if state.seconds.back().is_none_or(|last| last.number < number) {
            state.seconds.push_back(Second { number, hits: 0, answers: 0 });
            if state.seconds.len() > REMEMBERED {
                state.seconds.pop_front();
            }
        }
        if let Some(now) = state.seconds.back_mut() {
            now.hits += u32::from(status == Some(Status::Hit));
            now.answers += 1;
        }
    }

    /// All answers so far.
    pub(crate) fn answers(&self) -> Answers {
        self.state().answers
    }

    /// The answers of the last five minutes.
    pub(crate) fn history(&self) -> History {
        self.history_at(self.since.elapsed().as_secs())
    }

    fn history_at(&self, now: u64) -> History {
        let mut history = History { hits: vec![0; REMEMBERED], answers: vec![0; REMEMBERED] };
        for second in &self.state().seconds {
            let age = usize::try_from(now.saturating_sub(second.number)).unwrap_or(usize::MAX);
            if let Some(at) = (REMEMBERED - 1).checked_sub(age) {
                history.hits[at] = second.hits;
                history.answers[at] = second.answers;
            }
        }
        history
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_counted_once_under_its_second() {
        let tally = Tally::new();
        for (status, second) in [
            (Some(Status::Loaded), 0),
            (Some(Status::Hit), 0),
            (Some(Status::Joined), 7),
            (Some(Status::LoadedNotStored), 7),
            (None, 7),
            (Some(Status::Hit), 7),
        ] {
            tally.count_at(status, second);
        }
        let answers = Answers { hit: 2, stored: 1, not_stored: 1, joined: 1, bypassed: 1 };
        assert_eq!(tally.answers(), answers);
        assert_eq!(answers.hit_rate(), Some(2.0 / 6.0));
        let history = tally.history_at(9);
        assert_eq!(history.answers.len(), REMEMBERED);
        assert_eq!((history.answers[290], history.hits[290]), (2, 1));
        assert_eq!((history.answers[297], history.hits[297]), (4, 1));
        assert_eq!(history.answers.iter().sum::<u32>(), 6);
    }

    #[test]
    fn the_history_is_bounded_and_forgets() {
        let tally = Tally::new();
        for second in 0..10_000 {
            tally.count_at(Some(Status::Hit), second);
        }
        assert_eq!(tally.state().seconds.len(), REMEMBERED);
        assert_eq!(tally.history_at(9_999).hits, vec![1; REMEMBERED]);
        assert_eq!(tally.history_at(10_000 + 300).hits, vec![0; REMEMBERED]);
        assert_eq!(Answers::default().hit_rate(), None);
    }
}
