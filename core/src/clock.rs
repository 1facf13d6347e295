//! Time, injected. Everything in Larder that asks for the time asks a [`Clock`], so that tests of freshness
//! move it instead of sleeping.

mod moment;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

pub(crate) use self::moment::{Moment, nanos};

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
///
/// That clock can be set, by an administrator or a time daemon. What is kept in this process's memory goes by
/// [`steady`](Self::steady) instead, which nobody sets.
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Steady,
    Manual(Arc<Hands>),
    SteadyManual(Arc<Hands>),
}

/// The two readings of a manual clock, in milliseconds since 1970.
struct Hands {
    /// Can be set.
    wall: AtomicU64,
    /// Only goes forward, with the time that passes.
    steady: AtomicU64,
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
        const START: u64 = 1_000_000_000_000;
        let hands = Hands { wall: AtomicU64::new(START), steady: AtomicU64::new(START) };
        Self(Source::Manual(Arc::new(hands)))
    }

    /// The same clock as it would be had it never been set since this was first called in the process: it goes forward as
    /// time passes and never jumps. What lives in this process's memory is timed by it, so that a system clock which is set
    /// back does not revive what has expired, nor one which is set forward end what has not.
    ///
    /// Its moments can be compared with each other, within the process, and not with those of [`now`](Self::now) of the clock
    /// that it was made from. It is the kernel's monotonic clock, which stands still while the machine is suspended.
    ///
    /// ```
    /// # use larder_core::Clock;
    /// # use std::time::Duration;
    /// let clock = Clock::manual();
    /// let (steady, before) = (clock.steady(), clock.steady().now());
    /// clock.step_back(Duration::from_secs(3600));
    /// assert_eq!(steady.now(), before);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(steady.now().since(before), Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn steady(&self) -> Self {
        Self(match &self.0 {
            Source::System | Source::Steady => Source::Steady,
            Source::Manual(hands) | Source::SteadyManual(hands) => Source::SteadyManual(Arc::clone(hands)),
        })
    }

    /// The time now.
    #[inline]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Steady => steady_now(),
            Source::Manual(hands) => Timestamp(hands.wall.load(Ordering::Acquire)),
            Source::SteadyManual(hands) => Timestamp(hands.steady.load(Ordering::Acquire)),
        }
    }

    /// The moment now, by the clock that the runtime's timers go by: read [coarsely](Moment::coarse) where the time is the system's.
    #[inline]
    pub(crate) fn moment(&self) -> Moment {
        match &self.0 {
            Source::System | Source::Steady => Moment::coarse(),
            // The timers of tests may be moved by hand as well.
            Source::Manual(_) | Source::SteadyManual(_) => Moment::of(Instant::now()),
        }
    }

    /// Lets time pass on a manual clock. A system clock is not moved by this.
    pub fn advance(&self, by: Duration) {
        if let Some(hands) = self.hands() {
            move_forward(&hands.wall, by);
            move_forward(&hands.steady, by);
        }
    }

    /// Sets a manual clock back, as an administrator or a time daemon may do to a real one. [`steady`](Self::steady) is not
    /// moved by this.
    pub fn step_back(&self, by: Duration) {
        if let Some(hands) = self.hands() {
            let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            let wall = hands.wall.load(Ordering::Acquire);
            hands.wall.store(wall.saturating_sub(by), Ordering::Release);
        }
    }

    /// Sets a manual clock forward: as [`step_back`](Self::step_back).
    pub fn step_forward(&self, by: Duration) {
        if let Some(hands) = self.hands() {
            move_forward(&hands.wall, by);
        }
    }

    /// Whether this clock is moved by hand.
    pub fn is_manual(&self) -> bool {
        self.hands().is_some()
    }

    fn hands(&self) -> Option<&Hands> {
        match &self.0 {
            Source::System | Source::Steady => None,
            Source::Manual(hands) | Source::SteadyManual(hands) => Some(hands),
        }
    }
}

fn move_forward(hand: &AtomicU64, by: Duration) {
    hand.store(Timestamp(hand.load(Ordering::Acquire)).plus(by).0, Ordering::Release);
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.0 {
            Source::System => "system",
            Source::Steady => "steady",
            Source::Manual(_) => "manual",
            Source::SteadyManual(_) => "steady manual",
        };
        write!(f, "Clock({source}, {:?})", self.now())
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn system_now() -> Timestamp {
    Timestamp(millis(rustix::time::ClockId::RealtimeCoarse))
}

#[cfg(target_os = "linux")]
#[inline]
fn steady_now() -> Timestamp {
    use rustix::time::ClockId::MonotonicCoarse;

    // What is to be added to the time since the machine was started. Fixed once.
    static START: OnceLock<u64> = OnceLock::new();
    let since = millis(MonotonicCoarse);
    let start = START.get_or_init(|| system_now().0.saturating_sub(since));
    Timestamp(start.saturating_add(since))
}

#[cfg(target_os = "linux")]
#[inline]
fn millis(clock: rustix::time::ClockId) -> u64 {
    let now = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1000 + nanos / 1_000_000
}

#[cfg(not(target_os = "linux"))]
#[inline]
fn system_now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(not(target_os = "linux"))]
#[inline]
fn steady_now() -> Timestamp {
    static START: OnceLock<(std::time::Instant, Timestamp)> = OnceLock::new();
    let (start, wall) = START.get_or_init(|| (std::time::Instant::now(), system_now()));
    wall.plus(Duration::from_millis(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_agrees_with_the_standard_library() {
        let expected = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        for clock in [Clock::system(), Clock::system().steady(), Clock::system().steady().steady()] {
            let seen = clock.now().as_millis();
            assert!(u128::from(seen).abs_diff(expected.as_millis()) < 100, "{clock:?} against {expected:?}");
        }
    }

    #[test]
    fn a_steady_clock_is_moved_by_time_alone() {
        let clock = Clock::manual();
        let (steady, start) = (clock.steady(), clock.now());
        clock.step_back(Duration::from_hours(1));
        clock.advance(Duration::from_secs(1));
        clock.step_forward(Duration::from_hours(2));
        steady.advance(Duration::from_secs(1));
        assert_eq!(steady.now().since(start), Duration::from_secs(2));
        assert_eq!(clock.now().since(start), Duration::from_secs(3602));
    }

    #[test]
    fn fractions_of_a_millisecond_round_up_and_huge_durations_saturate() {
        let start = Timestamp::from_millis(5);
        assert_eq!(start.plus(Duration::from_nanos(1)), Timestamp::from_millis(6));
        assert_eq!(start.plus(Duration::MAX), Timestamp::NEVER);
        assert_eq!(start.since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
