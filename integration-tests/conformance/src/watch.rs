//! The suite watches its own run: cases that hold up every thread of the runtime make other cases, which keep real time,
//! fail for nothing. A run in which that happens fails, and says which cases were running.
//!
//! A task of the runtime counts, and a thread beside the runtime looks at the count in turns of its own. A machine that is
//! busy with something else delays both; only where the thread has had many turns while the task had none was the runtime
//! held by its own work.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::runtime::Handle;

/// A turn of the thread, and a step of the task.
const TURN: Duration = Duration::from_millis(5);

/// So many turns in a row without a step are a stall: a quarter of a second on a quiet machine. Cases that keep real time
/// have margins of twice that and more.
const MOST: u32 = 50;

/// A time in which no task of the runtime ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stall {
    turns: u32,
    /// The cases that were running.
    cases: BTreeSet<String>,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases: Vec<&str> = self.cases.iter().map(String::as_str).collect();
        let time = TURN * self.turns;
        write!(f, "no task ran for {time:?} or longer, while these cases were running: {}", cases.join(", "))
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
        let over = Arc::new(AtomicBool::new(false));
        let (stepping, ended) = (Arc::clone(&steps), Arc::clone(&over));
        runtime.spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                stepping.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(TURN).await;
            }
        });
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || look(&steps, &ended, &running));
        Self { over, thread }
    }

    /// The stalls since it began.
    pub(crate) fn end(self) -> Vec<Stall> {
        self.over.store(true, Ordering::Relaxed);
        // The thread neither panics nor can it be cancelled.
        self.thread.join().unwrap_or_default()
    }
}

fn look(steps: &AtomicU64, over: &AtomicBool, running: &Running) -> Vec<Stall> {
    let mut stalls = Vec::new();
    let (mut last, mut silent) = (0, 0);
    let mut during = BTreeSet::new();
    while !over.load(Ordering::Relaxed) {
        thread::sleep(TURN);
        let now = steps.load(Ordering::Relaxed);
        if now == last {
            silent += 1;
            if silent == MOST {
                during = running.names();
            }
            continue;
        }
        if silent >= MOST {
            stalls.push(Stall { turns: silent, cases: std::mem::take(&mut during) });
        }
        (last, silent) = (now, 0);
    }
    stalls
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
        runtime.block_on(tokio::time::sleep(TURN * 4));
        drop(before);
        let guards: Vec<_> = (0..threads).map(|number| running.begin(format!("case {number}"))).collect();
        let holding: Vec<_> =
            guards.iter().map(|_| runtime.spawn(async move { thread::sleep(time) })).collect();
        for held in holding {
            runtime.block_on(held).unwrap();
        }
        runtime.block_on(tokio::time::sleep(TURN * 4));
        watch.end()
    }

    #[test]
    fn a_runtime_that_is_held_names_the_cases_that_ran() {
        let stalls = hold(2, TURN * MOST * 3);
        assert_eq!(stalls.len(), 1, "{stalls:?}");
        assert_eq!(stalls[0].cases, ["case 0", "case 1"].map(String::from).into());
        assert!(stalls[0].to_string().ends_with("running: case 0, case 1"), "{}", stalls[0]);
    }

    #[test]
    fn one_thread_that_is_free_is_enough() {
        assert_eq!(hold(1, TURN * MOST * 3), []);
    }
}
