//! The two sums that Chef's engineers did by hand: duplicates within each minute of the clock, which they took for hits, and the
//! bytes of the distinct answers within each quarter of an hour and each hour, which they took for the memory. Both are bounds
//! from below: a window of the clock cuts lives in two.

use super::split::{Split, Weight};

/// How long the windows are, in milliseconds.
pub(crate) const WINDOWS: [i64; 3] = [60_000, 900_000, 3_600_000];

/// Windows are counted from 1970, as clocks show them.
#[derive(Debug)]
pub(crate) struct Window {
    /// Milliseconds.
    pub(crate) length: i64,
    current: i64,
    bytes: f64,
    /// The most bytes of distinct answers in any window.
    pub(crate) most_bytes: f64,
    /// Requests for what was asked for in the same window before.
    pub(crate) duplicates: Split,
}

impl Window {
    pub(crate) fn new(length: i64) -> Self {
        Self { length, current: i64::MIN, bytes: 0.0, most_bytes: 0.0, duplicates: Split::default() }
    }

    /// A request. `seen` is the number of the window in which the key was last asked for, and becomes that of this one; numbers
    /// are counted from `base`, a moment, with 0 for "never". Of a key that is asked for again, the last answer counts: it was
    /// of `before` bytes.
    pub(crate) fn count(
        &mut self,
        seen: &mut u32,
        (time, base): (i64, i64),
        (before, bytes): (u32, u32),
        weight: Weight,
    ) {
        let window = time.div_euclid(self.length);
        if window != self.current {
            self.end();
            self.current = window;
        }
        let number = window - base.div_euclid(self.length) + 1;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.bytes += f64::from(bytes) * weight.stands_for;
        if *seen == number {
            self.duplicates.add(1.0, weight);
            self.bytes -= f64::from(before) * weight.stands_for;
        } else {
            *seen = number;
        }
    }

    /// The window is over, or the log is.
    pub(crate) fn end(&mut self) {
        self.most_bytes = self.most_bytes.max(self.bytes);
        self.bytes = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_the_clock() {
        let mut window = Window::new(60_000);
        let mut seen = [0; 2];
        let mut count =
            |key: usize, time, sizes| window.count(&mut seen[key], (time, 59_000), sizes, Weight::ONE);
        count(0, 59_000, (0, 10));
        count(0, 59_999, (10, 12));
        count(1, 59_999, (0, 5));
        count(0, 60_000, (12, 10));
        window.end();
        assert_eq!((window.duplicates.whole(1.0), window.most_bytes), (1.0, 17.0));
    }
}
