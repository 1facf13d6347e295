//! Virtual time: events in the order of their moments, between which all tasks run until they wait.
//!
//! Tokio's paused clock drives it in steps of a millisecond, which is as fine as tokio's timers are: what the caches do with timers
//! (deadlines, pauses, signs of life) goes by that clock. What is shorter, such as a round trip, is an event with nanoseconds.

use std::{
    cmp::Ordering,
    collections::BinaryHeap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use larder_core::Clock;
use loading_trials::Outcome;
use tokio::{
    runtime::Builder,
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};

/// Nanoseconds since the simulation began.
pub(crate) type Moment = u64;

pub(crate) const MICRO: Moment = 1_000;
pub(crate) const MILLI: Moment = 1_000 * MICRO;
pub(crate) const SECOND: Moment = 1_000 * MILLI;

/// Does something, and says whether it woke a task that is to run before the next event.
type Act = Box<dyn FnOnce() -> bool + Send>;

struct Event {
    at: Moment,
    /// Of two events of one moment the one that was planned first is first.
    number: u64,
    act: Act,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    /// A heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[derive(Default)]
struct State {
    now: Moment,
    planned: u64,
    events: BinaryHeap<Event>,
}

/// The events that are to come.
#[derive(Default)]
pub(crate) struct Kernel {
    start: OnceLock<Instant>,
    state: Mutex<State>,
}

impl Kernel {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By tokio's clock.
    fn elapsed(&self) -> Moment {
        let elapsed = self.start.get().map_or(Duration::ZERO, Instant::elapsed);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whoever runs because of an event runs at its moment. Whoever runs because of a timer does so at the beginning of the
    /// millisecond whose events come next.
    pub(crate) fn now(&self) -> Moment {
        self.state().now.max(self.elapsed().saturating_sub(MILLI))
    }

    /// Does this then. It says whether it woke a task.
    pub(crate) fn at(&self, at: Moment, act: impl FnOnce() -> bool + Send + 'static) {
        let mut state = self.state();
        let number = state.planned;
        state.planned += 1;
        state.events.push(Event { at, number, act: Box::new(act) });
    }

    /// Waits for so many nanoseconds.
    pub(crate) async fn sleep(&self, nanos: Moment) {
        self.sleep_until(self.now() + nanos).await;
    }

    pub(crate) async fn sleep_until(&self, at: Moment) {
        let (wake, woken) = oneshot::channel::<()>();
        self.at(at, move || wake.send(()).is_ok());
        // Nobody drops an event without doing it, unless everything ends.
        let _ = woken.await;
    }

    fn due(&self, until: Moment) -> Option<Act> {
        let mut state = self.state();
        if state.events.peek()?.at > until {
            return None;
        }
        let event = state.events.pop()?;
        state.now = state.now.max(event.at);
        Some(event.act)
    }

    /// All tasks wait: does what is due, up to the first event that wakes one.
    fn go_on(&self) {
        let until = self.elapsed();
        while let Some(act) = self.due(until) {
            if act() {
                return;
            }
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").finish_non_exhaustive()
    }
}

/// Runs this in virtual time, on this thread. The clock goes with it.
pub(crate) fn run<F: Future>(work: impl FnOnce(Arc<Kernel>, Clock) -> F) -> Outcome<F::Output> {
    let kernel = Arc::new(Kernel::default());
    let parked = Arc::clone(&kernel);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_park(move || parked.go_on())
        .build()?;
    Ok(runtime.block_on(async {
        let _ = kernel.start.set(Instant::now());
        let clock = Clock::manual();
        let ticking = clock.clone();
        tokio::spawn(async move {
            let step = Duration::from_millis(1);
            let mut tick = interval(step);
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            tick.tick().await;
            loop {
                tick.tick().await;
                ticking.advance(step);
            }
        });
        work(kernel, clock).await
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_in_the_order_of_their_moments_to_the_nanosecond() {
        let seen = run(|kernel, clock| async move {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let begun = clock.now();
            let tasks: Vec<_> = [1_700_001, 300, 1_700_000, 900_000]
                .into_iter()
                .map(|nanos| {
                    let (kernel, seen) = (Arc::clone(&kernel), Arc::clone(&seen));
                    tokio::spawn(async move {
                        kernel.sleep(nanos).await;
                        seen.lock().unwrap().push(kernel.now());
                        kernel.sleep(200).await;
                        seen.lock().unwrap().push(kernel.now());
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            kernel.sleep_until(20 * MILLI).await;
            assert_eq!(clock.now().since(begun).as_millis(), 20);
            seen.lock().unwrap().clone()
        })
        .unwrap();
        assert_eq!(seen, [300, 500, 900_000, 900_200, 1_700_000, 1_700_001, 1_700_200, 1_700_201]);
    }

    #[test]
    fn the_timers_of_the_runtime_go_along() {
        let moments = run(|kernel, _| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let timer = kernel.now();
            kernel.sleep(10 * MILLI).await;
            (timer, kernel.now(), kernel.elapsed())
        })
        .unwrap();
        assert!((49 * MILLI..=51 * MILLI).contains(&moments.0), "{moments:?}");
        assert_eq!(moments.1, moments.0 + 10 * MILLI);
        assert!(moments.2 >= moments.1 && moments.2 <= moments.1 + MILLI, "{moments:?}");
    }
}
