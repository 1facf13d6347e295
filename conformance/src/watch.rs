//! The suite watches its own run: cases that hold up every thread of the runtime make other cases, which keep real time,
//! fail for nothing. A run in which that happens fails, and says which cases were running.
//!
//! A task of the runtime counts, and a thread beside the runtime looks at the count. A machine that is busy with something
//! else delays the task as well, so the time for which the runtime's threads waited for a processor does not count: what
//! is left was spent working, or waiting in a call that should have been an `await`.

mod polls;
mod threads;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

pub(crate) use self::polls::Polls;
use self::threads::Threads;

/// How often the task counts, and the thread looks.
const TURN: Duration = Duration::from_millis(5);

/// A stall. Cases that keep real time have margins of twice that and more.
pub(crate) const MOST: Duration = Duration::from_millis(250);

/// After this long without a step the run is given up: something keeps the runtime's threads for ever, and no case can end.
const DEAD: Duration = Duration::from_mins(2);

/// A time in which no task of the runtime ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) time: Duration,
    /// The cases that were running.
    cases: BTreeSet<String>,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases: Vec<&str> = self.cases.iter().map(String::as_str).collect();
        let (time, cases) = (self.time, cases.join(", "));
        write!(f, "no task ran for {time:?}, while these cases were running: {cases}")
    }
}

/// The cases that run now, each under a number of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<Mutex<(u64, BTreeMap<u64, String>)>>);

impl Running {
    /// This case runs for as long as the guard is kept.
    pub(crate) fn begin(&self, case: String) -> impl Drop + use<> {
        let mut running = lock(&self.0);
        running.0 += 1;
        let number = running.0;
        running.1.insert(number, case);
        Ended(self.clone(), number)
    }

    fn names(&self) -> BTreeSet<String> {
        lock(&self.0).1.values().cloned().collect()
    }
}

struct Ended(Running, u64);

impl Drop for Ended {
    fn drop(&mut self) {
        lock(&self.0.0).1.remove(&self.1);
    }
}

/// Watches a runtime until it is asked what it has seen.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Stall>>,
}

impl Watch {
    pub(crate) fn begin(runtime: &Handle, running: Running) -> Self {
        let steps = Arc::new(AtomicU64::new(0));
        let (over, threads) = (Arc::new(AtomicBool::new(false)), Threads::default());
        let (stepping, ended, running_on) = (Arc::clone(&steps), Arc::clone(&over), threads.clone());
        runtime.spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                running_on.here();
                stepping.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(TURN).await;
            }
        });
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || look(&steps, &threads, &ended, &running));
        Self { over, thread }
    }

    /// The stalls since it began.
    pub(crate) fn end(self) -> Vec<Stall> {
        self.over.store(true, Ordering::Relaxed);
        // The thread neither panics nor can it be cancelled.
        self.thread.join().unwrap_or_default()
    }
}

fn look(steps: &AtomicU64, threads: &Threads, over: &AtomicBool, running: &Running) -> Vec<Stall> {
    let mut stalls = Vec::new();
    let mut last = Step::now(steps, threads);
    let mut during = None;
    // By how much this thread itself was late since the last step: what delays it delays the others.
    let mut late = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let before = Instant::now();
        thread::sleep(TURN);
        late += before.elapsed().saturating_sub(TURN * 2);
        if steps.load(Ordering::Relaxed) == last.number {
            if during.is_none() && last.at.elapsed() >= MOST {
                during = Some(running.names());
            }
            if last.held_until(&Step::now(steps, threads)).saturating_sub(late) >= DEAD {
                give_up(&running.names());
            }
            continue;
        }
        let next = Step::now(steps, threads);
        let late = std::mem::take(&mut late);
        if let Some(cases) = during.take() {
            let time = last.held_until(&next).saturating_sub(late);
            // What a case does alone holds up nobody.
            if time >= MOST && cases.len() > 1 {
                stalls.push(Stall { time, cases });
            }
        }
        last = next;
    }
    stalls
}

/// Nothing in this process can end what keeps the threads, so the process ends.
fn give_up(cases: &BTreeSet<String>) -> ! {
    let cases: Vec<&str> = cases.iter().map(String::as_str).collect();
    eprintln!(
        "error: the store keeps every thread of the runtime, and no task has run for {DEAD:?}; these cases were running: {}",
        cases.join(", ")
    );
    std::process::exit(1)
}

/// A step of the task, as the thread sees it.
struct Step {
    number: u64,
    at: Instant,
    /// How long each of the runtime's threads had waited for a processor by then.
    waited: BTreeMap<PathBuf, Duration>,
}

impl Step {
    fn now(steps: &AtomicU64, threads: &Threads) -> Self {
        Self { number: steps.load(Ordering::Relaxed), at: Instant::now(), waited: threads.waited() }
    }

    /// For how long all threads were held by their own work: the one that waited longest for a processor decides.
    fn held_until(&self, next: &Self) -> Duration {
        let waited = next.waited.iter().map(|(thread, waited)| {
            waited.saturating_sub(self.waited.get(thread).copied().unwrap_or(*waited))
        });
        next.at.saturating_duration_since(self.at).saturating_sub(waited.max().unwrap_or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    }

    /// Holds so many of the two threads for this long.
    fn hold(threads: usize, time: Duration) -> Vec<Stall> {
        let (runtime, running) = (runtime(), Running::default());
        let watch = Watch::begin(runtime.handle(), running.clone());
        let before = running.begin("one that has ended".into());
        runtime.block_on(async { tokio::time::sleep(TURN * 4).await });
        drop(before);
        let guards: Vec<_> = (0..threads).map(|number| running.begin(format!("case {number}"))).collect();
        let holding: Vec<_> =
            guards.iter().map(|_| runtime.spawn(async move { thread::sleep(time) })).collect();
        for held in holding {
            runtime.block_on(held).unwrap();
        }
        runtime.block_on(async { tokio::time::sleep(TURN * 4).await });
        watch.end()
    }

    #[test]
    fn a_runtime_that_is_held_names_the_cases_that_ran() {
        let stalls = hold(2, MOST * 3);
        assert_eq!(stalls.len(), 1, "{stalls:?}");
        assert_eq!(stalls[0].cases, ["case 0", "case 1"].map(String::from).into());
        assert!(stalls[0].to_string().ends_with("running: case 0, case 1"), "{}", stalls[0]);
    }

    #[test]
    fn one_thread_that_is_free_is_enough() {
        assert_eq!(hold(1, MOST * 3), []);
    }

    /// What the machine did with other programs is not the suite's doing.
    #[test]
    fn waiting_for_a_processor_does_not_count() {
        let step = |at, first: u64, second: u64| {
            let waited = [("a", first), ("b", second)];
            let waited =
                waited.map(|(thread, millis)| (PathBuf::from(thread), Duration::from_millis(millis)));
            Step { number: 0, at, waited: waited.into() }
        };
        let begun = Instant::now();
        let (before, later) = (step(begun, 100, 100), begun + Duration::from_secs(1));
        assert_eq!(before.held_until(&step(later, 100, 100)), Duration::from_secs(1));
        assert_eq!(before.held_until(&step(later, 150, 900)), Duration::from_millis(200));
    }
}
