//! How far long work is: one line on standard error, on a terminal only, which is gone when the work is done.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// The line is written no more often than this.
const EVERY: Duration = Duration::from_millis(200);
/// Short work shows nothing.
const QUIET: Duration = Duration::from_millis(500);

/// A line that says how far something is.
#[derive(Debug)]
pub(crate) struct Progress {
    /// When to write next; `None`: nobody looks.
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let next = std::io::stderr().is_terminal().then(|| Instant::now() + QUIET);
        Self { next, is_shown: false }
    }

    /// Says how far it is, if it is time to.
    pub(crate) fn at(&mut self, how_far: impl FnOnce() -> String) {
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now < next {
            return;
        }
        self.next = Some(now + EVERY);
        self.is_shown = true;
        // To the beginning of the line, and nothing left of the text before.
        let _ = write!(std::io::stderr().lock(), "\r{}\u{1b}[K", how_far());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

/// `45 %`, of as many as there are.
pub(crate) fn share(done: u64, all: u64) -> String {
    format!("{} %", (u128::from(done) * 100 / u128::from(all.max(1))).min(100))
}

#[cfg(test)]
mod tests {
    #[test]
    fn shares() {
        assert_eq!(
            [(0, 0), (1, 3), (u64::MAX, u64::MAX), (9, 3)].map(|(done, all)| super::share(done, all)),
            ["0 %", "33 %", "100 %", "100 %"]
        );
    }
}
