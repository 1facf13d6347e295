//! Moments as numbers, for what looks at the time with every near hit: there a difference of two [`Instant`]s, which are seconds and
//! nanoseconds each, costs more than reading the clock.

use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;

/// A moment of the clock that the runtime's timers go by. Those of one process can be compared, and with nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// This moment.
    pub(crate) fn of(instant: Instant) -> Self {
        Self(nanos(instant.saturating_duration_since(start().zero)))
    }

    /// The moment now, or up to two ticks later (2 to 20 ms). Later rather than earlier, so that what has to be recent enough is not
    /// taken for more recent than it is. (Ticks of a virtual machine were seen to come half a millisecond late; one that comes a
    /// whole tick late makes this early.)
    #[cfg(target_os = "linux")]
    #[inline]
    pub(crate) fn coarse() -> Self {
        match start().ticks {
            Some(ticks) => Self(read(rustix::time::ClockId::MonotonicCoarse).saturating_add(ticks)),
            None => Self::of(Instant::now()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    #[inline]
    pub(crate) fn coarse() -> Self {
        Self::of(Instant::now())
    }

    /// Nanoseconds since this process's zero.
    #[inline]
    pub(crate) fn nanos(self) -> u64 {
        self.0
    }
}

/// What moments are counted from.
#[derive(Debug, Clone, Copy)]
struct Start {
    zero: Instant,
    /// Nanoseconds by which the coarse clock, as it is read, is ahead; `None` if it cannot be read as one of these.
    #[cfg(target_os = "linux")]
    ticks: Option<u64>,
}

#[inline]
fn start() -> &'static Start {
    static START: OnceLock<Start> = OnceLock::new();
    START.get_or_init(Start::new)
}

#[cfg(target_os = "linux")]
impl Start {
    /// Zero is where the clock reads zero, and two ticks are added to what it reads: it is read as of the last one, which may come
    /// late.
    fn new() -> Self {
        use rustix::time::{ClockId, clock_getres};

        let tick = clock_getres(ClockId::MonotonicCoarse);
        let ticks = from_parts(tick.tv_sec, tick.tv_nsec).saturating_mul(2);
        let since = read(ClockId::Monotonic);
        let now = Instant::now();
        // Later than the zero of the clock, if anything: by the time between the two readings.
        match now.checked_sub(Duration::from_nanos(since)) {
            Some(zero) => Self { zero, ticks: Some(ticks) },
            None => Self { zero: now, ticks: None },
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Start {
    fn new() -> Self {
        let now = Instant::now();
        // What began before anybody asked has a moment as well.
        Self { zero: now.checked_sub(Duration::from_hours(1)).unwrap_or(now) }
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn read(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    from_parts(time.tv_sec, time.tv_nsec)
}

/// In 584 years of 64 bits.
#[cfg(target_os = "linux")]
#[inline]
fn from_parts(seconds: i64, nanos: i64) -> u64 {
    let whole = u64::try_from(seconds).unwrap_or(0);
    whole.wrapping_mul(1_000_000_000).wrapping_add(u64::try_from(nanos).unwrap_or(0))
}

/// A span in nanoseconds; the longest for one of centuries.
#[inline]
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_moment_is_a_little_ahead_rather_than_behind() {
        let mut behind = 0;
        for _ in 0..1000 {
            let before = Moment::of(Instant::now());
            let moment = Moment::coarse();
            let after = Moment::of(Instant::now());
            behind += usize::from(moment < before);
            // A machine that is busy may be late with a tick, or with us.
            assert!(moment.nanos() + 100_000_000 >= before.nanos(), "{moment:?}, after {before:?}");
            assert!(moment.nanos() <= after.nanos() + 21_000_000, "{moment:?}, before {after:?}");
            std::thread::yield_now();
        }
        assert!(behind < 500, "{behind} of 1000 behind");
    }

    #[test]
    fn moments_are_as_far_apart_as_what_they_are_of() {
        let now = Instant::now();
        let later = now + Duration::from_millis(1500);
        assert_eq!(Moment::of(later).nanos() - Moment::of(now).nanos(), 1_500_000_000);
    }
}
