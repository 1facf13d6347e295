//! Lanes whose operations may fail: each is tried once before it is measured, and what fails meanwhile is counted.
//!
//! A lane that cannot do the work is left out with its reason. One that fails now and then (a deadline on a busy machine)
//! is measured, and the number of failures is noted beside the figures.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use crate::harness::{Bench, Comparison, Lane, Outcome, Server};

/// Why an operation has failed.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// What an operation of a lane returns.
pub(crate) type Done<T = ()> = Result<T, Failure>;

/// The lanes of one group.
pub(crate) struct Lanes {
    tasks: usize,
    handle: Handle,
    server: Server,
    picks: Arc<[u32]>,
    ready: Vec<Lane<'static>>,
    failures: Vec<(String, Arc<Failures>)>,
    left_out: Vec<(String, String)>,
}

/// The failed operations of a lane, and why the first of them failed.
#[derive(Default)]
struct Failures {
    count: AtomicU64,
    first: Mutex<Option<String>>,
}

impl Lanes {
    /// For operations by this many tasks at once.
    pub(crate) fn new(bench: &Bench, tasks: usize, server: Server, picks: &Arc<[u32]>) -> Self {
        Self {
            tasks,
            handle: bench.handle().clone(),
            server,
            picks: Arc::clone(picks),
            ready: Vec::new(),
            failures: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Whose processor time belongs to the lanes that are added from now on.
    pub(crate) fn of(&mut self, server: Server) {
        self.server = server;
    }

    /// Adds a lane of a peer.
    pub(crate) fn add<F, Fut>(&mut self, name: &str, operation: F)
    where
        F: Fn(u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Done> + Send + 'static,
    {
        if let Some(lane) = self.tried(name, operation) {
            self.ready.push(lane);
        }
    }

    /// Adds a lane of Larder's.
    pub(crate) fn add_ours<F, Fut>(&mut self, name: &str, operation: F)
    where
        F: Fn(u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Done> + Send + 'static,
    {
        if let Some(lane) = self.tried(name, operation) {
            self.ready.push(lane.ours());
        }
    }

    fn tried<F, Fut>(&mut self, name: &str, operation: F) -> Option<Lane<'static>>
    where
        F: Fn(u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Done> + Send + 'static,
    {
        if let Err(why) = self.handle.block_on(operation(self.picks[0])) {
            self.left_out.push((name.to_owned(), why.to_string()));
            return None;
        }
        let failures = Arc::new(Failures::default());
        self.failures.push((name.to_owned(), Arc::clone(&failures)));
        let counted = move |pick| {
            let (running, failures) = (operation(pick), Arc::clone(&failures));
            async move {
                if let Err(why) = running.await {
                    failures.count(&*why);
                }
            }
        };
        let (server, picks) = (Some(self.server), Arc::clone(&self.picks));
        Some(Lane::tasks(name, self.tasks, &self.handle, server, picks, counted))
    }

    /// Measures them, and notes what is missing or has failed.
    pub(crate) fn measure(self, bench: &mut Bench, group: &str, comparisons: Vec<Comparison>) -> Outcome {
        for (name, why) in &self.left_out {
            bench.left_out(&format!("{name}, {group}"), why);
        }
        bench.group(group, self.ready, comparisons)?;
        for (name, failures) in &self.failures {
            let count = failures.count.load(Relaxed);
            if count > 0 {
                let first = failures.first.lock().unwrap_or_else(PoisonError::into_inner);
                let first = first.as_deref().unwrap_or_default();
                bench.left_out(
                    &format!("{name}, {group}"),
                    &format!("measured, but {count} operations failed; the first: {first}"),
                );
            }
        }
        Ok(())
    }
}

impl Failures {
    fn count(&self, why: &dyn Error) {
        if self.count.fetch_add(1, Relaxed) == 0 {
            *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::RowDef;
    use crate::harness::targets::Targets;

    /// A lane that works, one that never does, and one that fails every third time after the first.
    fn run(bench: &mut Bench) -> Outcome {
        let server = Server::of(std::process::id());
        let mut lanes = Lanes::new(bench, 2, server, &Arc::from([1_u32, 2, 3]));
        lanes.add_ours("works", |_| async { Ok(()) });
        lanes.add("never works", |_| async { Err("no such command".into()) });
        let count = Arc::new(AtomicU64::new(0));
        lanes.add("fails", move |_| {
            let nth = count.fetch_add(1, Relaxed);
            async move { if nth % 3 == 2 { Err("too late".into()) } else { Ok(()) } }
        });
        lanes.measure(bench, "2 tasks", Vec::new())
    }

    #[test]
    fn a_lane_that_cannot_is_left_out_and_failures_are_noted() {
        let mut bench = Bench::new(true, Targets::default()).unwrap();
        let row = bench.row(&[&RowDef { name: "test", about: "a test", run }]);
        let measured: Vec<_> = row.groups[0].lanes.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(measured, ["works", "fails"]);
        assert_eq!(row.left_out.len(), 2, "{:?}", row.left_out);
        assert_eq!(row.left_out[0], "never works, 2 tasks: no such command");
        assert!(row.left_out[1].starts_with("fails, 2 tasks: measured, but "), "{:?}", row.left_out);
        assert!(row.left_out[1].ends_with(" operations failed; the first: too late"), "{:?}", row.left_out);
    }
}
