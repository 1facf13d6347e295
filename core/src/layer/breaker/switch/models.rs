//! A switch in every order that threads can meet: who opens it, who probes, and who closes it.

use std::time::Duration;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use super::{super::BreakerSettings, *};
use crate::error::{ErrorKind, Operation};

/// The shortest there is: rounded up to whole milliseconds it is the same each time, however it is shortened randomly.
const OPEN_FOR: Duration = Duration::from_millis(1);

struct Model {
    switch: Switch,
    rules: Rules,
    clock: Clock,
    /// Probes that are out now.
    probes: AtomicUsize,
}

fn fails() -> Verdict {
    Verdict::Fails(Error::new(ErrorKind::Unavailable, Operation::Get, "refused"))
}

impl Model {
    /// A switch that this many failures open.
    fn closed(failures: u32) -> Arc<Self> {
        let share = f64::from(failures) / 8.0;
        let settings = BreakerSettings::new().with_window(8).with_failures(share).with_open_for(OPEN_FOR);
        Arc::new(Self {
            switch: Switch::default(),
            rules: settings.rules(None).unwrap(),
            clock: Clock::manual().steady(),
            probes: AtomicUsize::new(0),
        })
    }

    /// One that has opened, and it is time to try.
    fn due() -> Arc<Self> {
        let it = Self::closed(1);
        assert!(matches!(it.end(it.admit().unwrap(), fails()), Some(Change::Opened(_))));
        it.clock.advance(OPEN_FOR);
        it
    }

    fn admit(&self) -> Option<Admitted<'_>> {
        self.switch.admit(&self.rules, &self.clock).ok()
    }

    fn end(&self, admitted: Admitted<'_>, verdict: Verdict) -> Option<Change> {
        admitted.ended(verdict, &self.rules, &self.clock)
    }

    /// Calls, and ends what goes through like this: whether it went through, and what that has changed. A probe is alone.
    fn call(&self, verdict: Option<Verdict>) -> (bool, Option<Change>) {
        let Some(admitted) = self.admit() else { return (false, None) };
        let is_probe = admitted.is_probe();
        if is_probe {
            assert_eq!(self.probes.fetch_add(1, SeqCst), 0, "two probes at once");
            thread::yield_now();
            self.probes.fetch_sub(1, SeqCst);
        }
        match verdict {
            Some(verdict) => (true, self.end(admitted, verdict)),
            None => {
                drop(admitted);
                (true, None)
            }
        }
    }
}

fn spawn(it: &Arc<Model>, verdict: Option<fn() -> Verdict>) -> thread::JoinHandle<(bool, Option<Change>)> {
    let it = Arc::clone(it);
    thread::spawn(move || it.call(verdict.map(|verdict| verdict())))
}

fn opens(change: Option<&Change>) -> usize {
    usize::from(matches!(change, Some(Change::Opened(_))))
}

/// However the last failures meet, one of them opens it, and it knows why.
#[test]
fn failures_that_meet_open_it_once() {
    loom::model(|| {
        let it = Model::closed(2);
        let other = spawn(&it, Some(fails));
        let (_, mine) = it.call(Some(fails()));
        let (_, others) = other.join().unwrap();
        assert_eq!(opens(mine.as_ref()) + opens(others.as_ref()), 1);
        assert_eq!(it.switch.state(), CircuitState::Open);
        assert!(it.switch.why().is_some());
        assert!(it.admit().is_none());
    });
}

/// A success beside the failure that is the last one too many: it opens, unless the success came after it.
#[test]
fn a_success_that_meets_failures_hides_none() {
    loom::model(|| {
        let it = Model::closed(2);
        it.call(Some(fails()));
        let other = spawn(&it, Some(|| Verdict::Serves));
        let (_, mine) = it.call(Some(fails()));
        other.join().unwrap();
        assert_eq!(opens(mine.as_ref()), 1);
        assert_eq!(it.switch.state(), CircuitState::Open);
    });
}

/// Of two that come when it is time, one goes through until that has closed it.
#[test]
fn of_two_that_come_when_it_is_time_one_is_the_probe() {
    loom::model(|| {
        let it = Model::due();
        let other = spawn(&it, Some(|| Verdict::Serves));
        let (went, mine) = it.call(Some(Verdict::Serves));
        let (others_went, others) = other.join().unwrap();
        assert!(went || others_went);
        let closed =
            [&mine, &others].into_iter().filter(|change| matches!(change, Some(Change::Closed(Some(_)))));
        assert_eq!(closed.count(), 1, "{mine:?}, {others:?}");
        assert_eq!(it.switch.state(), CircuitState::Closed);
        assert!(it.switch.why().is_none());
    });
}

/// A probe that is dropped is handed back: whoever meets it is refused or is the next, and whoever comes afterwards goes through.
#[test]
fn a_probe_that_is_dropped_is_left_to_the_next() {
    loom::model(|| {
        let it = Model::due();
        let other = spawn(&it, None);
        let (went, mine) = it.call(Some(Verdict::Serves));
        other.join().unwrap();
        if went {
            assert!(matches!(mine, Some(Change::Closed(_))));
        } else {
            assert_eq!(it.switch.state(), CircuitState::Open);
            assert!(matches!(it.call(Some(Verdict::Serves)), (true, Some(Change::Closed(_)))));
        }
        assert_eq!(it.switch.state(), CircuitState::Closed);
    });
}

/// A probe that fails beside another call: nobody closes it, and the next try is later.
#[test]
fn a_probe_that_fails_leaves_it_open() {
    loom::model(|| {
        let it = Model::due();
        let other = spawn(&it, Some(fails));
        let (went, _) = it.call(Some(fails()));
        let (others_went, _) = other.join().unwrap();
        assert!(went != others_went, "each of them was the probe, at the same moment");
        assert_eq!(it.switch.state(), CircuitState::Open);
        assert!(it.admit().is_none());
    });
}

/// A probe that counts as lost ends beside the one in its place: it changes nothing.
#[test]
fn a_probe_that_was_lost_says_nothing() {
    for is_good in [false, true] {
        loom::model(move || {
            let it = Model::due();
            let lost = it.admit().unwrap();
            it.clock.advance(OPEN_FOR);
            let next = spawn(&it, Some(fails));
            let verdict = if is_good { Verdict::Serves } else { Verdict::Unknown };
            let change = it.end(lost, verdict);
            let (went, _) = next.join().unwrap();
            if went && change.is_none() {
                assert_eq!(it.switch.state(), CircuitState::Open);
                assert!(it.switch.why().is_some());
            }
        });
    }
}

/// What began before it opened fails while a probe closes it: it stays closed.
#[test]
fn what_began_before_it_opened_does_not_open_what_a_probe_has_closed() {
    loom::model(|| {
        let it = Model::closed(1);
        let old = {
            let it = Arc::clone(&it);
            thread::spawn(move || {
                let Some(admitted) = it.admit() else { return false };
                let is_old = Position::of(admitted.word) == Position::Closed(0);
                it.end(admitted, fails());
                is_old
            })
        };
        it.call(Some(fails()));
        it.clock.advance(OPEN_FOR);
        let (_, change) = it.call(Some(Verdict::Serves));
        let is_old = old.join().unwrap();
        if is_old && matches!(change, Some(Change::Closed(_))) {
            assert_eq!(it.switch.state(), CircuitState::Closed);
        }
    });
}
