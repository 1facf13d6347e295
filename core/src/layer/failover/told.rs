//! What the log hears of going over and coming back: a pair of lines, and no more than one pair in a while.

use std::{sync::PoisonError, time::Duration};

use tokio::time::Instant;

/// A store that goes and comes more often than this is told of once.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Told(std::sync::Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the log was last told that the second store answers.
    at: Option<Instant>,
    /// Whether it was told so the last time that this happened.
    knows: bool,
}

impl Told {
    /// Whether the log is to be told that the second store answers from now on.
    pub(super) fn goes_over(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.knows = state.at.is_none_or(|at| now.saturating_duration_since(at) >= PAUSE);
        if state.knows {
            state.at = Some(now);
        }
        state.knows
    }

    /// Whether it is to be told that the first store answers again, and after how long.
    pub(super) fn comes_back(&self, now: Instant) -> Option<Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = std::mem::take(&mut state.knows);
        state.at.filter(|_| is_due).map(|at| now.saturating_duration_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_pair_at_a_time_and_never_half_of_one() {
        let (told, start) = (Told::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(told.goes_over(at(0)));
        assert_eq!(told.comes_back(at(500)), Some(Duration::from_millis(500)));
        for millis in [600, 1200, 1900] {
            assert!(!told.goes_over(at(millis)));
            assert_eq!(told.comes_back(at(millis + 50)), None);
        }
        assert!(told.goes_over(at(2000)));
        assert!(told.comes_back(at(9000)).is_some());
        assert_eq!(told.comes_back(at(9001)), None);
    }
}
