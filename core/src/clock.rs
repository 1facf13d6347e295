//! Time, injected. Everything in Larder that asks for the time asks a [`Clock`], so that tests of freshness
//! move it instead of sleeping.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A moment, in milliseconds since 1970-01-01 UTC. [`Timestamp::NEVER`] lies after every other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment that does not come: the expiry of an entry that lives until it is removed or evicted.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment so many milliseconds after 1970-01-01 UTC.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC; `u64::MAX` for [`Timestamp::NEVER`].
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero when `earlier` is not earlier, as after a clock that was
    /// set back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment and so much later, rounded up to whole milliseconds; [`Timestamp::NEVER`] when that is
    /// beyond counting.
    pub fn plus(self, duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(u64::try_from(millis).map_or(u64::MAX, |millis| self.0.saturating_add(millis)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER { f.write_str("never") } else { write!(f, "{}ms", self.0) }
    }
}

/// Where the time comes from: the system, or a test's hand.
///
/// The system's clock is read coarsely where the kernel offers that (Linux: `CLOCK_REALTIME_COARSE`, cheaper
/// than the exact one, and at most one timer tick, 1 to 10 ms, behind).
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is moved. Clones of it move together.
    ///
    /// ```
    /// # use larder_core::Clock;
    /// # use std::time::Duration;
    /// let clock = Clock::manual();
    /// let before = clock.now();
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(clock.now().since(before), Duration::from_secs(60));
    /// ```
    pub fn manual() -> Self {
        // 2001-09-09T01:46:40Z: any moment will do, so long as tests may also step back from it.
        Self(Source::Manual(Arc::new(AtomicU64::new(1_000_000_000_000))))
    }

    /// The time now.
    #[inline]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(millis) => Timestamp(millis.load(Ordering::Acquire)),
        }
    }

    /// Moves a manual clock forward. A system clock is not moved by this.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.0 {
            millis.store(self.now().plus(by).0, Ordering::Release);
        }
    }

    /// Moves a manual clock back, as an administrator or a time daemon may do to a real one.
    pub fn step_back(&self, by: Duration) {
        if let Source::Manual(millis) = &self.0 {
            let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            millis.store(self.now().0.saturating_sub(by), Ordering::Release);
        }
    }

    /// Whether this clock is moved by hand.
    pub fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = if self.is_manual() { "manual" } else { "system" };
        write!(f, "Clock({source}, {:?})", self.now())
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn system_now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Timestamp(seconds * 1000 + nanos / 1_000_000)
}

#[cfg(not(target_os = "linux"))]
#[inline]
fn system_now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_agrees_with_the_standard_library() {
        let expected = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seen = Clock::system().now().as_millis();
        assert!(u128::from(seen).abs_diff(expected.as_millis()) < 100, "{seen} against {expected:?}");
    }

    #[test]
    fn fractions_of_a_millisecond_round_up_and_huge_durations_saturate() {
        let start = Timestamp::from_millis(5);
        assert_eq!(start.plus(Duration::from_nanos(1)), Timestamp::from_millis(6));
        assert_eq!(start.plus(Duration::MAX), Timestamp::NEVER);
        assert_eq!(start.since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
