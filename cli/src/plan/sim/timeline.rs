//! Time as the caches of a plan see it: it never goes back. Lines a little late (a server writes a line when the answer is
//! complete) take place now; after a clock that was set back, or logs in the wrong order, time continues from where it was.

use crate::plan::log::Bad;

/// Up to this late, a line is merely late. Milliseconds.
const LATE: i64 = 60_000;
/// From this on, a step forwards is worth a word. Milliseconds.
const JUMP: i64 = 86_400_000;
/// No time of a log is beyond this from its first: 10 000 years, so that sums cannot overflow.
const FAR: i64 = 10_000 * 366 * 86_400_000;

/// The time of a log.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    now: Option<i64>,
    /// What is added to the times of the log.
    shift: i64,
}

impl Timeline {
    /// The time of the next line, in milliseconds, and what is odd about it.
    pub(crate) fn next(&mut self, time: i64) -> (i64, Option<Bad>) {
        let time = time.clamp(-FAR, FAR).saturating_add(self.shift);
        let Some(now) = self.now else {
            self.now = Some(time);
            return (time, None);
        };
        let bad = if time >= now {
            self.now = Some(time);
            (time - now > JUMP).then_some(Bad::ClockJump)
        } else if now - time <= LATE {
            None
        } else {
            self.shift = self.shift.saturating_add(now - time);
            Some(Bad::ClockBack)
        };
        (self.now.unwrap_or(time), bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back_and_continues_after_a_clock_that_was_set() {
        let mut line = Timeline::default();
        assert_eq!(line.next(1_000_000), (1_000_000, None));
        assert_eq!(line.next(999_000), (1_000_000, None));
        assert_eq!(line.next(1_001_000), (1_001_000, None));
        // An hour back.
        assert_eq!(line.next(1_001_000 - 3_600_000), (1_001_000, Some(Bad::ClockBack)));
        assert_eq!(line.next(1_001_500 - 3_600_000), (1_001_500, None));
        // A year that does not exist, and back.
        let (far, bad) = line.next(i64::MAX);
        assert_eq!(bad, Some(Bad::ClockJump));
        assert_eq!(line.next(0), (far, Some(Bad::ClockBack)));
        assert_eq!(line.next(1), (far + 1, None));
        assert_eq!(line.next(i64::MIN), (far + 1, Some(Bad::ClockBack)));
    }
}
