//! The pauses between attempts to reach a server, for every store alike.

use std::time::Duration;

use larder_core::ErrorKind;

/// The pause after the second failure; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause: with the time that an attempt takes, a server that is back is in use again within a second.
const LONGEST: Duration = Duration::from_millis(400);
/// The longest pause while the server refuses the credentials. The server keeps a log of those attempts.
const LONGEST_REFUSED: Duration = Duration::from_millis(800);
/// A connection that ends sooner counts as a failed attempt: a server that hangs up on everybody would be connected to
/// without end.
pub(crate) const SHORT_LIFE: Duration = Duration::from_secs(1);

/// How many attempts have failed in a row, and so how long to wait for the next.
///
/// The first attempt after a connection of a second or more is made at once. Then come pauses of 100, 200 and 400 ms, each
/// shortened randomly by up to a quarter so that many clients do not come at the same moment. What a store's connections do
/// together is bounded by its [`Pace`](crate::Pace).
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// An attempt succeeded, and the connection lasted for this long.
    pub fn lasted(&mut self, age: Duration) {
        if age >= SHORT_LIFE {
            self.failures = 0;
        }
    }

    /// Counts a failure, and returns the pause before the next attempt: none after the first.
    pub fn next(&mut self, cause: ErrorKind) -> Duration {
        let longest = match cause {
            ErrorKind::Auth | ErrorKind::Config => LONGEST_REFUSED,
            _ => LONGEST,
        };
        let before = self.failures;
        self.failures = before.saturating_add(1);
        let Some(doublings) = before.checked_sub(1) else { return Duration::ZERO };
        let pause = FIRST.saturating_mul(1 << doublings.min(16)).min(longest);
        pause * fastrand::u32(75..=100) / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..50).map(|_| backoff.next(ErrorKind::Unavailable)).collect();
        assert!(pauses[0].is_zero());
        assert!((75..=100).contains(&pauses[1].as_millis()), "{:?}", pauses[1]);
        let late = &pauses[10..];
        assert!(late.iter().all(|pause| (300..=400).contains(&pause.as_millis())), "{late:?}");
        assert!(late.iter().any(|pause| *pause != late[0]), "{late:?}");
        assert!((600..=800).contains(&backoff.next(ErrorKind::Auth).as_millis()));
    }

    #[test]
    fn a_connection_that_lasted_ends_the_row() {
        let mut backoff = Backoff::default();
        backoff.next(ErrorKind::Unavailable);
        backoff.lasted(Duration::from_millis(999));
        assert!(!backoff.next(ErrorKind::Unavailable).is_zero());
        backoff.lasted(SHORT_LIFE);
        assert!(backoff.next(ErrorKind::Unavailable).is_zero());
    }
}
