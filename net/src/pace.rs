//! What the connections of one store do no faster together: attempts to reconnect, and lines in the log. A ring of servers that
//! are all gone is one store, and makes no storm.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How many attempts a second there may be, if there are no more servers than that.
const ATTEMPTS: u32 = 5;
/// Between two lines. Whoever uses the store reports its failures as well, and all of it together is to be a line a second.
const LINE: Duration = Duration::from_secs(2);
/// How long a line may wait for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The pace of one store's connections. Shared by all of them.
///
/// Attempts to reconnect are at least 220 ms apart, so that there are never more than five in a second; a store of more than
/// three servers has two more in a second than it has servers. The first attempt to connect to a server does not wait, but
/// those that follow wait for it if it fails. Lines in the log are at least
/// two seconds apart; what happens in between is counted in the next.
#[derive(Debug)]
pub struct Pace {
    servers: u32,
    spacing: Duration,
    attempt: Mutex<Option<Instant>>,
    line: Mutex<Option<Instant>>,
}

impl Pace {
    /// The pace of a store with this many servers.
    pub fn new(servers: usize) -> Self {
        let servers = u32::try_from(servers).unwrap_or(u32::MAX);
        let a_second = servers.saturating_add(2).max(ATTEMPTS);
        // Were it a second through the number, there would be one more in a second that begins with an attempt.
        let spacing = Duration::from_millis(1100) / a_second;
        Self { servers, spacing, attempt: Mutex::default(), line: Mutex::default() }
    }

    /// A first attempt, which waited for nobody, has failed. However many there are, as with runtimes that come and go, the next
    /// attempt waits for no more of them than there are servers.
    pub(crate) fn first_failed(&self) {
        let now = Instant::now();
        let mut next = lock(&self.attempt);
        let at = next.map_or(now, |next| next.max(now)) + self.spacing;
        *next = Some(next.unwrap_or(now).max(at.min(now + self.spacing * self.servers)));
    }

    /// When the next attempt may be made that is wanted after `pause`: how long to wait from now on.
    pub fn attempt(&self, pause: Duration) -> Duration {
        let now = Instant::now();
        let mut next = lock(&self.attempt);
        let at = next.map_or(now + pause, |next| next.max(now + pause));
        *next = Some(at + self.spacing);
        at.saturating_duration_since(now)
    }

    /// When the next line may be logged: how long to wait from now on. `None` if too many wait.
    pub(crate) fn line(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut next = lock(&self.line);
        let at = next.map_or(now, |next| next.max(now));
        let wait = at.saturating_duration_since(now);
        if wait > LONGEST_WAIT {
            return None;
        }
        *next = Some(at + LINE);
        Some(wait)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn attempts_of_all_servers_together_are_five_a_second() {
        let pace = Pace::new(3);
        let millis = |millis| Duration::from_millis(millis);
        assert_eq!(pace.attempt(Duration::ZERO), Duration::ZERO);
        assert_eq!(pace.attempt(Duration::ZERO), millis(220));
        assert_eq!(pace.attempt(millis(100)), millis(440));
        tokio::time::advance(millis(5000)).await;
        assert_eq!(pace.attempt(millis(300)), millis(300));
        // A large ring has more.
        let pace = Pace::new(18);
        assert_eq!(
            (pace.attempt(Duration::ZERO), pace.attempt(Duration::ZERO)),
            (Duration::ZERO, millis(55))
        );
    }

    /// A store of three servers that is not there when the program starts.
    #[tokio::test(start_paused = true)]
    async fn first_attempts_that_fail_count() {
        let pace = Pace::new(3);
        let begun = Instant::now();
        (0..3).for_each(|_| pace.first_failed());
        let mut attempts = 3;
        while begun.elapsed() + pace.attempt(Duration::ZERO) < Duration::from_secs(3) {
            attempts += 1;
        }
        assert!(attempts <= 15, "{attempts} in 3 s");
    }

    #[tokio::test(start_paused = true)]
    async fn first_attempts_of_many_runtimes_hold_nobody_up() {
        let pace = Pace::new(1);
        (0..1000).for_each(|_| pace.first_failed());
        assert_eq!(pace.attempt(Duration::ZERO), Duration::from_millis(220));
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_two_seconds_apart_and_do_not_wait_for_ever() {
        let pace = Pace::new(1);
        let waits: Vec<_> = (0..7).map(|_| pace.line().map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(0), Some(2), Some(4), Some(6), Some(8), Some(10), None]);
    }
}
