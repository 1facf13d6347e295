//! The pauses between attempts to reach a server that is down.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(20);
/// Together with an attempt of half a second this is less than a second: so soon after a server is back it
/// is used again.
const LONGEST: Duration = Duration::from_millis(400);

/// Pauses that double up to 400 ms, each shortened by chance to between half and all of it, so that many
/// processes do not come back at the same moment.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }

    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        // The standard library's hash keys are the operating system's randomness.
        let chance = RandomState::new().build_hasher().finish() % 1000;
        pause / 2 + pause / 2 * u32::try_from(chance).unwrap_or(0) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..50).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= FIRST);
        let late = &pauses[10..];
        assert!(late.iter().all(|pause| (LONGEST / 2..=LONGEST).contains(pause)), "{late:?}");
        assert!(late.iter().any(|pause| *pause != late[0]), "{late:?}");
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
