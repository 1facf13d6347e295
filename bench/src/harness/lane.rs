//! A lane: one way of doing the same work. It is given a number of operations and says what they cost.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::alloc::{Allocated, allocated_here};
use super::cpu::Server;
use super::sample::{Meter, Sample};

/// How many single latencies a turn of a lane on threads takes, beside the operations that it counts.
const LATENCIES: usize = 4_000;

/// One of the ways that a group compares.
pub(crate) struct Lane<'a> {
    /// Unique in its group.
    pub(crate) name: String,
    /// Whether it is Larder.
    pub(crate) ours: bool,
    /// A number of operations that is not to be calibrated.
    pub(crate) fixed: Option<u64>,
    /// Does so many operations.
    pub(crate) run: Box<dyn FnMut(u64) -> Sample + 'a>,
}

impl<'a> Lane<'a> {
    /// A lane that measures its own turn, usually with [`Sample::of`].
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut(u64) -> Sample + 'a) -> Self {
        Self { name: name.into(), ours: false, fixed: None, run: Box::new(run) }
    }

    /// One that is Larder.
    pub(crate) fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    /// Always given this number of operations.
    pub(crate) fn fixed(mut self, operations: u64) -> Self {
        self.fixed = Some(operations);
        self
    }

    /// Threads that work side by side, each driving its own future to the end: for what answers from memory.
    ///
    /// The body does one operation for each number it is given, in a loop of its own, so that nothing of the harness lies
    /// between two operations. The numbers are `picks`, and every thread starts at another place in them. Afterwards,
    /// outside the measured time, some operations are timed one by one for the p99.
    pub(crate) fn threads(
        name: impl Into<String>,
        threads: usize,
        handle: &Handle,
        picks: Arc<[u32]>,
        body: impl AsyncFn(&[u32]) + Send + Sync + 'a,
    ) -> Self {
        let handle = handle.clone();
        let offset = AtomicUsize::new(0);
        Self::new(name, move |operations| {
            let each = usize::try_from(operations).unwrap_or(usize::MAX).div_ceil(threads);
            // Starting and ending threads is not measured: all are there before the meter starts and until it stops.
            let (ready, done) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
            let sample = thread::scope(|scope| {
                let one = |start| {
                    let (handle, body, picks, ready, done) = (&handle, &body, &picks, &ready, &done);
                    move || {
                        handle.block_on(async {
                            ready.wait();
                            let finished = Finished(done);
                            let before = allocated_here();
                            in_pieces(picks, start, each, body).await;
                            let allocated = allocated_here().since(before);
                            drop(finished);
                            allocated
                        })
                    }
                };
                let starts = (0..threads).map(|_| offset.fetch_add(7919, Relaxed) % picks.len());
                let running: Vec<_> = starts.map(|start| scope.spawn(one(start))).collect();
                let meter = Meter::start(None);
                ready.wait();
                done.wait();
                let mut sample = meter.stop((each * threads) as u64);
                // Only what these threads have allocated: the runtime's workers and other lanes' upkeep is not theirs.
                let each =
                    running.into_iter().map(|thread| thread.join().unwrap_or_else(|why| resume_unwind(why)));
                sample.allocated = each.fold(Allocated::default(), Allocated::plus);
                sample
            });
            let start = offset.fetch_add(7919, Relaxed) % picks.len();
            let mut latencies = handle.block_on(one_by_one(&picks, start, &body));
            sample.with_latencies(&mut latencies)
        })
    }

    /// The same on the thread that measures, always one and the same: for what keeps something by thread.
    pub(crate) fn here(
        name: impl Into<String>,
        handle: &Handle,
        picks: Arc<[u32]>,
        body: impl AsyncFn(&[u32]) + 'a,
    ) -> Self {
        let handle = handle.clone();
        let mut start = 0;
        Self::new(name, move |operations| {
            let count = usize::try_from(operations).unwrap_or(usize::MAX);
            start = (start + 7919) % picks.len();
            Sample::of(operations, None, || handle.block_on(in_pieces(&picks, start, count, &body)))
        })
    }

    /// Tasks on the runtime's workers, each doing one operation after the other and timing each: for what asks a server.
    pub(crate) fn tasks<F, Fut>(
        name: impl Into<String>,
        tasks: usize,
        handle: &Handle,
        server: Option<Server>,
        picks: Arc<[u32]>,
        operation: F,
    ) -> Self
    where
        F: Fn(u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let handle = handle.clone();
        let operation = Arc::new(operation);
        let offset = AtomicUsize::new(0);
        Self::new(name, move |operations| {
            let each = usize::try_from(operations).unwrap_or(usize::MAX).div_ceil(tasks);
            let meter = Meter::start(server);
            let mut latencies = handle.block_on(async {
                let running: Vec<_> = (0..tasks)
                    .map(|_| {
                        let (operation, picks) = (operation.clone(), picks.clone());
                        let start = offset.fetch_add(7919, Relaxed) % picks.len();
                        tokio::spawn(async move {
                            let mut latencies = Vec::with_capacity(each);
                            for pick in picks.iter().cycle().skip(start).take(each) {
                                let begun = Instant::now();
                                operation(*pick).await;
                                latencies.push(begun.elapsed());
                            }
                            latencies
                        })
                    })
                    .collect();
                let mut all = Vec::with_capacity(each * tasks);
                for task in running {
                    // A lane whose operation panics has no figures worth having; the panic goes on here.
                    match task.await {
                        Ok(latencies) => all.extend(latencies),
                        Err(error) => resume_unwind(error.into_panic()),
                    }
                }
                all
            });
            meter.stop((each * tasks) as u64).with_latencies(&mut latencies)
        })
    }
}

/// Waits for the others when it is dropped, so that a thread that panics does not leave them waiting.
struct Finished<'b>(&'b Barrier);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// So many operations from `start` on, in pieces as long as `picks` allows.
async fn in_pieces(picks: &[u32], start: usize, mut left: usize, body: &impl AsyncFn(&[u32])) {
    let mut from = start;
    while left > 0 {
        let piece = left.min(picks.len() - from);
        body(&picks[from..from + piece]).await;
        left -= piece;
        from = (from + piece) % picks.len();
    }
}

async fn one_by_one(picks: &[u32], start: usize, body: &impl AsyncFn(&[u32])) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(LATENCIES);
    for place in 0..LATENCIES {
        let from = (start + place) % picks.len();
        let begun = Instant::now();
        body(&picks[from..=from]).await;
        latencies.push(begun.elapsed());
    }
    latencies
}
