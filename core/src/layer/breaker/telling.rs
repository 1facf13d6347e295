//! What the log hears of one server's breaker: one line when it opens and one when it closes, and no more than such a pair in two
//! seconds. A server that answers each new connection wrongly would fill the log otherwise. That a breaker is open does not stay
//! untold for longer than that.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::clock::Timestamp;

/// Between two openings that are told.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Telling {
    state: Mutex<State>,
    /// It is open, and nobody was told.
    is_untold: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// When an opening was told last.
    last: Option<Timestamp>,
    /// How often it has opened since without being told.
    quiet: u32,
}

impl State {
    fn is_due(&self, now: Timestamp) -> bool {
        self.last.is_none_or(|last| now.since(last) >= PAUSE)
    }
}

impl Telling {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has opened: how often it has done so unseen, if that is to be told now.
    pub(super) fn opened(&self, now: Timestamp) -> Option<u32> {
        let mut state = self.state();
        if !state.is_due(now) {
            state.quiet = state.quiet.saturating_add(1);
            self.is_untold.store(true, Relaxed);
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.quiet))
    }

    /// It has closed: whether that is to be told, because that it was open was.
    pub(super) fn closed(&self) -> bool {
        !self.is_untold.swap(false, Relaxed)
    }

    /// Somebody was refused: how often it has opened, if it has done so unseen and that is to be told now. One load, usually.
    pub(super) fn refused(&self, now: Timestamp) -> Option<u32> {
        if !self.is_untold.load(Relaxed) {
            return None;
        }
        let mut state = self.state();
        if !state.is_due(now) || !self.is_untold.swap(false, Relaxed) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.quiet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_lines_in_two_seconds_and_no_open_breaker_untold() {
        let (telling, at) = (Telling::default(), Timestamp::from_millis);
        assert_eq!(telling.opened(at(0)), Some(0));
        assert!(telling.closed());
        for time in [500, 1000, 1500] {
            assert_eq!(telling.opened(at(time)), None);
            assert_eq!(telling.refused(at(time)), None);
            assert!(!telling.closed(), "nobody knows that it was open");
        }
        assert_eq!(telling.opened(at(1900)), None);
        assert_eq!(telling.refused(at(1999)), None);
        assert_eq!(telling.refused(at(2000)), Some(4), "it stays open");
        assert_eq!(telling.refused(at(9000)), None, "once");
        assert!(telling.closed());
        assert_eq!(telling.opened(at(9001)), Some(0));
    }
}
