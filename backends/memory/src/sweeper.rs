//! A thread that frees what has expired and nobody asks for.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// How long after its end an entry may still take memory, as long as a sweep is quick.
const PERIOD: Duration = Duration::from_secs(1);
/// A sweep is followed by a pause of so many times its own length: it takes at most 1 % of one processor.
const PAUSE: u32 = 99;

/// What can be swept.
pub(crate) trait Sweep: Send + Sync + 'static {
    /// Frees what is expired. Called from a thread of its own.
    fn sweep(&self);
}

/// A thread that sweeps, from the first time it is needed until this is dropped.
///
/// It is no task of a runtime, since a store may be made before there is one, and outlive it.
#[derive(Debug, Default)]
pub(crate) struct Sweeper {
    started: AtomicBool,
    /// Never sent on: when it is dropped, the thread ends.
    alive: OnceLock<Sender<Infallible>>,
}

impl Sweeper {
    /// Sees to it that the thread runs. Costs one load once it does.
    #[inline]
    pub(crate) fn start<T: Sweep>(&self, swept: &Arc<T>) {
        if !self.started.load(Ordering::Relaxed) {
            self.spawn(Arc::downgrade(swept));
        }
    }

    #[cold]
    fn spawn<T: Sweep>(&self, swept: Weak<T>) {
        if self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let (alive, end) = mpsc::channel();
        match thread::Builder::new().name("larder-sweeper".into()).spawn(move || run(&swept, &end)) {
            Ok(_) => drop(self.alive.set(alive)),
            // The system has no thread to give. Expired entries are still never returned, and the bound still
            // holds; the next write tries again.
            Err(_) => self.started.store(false, Ordering::Relaxed),
        }
    }
}

fn run<T: Sweep>(swept: &Weak<T>, end: &Receiver<Infallible>) {
    let mut pause = PERIOD;
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(pause) {
        let Some(swept) = swept.upgrade() else { return };
        let begun = Instant::now();
        // A value that panics when it is dropped must not end the sweeping. It was out of the store already.
        let _ = catch_unwind(AssertUnwindSafe(|| swept.sweep()));
        pause = PERIOD.max(begun.elapsed() * PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Sweep for Nothing {
        fn sweep(&self) {}
    }

    #[test]
    fn the_thread_ends_with_the_store() {
        let (alive, end) = mpsc::channel();
        let swept = Arc::new(Nothing);
        let weak = Arc::downgrade(&swept);
        let thread = thread::spawn(move || run(&weak, &end));
        let begun = Instant::now();
        drop(alive);
        thread.join().unwrap();
        assert!(begun.elapsed() < PERIOD, "it waited for its turn");
        assert_eq!(Arc::strong_count(&swept), 1);
    }
}
