//! When a breaker opens, and for how long.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Operation, Result},
    random,
};

/// Nobody wants more, and moments that lie further ahead cannot be counted.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// When a [`Breaker`](super::Breaker) opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct BreakerSettings {
    /// How many of the last outcomes count, 8 to 64. What has not happened yet counts as a success, so it takes
    /// `window` × `failures` failures at least to open a breaker. Default: 32.
    pub window: u32,
    /// The share of failures in the window at which it opens: above 0, up to 1. Default: 0.5.
    pub failures: f64,
    /// How long it stays open before one call tries whether the server is back; at least a millisecond. Each time it is
    /// shortened randomly by up to a quarter, so that many processes do not try at the same moment. Default: one second.
    pub open_for: Duration,
    /// An answer that took longer than this counts as a failure. `None`, the default: what is too slow is what the store's
    /// deadline ends, and no clock is read for an answer that came.
    pub slow: Option<Duration>,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl BreakerSettings {
    /// Opens when 16 of the last 32 outcomes were failures, and tries again within a second.
    pub const fn new() -> Self {
        Self { window: 32, failures: 0.5, open_for: Duration::from_secs(1), slow: None }
    }

    /// The same with this many outcomes that count.
    pub const fn with_window(mut self, outcomes: u32) -> Self {
        self.window = outcomes;
        self
    }

    /// The same with this share of failures at which it opens.
    pub const fn with_failures(mut self, share: f64) -> Self {
        self.failures = share;
        self
    }

    /// The same with this time for which it stays open.
    pub const fn with_open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }

    /// The same with this time after which an answer counts as a failure.
    pub const fn with_slow(mut self, time: Option<Duration>) -> Self {
        self.slow = time;
        self
    }

    /// How these are applied to a store with this deadline.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for what cannot be right; the message begins with the setting.
    pub(super) fn rules(&self, deadline: Option<Duration>) -> Result<Rules> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, Operation::Build, message));
        if !(8..=64).contains(&self.window) {
            return refuse(format!("`window`: found {}, expected 8 to 64 outcomes", self.window));
        }
        if !(self.failures > 0.0 && self.failures <= 1.0) {
            return refuse(format!("`failures`: found {}, expected a share above 0, up to 1", self.failures));
        }
        if self.open_for < Duration::from_millis(1) {
            return refuse(format!("`open_for`: found {:?}, expected at least 1ms", self.open_for));
        }
        if self.slow.is_some_and(|slow| slow.is_zero()) {
            return refuse("`slow`: must be greater than zero".to_owned());
        }
        if let (Some(slow), Some(deadline)) = (self.slow, deadline)
            && slow >= deadline
        {
            let message = format!(
                "`slow`: found {slow:?}, expected less than the deadline of {deadline:?}, which ends a call before it is slow"
            );
            return refuse(message);
        }
        let open_for = self.open_for.min(LONGEST);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and the window, which is at most 64"
        )]
        let threshold = (f64::from(self.window) * self.failures).ceil() as u32;
        Ok(Rules {
            mask: u64::MAX >> (64 - self.window),
            threshold,
            open_for,
            // Twice the deadline: a probe that it ends has come back by then.
            patience: open_for.max(deadline.unwrap_or_default().saturating_mul(2)),
            slow: self.slow,
            fair: deadline.unwrap_or_default() / 2,
            overslept: deadline.map_or(Duration::MAX, |deadline| deadline.saturating_add(deadline / 2)),
        })
    }
}

/// Settings that were checked, in the form in which they are applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The bits of the window.
    pub(super) mask: u64,
    /// How many failures in the window open it.
    pub(super) threshold: u32,
    open_for: Duration,
    /// After this time a probe that has not ended counts as lost.
    pub(super) patience: Duration,
    pub(super) slow: Option<Duration>,
    /// A server that was given less time than this before its caller left has not failed.
    pub(super) fair: Duration,
    /// What took longer than this, although a deadline ends it, says that this process did not run: the answer may have been
    /// there all the while.
    pub(super) overslept: Duration,
}

impl Rules {
    /// Until when a breaker that opens now is open.
    pub(super) fn until(&self, now: Timestamp) -> Timestamp {
        now.plus(self.open_for.mul_f64((0.75 + random::unit() / 4.0).min(1.0)))
    }

    /// Whether the time until which it is open has come. One that lies further ahead than any was set by a clock that has
    /// since been set back.
    pub(super) fn is_due(&self, until: Timestamp, now: Timestamp) -> bool {
        until <= now || until > now.plus(self.open_for)
    }

    /// Whether a probe that began then counts as lost.
    pub(super) fn is_lost(&self, began: Timestamp, now: Timestamp) -> bool {
        began > now || now.since(began) >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_right_is_refused_by_name() {
        let all = BreakerSettings::new();
        let (none, hour) = (Duration::ZERO, Duration::from_hours(1));
        for (wrong, named) in [
            (all.with_window(7), "`window`"),
            (all.with_window(65), "`window`"),
            (all.with_failures(0.0), "`failures`"),
            (all.with_failures(1.01), "`failures`"),
            (all.with_failures(f64::NAN), "`failures`"),
            (all.with_open_for(none), "`open_for`"),
            (all.with_slow(Some(none)), "`slow`"),
            (all.with_slow(Some(hour)), "`slow`"),
        ] {
            let error = wrong.rules(Some(hour)).unwrap_err();
            assert!(error.kind() == ErrorKind::Config && error.message().starts_with(named), "{error}");
        }
        all.with_slow(Some(hour)).rules(None).unwrap();
    }

    #[test]
    fn the_threshold_is_within_the_window() {
        let threshold = |window, share| {
            let rules = BreakerSettings::new().with_window(window).with_failures(share).rules(None).unwrap();
            assert_eq!(rules.mask.count_ones(), window);
            rules.threshold
        };
        assert_eq!(threshold(32, 0.5), 16);
        assert_eq!(threshold(64, 1.0), 64);
        assert_eq!(threshold(8, 1e-300), 1);
    }

    #[test]
    fn however_long_it_is_open_it_ends_and_is_not_shortened_by_more_than_a_quarter() {
        let now = Timestamp::from_millis(10_000);
        for open_for in [1, 1000, 86_400_000].map(Duration::from_millis) {
            let rules = BreakerSettings::new().with_open_for(open_for).rules(None).unwrap();
            let until = rules.until(now);
            assert!(until > now && until <= now.plus(open_for), "{until:?}");
            assert!(!rules.is_due(until, now) && rules.is_due(until, until));
        }
        BreakerSettings::new().with_open_for(Duration::MAX).rules(Some(Duration::MAX)).unwrap().until(now);
        let rules = BreakerSettings::new().rules(None).unwrap();
        assert!(rules.is_due(Timestamp::from_millis(60_000), now), "the clock was set back");
        assert!(rules.is_lost(Timestamp::from_millis(60_000), now), "the clock was set back");
    }
}
