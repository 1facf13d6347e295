//! The breaker of one server: closed, open or half-open.

use std::sync::{PoisonError, atomic::Ordering};

use super::{position::Position, settings::Rules, verdict::Verdict};
use crate::{
    backend::CircuitState,
    clock::{Clock, Timestamp},
    error::Error,
    sync::{AtomicU64, Mutex, MutexGuard},
};

/// The breaker of one server. While it is closed a call costs a load before and a load after, and an update where one of the
/// last outcomes was a failure.
#[derive(Debug, Default)]
pub(super) struct Switch {
    /// Which [`Position`] it is in.
    word: AtomicU64,
    /// The last outcomes, the newest in the lowest bit: one is a failure.
    outcomes: AtomicU64,
    /// How often it has opened.
    openings: AtomicU64,
    /// Why it is open.
    opened: Mutex<Option<Opened>>,
}

/// Why it is open.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    /// Since when.
    pub(super) at: Timestamp,
    /// What the server failed at last.
    pub(super) failure: Error,
}

/// Why a call does not go through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    /// When the next one does; `None` while one is trying.
    pub(super) until: Option<Timestamp>,
    pub(super) now: Timestamp,
}

/// What a verdict has changed.
#[derive(Debug)]
pub(super) enum Change {
    Opened(Opened),
    Closed(Option<Opened>),
}

/// A call that goes through. Dropped without a verdict, one that was to try whether the server is back leaves that to the next.
#[derive(Debug)]
#[must_use]
pub(super) struct Admitted<'a> {
    switch: &'a Switch,
    /// The position that it was admitted in.
    word: u64,
}

impl Switch {
    /// Lets a call through, or not. Of all that come when it is time, one is let through.
    pub(super) fn admit(&self, rules: &Rules, clock: &Clock) -> Result<Admitted<'_>, Refused> {
        loop {
            let word = self.word.load(Ordering::Acquire);
            let now = match Self::refusal_at(word, rules, clock) {
                Ok(None) => return Ok(Admitted { switch: self, word }),
                Ok(Some(now)) => now,
                Err(refused) => return Err(refused),
            };
            let probing = Position::HalfOpen(now).word();
            if self.turn(word, probing) {
                return Ok(Admitted { switch: self, word: probing });
            }
        }
    }

    /// Whether a call goes through where it stands like this; as one that tries whether the server is back, if it is time to.
    fn refusal_at(word: u64, rules: &Rules, clock: &Clock) -> Result<Option<Timestamp>, Refused> {
        let (now, until) = match Position::of(word) {
            Position::Closed(_) => return Ok(None),
            Position::Open(until) => {
                let now = clock.now();
                (now, (!rules.is_due(until, now)).then_some(Some(until)))
            }
            Position::HalfOpen(began) => {
                let now = clock.now();
                (now, (!rules.is_lost(began, now)).then_some(None))
            }
        };
        until.map_or(Ok(Some(now)), |until| Err(Refused { until, now }))
    }

    /// Why a call that came now would be refused, if it would be. Nothing is let through by this.
    pub(super) fn refusal(&self, rules: &Rules, clock: &Clock) -> Option<Refused> {
        Self::refusal_at(self.word.load(Ordering::Acquire), rules, clock).err()
    }

    /// Whether a call that came now would be refused. Nothing is let through by this.
    pub(super) fn refuses(&self, rules: &Rules, clock: &Clock) -> bool {
        self.refusal(rules, clock).is_some()
    }

    pub(super) fn state(&self) -> CircuitState {
        match Position::of(self.word.load(Ordering::Acquire)) {
            Position::Closed(_) => CircuitState::Closed,
            Position::Open(_) => CircuitState::Open,
            Position::HalfOpen(_) => CircuitState::HalfOpen,
        }
    }

    /// Why it is open; `None` while it is closed.
    pub(super) fn why(&self) -> Option<Opened> {
        self.opened().clone()
    }

    fn opened(&self) -> MutexGuard<'_, Option<Opened>> {
        // Nothing in here can panic half-way through a change.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From one position into another, if it is still in that one.
    fn turn(&self, from: u64, to: u64) -> bool {
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Notes an outcome of a closed time; whether it has to open now.
    fn note(&self, failed: bool, rules: &Rules) -> bool {
        // Nothing but successes, of which there is one more: as nearly always.
        if !failed && self.outcomes.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let next = |outcomes: u64| ((outcomes << 1) | u64::from(failed)) & rules.mask;
        let before = self
            .outcomes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |outcomes| Some(next(outcomes)))
            .unwrap_or_else(|outcomes| outcomes);
        failed && next(before).count_ones() >= rules.threshold
    }
}

