//! The handle by which a test says what goes wrong.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::rules::{Calls, FaultRule, Mishap};
use crate::clock::{Clock, Timestamp};

/// What goes wrong with the calls of a store: a handle on its [`Fault`](super::Fault) layer. Clones are the same. At first
/// nothing does.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    /// One that nobody sets.
    clock: Clock,
    is_on: AtomicBool,
    plan: Mutex<Plan>,
    happened: AtomicU64,
}

struct Plan {
    rules: Vec<FaultRule>,
    since: Timestamp,
    random: Random,
}

impl Faults {
    /// Nothing goes wrong yet. Times are those of the clock, as they would be had nobody set it.
    pub fn new(clock: &Clock) -> Self {
        let plan = Plan { rules: Vec::new(), since: Timestamp::from_millis(0), random: Random(0) };
        Self(Arc::new(Inner {
            clock: clock.steady(),
            is_on: AtomicBool::new(false),
            plan: Mutex::new(plan),
            happened: AtomicU64::new(0),
        }))
    }

    /// From now on these rules hold, in place of those before, and their times begin. Of those that mean a call, the first
    /// whose turn it is decides.
    pub fn set(&self, rules: impl IntoIterator<Item = FaultRule>) {
        let mut plan = self.plan();
        plan.rules = rules.into_iter().collect();
        plan.since = self.0.clock.now();
        self.0.is_on.store(!plan.rules.is_empty(), Ordering::Release);
    }

    /// From now on this goes wrong with every call.
    pub fn always(&self, mishap: Mishap) {
        self.set([FaultRule::new(mishap)]);
    }

    /// From now on nothing goes wrong. What hangs or is late already stays so.
    pub fn none(&self) {
        self.set([]);
    }

    /// Begins the random choices of [`FaultRule::with_probability`] here: the same calls in the same order then have the same
    /// mishaps. At first the seed is 0.
    pub fn seed(&self, seed: u64) {
        self.plan().random = Random(seed);
    }

    /// With how many calls something went wrong so far.
    pub fn happened(&self) -> u64 {
        self.0.happened.load(Ordering::Relaxed)
    }

    pub(super) fn are_on(&self) -> bool {
        self.0.is_on.load(Ordering::Acquire)
    }

    /// What goes wrong with a call that begins now, and how much later it begins.
    pub(super) fn draw(&self, call: Calls) -> (Duration, Option<Mishap>) {
        let mut delay = Duration::ZERO;
        if !self.are_on() {
            return (delay, None);
        }
        let mut decided = None;
        {
            let mut plan = self.plan();
            let age = self.0.clock.now().since(plan.since);
            let Plan { rules, random, .. } = &mut *plan;
            for rule in rules.iter() {
                let is_meant = rule.calls.mean(call) && rule.from <= age && age < rule.until;
                if !is_meant || random.unit() >= rule.probability {
                    continue;
                }
                match rule.mishap {
                    Mishap::Delays(by) => delay = delay.saturating_add(by),
                    mishap => {
                        decided = Some(mishap);
                        break;
                    }
                }
            }
        }
        if decided.is_some() || !delay.is_zero() {
            self.0.happened.fetch_add(1, Ordering::Relaxed);
        }
        (delay, decided)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        // Nothing in here can panic half-way through a change.
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("rules", &self.plan().rules)
            .field("happened", &self.happened())
            .finish_non_exhaustive()
    }
}

/// `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014): the same numbers for the same seed, on every machine.
struct Random(u64);

impl Random {
    /// A number from 0, which it may be, to 1, which it is not.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const DOWN: Mishap = Mishap::Fails(ErrorKind::Unavailable);

    #[test]
    fn the_first_rule_that_means_a_call_decides_and_delays_add_up() {
        let faults = Faults::new(&Clock::manual());
        assert_eq!(faults.draw(Calls::Reads), (Duration::ZERO, None));
        let late = |millis| FaultRule::new(Mishap::Delays(Duration::from_millis(millis)));
        faults.set([late(5).on(Calls::Writes), late(7), FaultRule::new(DOWN).on(Calls::Reads), late(100)]);
        assert_eq!(faults.draw(Calls::Reads), (Duration::from_millis(7), Some(DOWN)));
        assert_eq!(faults.draw(Calls::Writes), (Duration::from_millis(112), None));
        assert_eq!(faults.draw(Calls::Deletes), (Duration::from_millis(107), None));
        faults.none();
        assert_eq!((faults.draw(Calls::Reads), faults.happened()), ((Duration::ZERO, None), 3));
    }

    #[test]
    fn the_same_seed_has_the_same_mishaps() {
        let drawn = |seed| {
            let faults = Faults::new(&Clock::manual());
            faults.seed(seed);
            faults.set([FaultRule::new(DOWN).with_probability(0.25)]);
            (0..4000).map(|_| faults.draw(Calls::Reads).1.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let count = drawn(7).iter().filter(|happens| **happens).count();
        assert!((900..1100).contains(&count), "{count}");
        let never = Faults::new(&Clock::manual());
        never.set([FaultRule::new(DOWN).with_probability(0.0)]);
        assert!((0..1000).all(|_| never.draw(Calls::All).1.is_none()));
    }

    #[test]
    fn a_schedule_begins_when_it_is_set() {
        let clock = Clock::manual();
        let faults = Faults::new(&clock);
        let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
        clock.advance(two);
        for _ in 0..2 {
            faults.set([FaultRule::new(DOWN).between(one, two)]);
            for expected in [None, Some(DOWN), None] {
                assert_eq!(faults.draw(Calls::Reads).1, expected);
                clock.step_back(Duration::from_hours(1));
                clock.advance(one);
            }
        }
    }
}