impl Admitted<'_> {
    /// Whether it is the one that tries whether the server is back.
    pub(super) fn is_probe(&self) -> bool {
        !matches!(Position::of(self.word), Position::Closed(_))
    }

    /// The call has ended, and says this of the server.
    pub(super) fn ended(self, verdict: Verdict, rules: &Rules, clock: &Clock) -> Option<Change> {
        let switch = self.switch;
        // What began before the last change says nothing about the time since.
        if switch.word.load(Ordering::Acquire) != self.word {
            return None;
        }
        match (self.is_probe(), verdict) {
            (_, Verdict::Unknown) => None,
            (false, Verdict::Serves) => {
                switch.note(false, rules);
                None
            }
            (false, Verdict::Fails(failure)) => {
                if !switch.note(true, rules) {
                    return None;
                }
                let now = clock.now();
                let mut opened = switch.opened();
                if !switch.turn(self.word, Position::Open(rules.until(now)).word()) {
                    return None;
                }
                switch.openings.fetch_add(1, Ordering::Relaxed);
                *opened = Some(Opened { at: now, failure });
                opened.clone().map(Change::Opened)
            }
            (true, Verdict::Serves) => {
                let mut opened = switch.opened();
                switch.outcomes.store(0, Ordering::Relaxed);
                let openings = switch.openings.load(Ordering::Relaxed);
                let is_mine = switch.turn(self.word, Position::Closed(openings).word());
                is_mine.then(|| Change::Closed(opened.take()))
            }
            (true, Verdict::Fails(failure)) => {
                let until = rules.until(clock.now());
                let mut opened = switch.opened();
                if switch.turn(self.word, Position::Open(until).word())
                    && let Some(opened) = &mut *opened
                {
                    opened.failure = failure;
                }
                None
            }
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        // After a verdict it is in another position.
        if let Position::HalfOpen(began) = Position::of(self.word) {
            self.switch.turn(self.word, Position::Open(began).word());
        }
    }
}

#[cfg(all(test, larder_loom))]
mod models;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::BreakerSettings, *};
    use crate::error::{ErrorKind, Operation};

    const OPEN_FOR: Duration = Duration::from_secs(1);

    struct Tried {
        switch: Switch,
        rules: Rules,
        clock: Clock,
    }

    fn fails() -> Verdict {
        Verdict::Fails(Error::new(ErrorKind::Unavailable, Operation::Get, "refused"))
    }

    impl Tried {
        fn new() -> Self {
            let rules = BreakerSettings::new().with_window(8).with_open_for(OPEN_FOR).rules(None).unwrap();
            Self { switch: Switch::default(), rules, clock: Clock::manual().steady() }
        }

        fn admit(&self) -> Option<Admitted<'_>> {
            self.switch.admit(&self.rules, &self.clock).ok()
        }

        fn refuses(&self) -> bool {
            self.switch.refuses(&self.rules, &self.clock)
        }

        fn end(&self, admitted: Admitted<'_>, verdict: Verdict) -> Option<Change> {
            admitted.ended(verdict, &self.rules, &self.clock)
        }

        fn call(&self, verdict: Verdict) -> Option<Change> {
            self.end(self.admit().unwrap(), verdict)
        }

        fn open(&self) {
            for _ in 0..3 {
                assert!(self.call(fails()).is_none());
            }
            assert!(matches!(self.call(fails()), Some(Change::Opened(_))));
            assert_eq!(self.switch.state(), CircuitState::Open);
        }
    }

    #[test]
    fn it_opens_at_its_share_of_the_window_and_not_before() {
        let it = Tried::new();
        for _ in 0..100 {
            // Three of eight.
            for failed in [true, false, true, false, false, true, false, false] {
                assert!(it.call(if failed { fails() } else { Verdict::Serves }).is_none());
            }
            it.call(Verdict::Unknown);
        }
        assert_eq!(it.switch.state(), CircuitState::Closed);
        for _ in 0..8 {
            it.call(Verdict::Serves);
        }
        assert_eq!(it.switch.outcomes.load(Ordering::Relaxed), 0, "they are forgotten");
        it.open();
        assert!(it.refuses() && it.admit().is_none());
        it.clock.advance(OPEN_FOR);
        assert!(!it.refuses() && !it.refuses(), "asking takes nobody's place");
        let _probe = it.admit().unwrap();
        assert!(it.refuses());
    }

    #[test]
    fn one_probe_goes_through_and_closes_it() {
        let it = Tried::new();
        it.open();
        it.clock.advance(OPEN_FOR);
        let probe = it.admit().unwrap();
        assert_eq!(it.switch.state(), CircuitState::HalfOpen);
        assert!(it.admit().is_none() && it.admit().is_none());
        assert!(matches!(it.end(probe, Verdict::Serves), Some(Change::Closed(Some(_)))));
        assert_eq!((it.switch.state(), it.switch.why().is_none()), (CircuitState::Closed, true));
        // Its window is empty again.
        it.open();
    }

    #[test]
    fn a_probe_that_fails_opens_it_again_and_says_why() {
        let it = Tried::new();
        it.open();
        let at = it.switch.why().unwrap().at;
        for round in 0..3 {
            it.clock.advance(OPEN_FOR);
            let failure = Error::new(ErrorKind::Loading, Operation::Get, format!("{round}"));
            assert!(it.call(Verdict::Fails(failure)).is_none());
            assert!(it.admit().is_none());
            let why = it.switch.why().unwrap();
            assert_eq!((why.at, why.failure.message()), (at, &*round.to_string()));
        }
    }

    #[test]
    fn a_probe_that_learns_nothing_leaves_it_to_the_next() {
        let it = Tried::new();
        it.open();
        it.clock.advance(OPEN_FOR);
        drop(it.admit().unwrap());
        assert_eq!(it.switch.state(), CircuitState::Open);
        it.call(Verdict::Unknown);
        assert!(matches!(it.call(Verdict::Serves), Some(Change::Closed(_))));
    }

    #[test]
    fn a_probe_that_is_neither_driven_nor_dropped_is_replaced_and_says_nothing_later() {
        let it = Tried::new();
        it.open();
        it.clock.advance(OPEN_FOR);
        let lost = it.admit().unwrap();
        it.clock.advance(OPEN_FOR / 2);
        assert!(it.admit().is_none());
        it.clock.advance(OPEN_FOR / 2);
        let next = it.admit().unwrap();
        assert!(it.end(lost, Verdict::Serves).is_none());
        assert_eq!(it.switch.state(), CircuitState::HalfOpen);
        assert!(matches!(it.end(next, Verdict::Serves), Some(Change::Closed(_))));
    }

    #[test]
    fn what_began_before_it_opened_says_nothing_after_it_has_closed() {
        let it = Tried::new();
        let before: Vec<_> = (0..20).map(|_| it.admit().unwrap()).collect();
        it.open();
        it.clock.advance(OPEN_FOR);
        it.call(Verdict::Serves);
        for old in before {
            assert!(it.end(old, fails()).is_none());
        }
        assert_eq!(it.switch.state(), CircuitState::Closed);
        assert_eq!(it.switch.outcomes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn many_threads_find_one_probe() {
        let it = Tried::new();
        for _ in 0..50 {
            it.open();
            it.clock.advance(OPEN_FOR);
            let (start, ready) = (std::sync::Barrier::new(4), std::sync::Barrier::new(4));
            let probes: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            let probe = it.admit();
                            ready.wait();
                            usize::from(probe.is_some_and(|probe| {
                                it.end(probe, Verdict::Serves);
                                true
                            }))
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!((probes, it.switch.state()), (1, CircuitState::Closed));
        }
    }
}
