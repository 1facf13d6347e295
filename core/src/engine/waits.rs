//! Which load waits for which, in this process, whatever their caches and tasks: so that two loaders that wait for each other
//! are noticed before they hang.
//!
//! A loader runs inside a task-local that names its load. When code inside it waits for another load, that is an edge; who
//! would close a ring is told so instead. A task that a loader spawns has no such local, and what it waits for is not seen:
//! [`inherit`](crate::cache::inherit) hands it on.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};

use crate::sync;

tokio::task_local! {
    static LOADING: Arc<Node>;
}

/// Every wait of a loader for another load, in this process.
static WAITS: LazyLock<Waits> = LazyLock::new(Waits::default);

/// One load, of one key or of several.
#[derive(Debug)]
pub(crate) struct Node {
    id: u64,
    /// When it was made.
    pub(crate) begun: Instant,
    /// Somebody waits for it who may have the permit that it waits for.
    hurried: Notify,
    /// When its task last gave a sign of life.
    alive: Mutex<Instant>,
}

impl Node {
    pub(crate) fn new() -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        Arc::new(Self { id, begun, hurried: Notify::new(), alive: Mutex::new(begun) })
    }

    /// Its task is still being driven.
    pub(crate) fn beat(&self) {
        self.beat_at(Instant::now());
    }

    /// The same for who knows what time it is.
    pub(crate) fn beat_at(&self, now: Instant) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// When its task last gave a sign of life.
    pub(crate) fn last_beat(&self) -> Instant {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the load begin without waiting for its permit.
    pub(crate) fn hurry(&self) {
        self.hurried.notify_one();
    }

    pub(crate) async fn is_hurried(&self) {
        self.hurried.notified().await;
    }
}

/// The load whose loader this task runs.
pub(crate) fn current() -> Option<Arc<Node>> {
    LOADING.try_with(Arc::clone).ok()
}

/// Whether this task runs a loader.
pub(crate) fn is_nested() -> bool {
    LOADING.try_with(|_| ()).is_ok()
}

/// Runs this as part of that load.
pub(crate) async fn within<F: Future>(load: Arc<Node>, work: F) -> F::Output {
    LOADING.scope(load, work).await
}

/// Waiting for this would be waiting for itself.
#[derive(Debug)]
pub(crate) struct Ring;

/// Which load waits for which. There are as many waits as there are nested loads at the moment.
#[derive(Debug, Default)]
struct Waits(sync::Mutex<HashMap<u64, Vec<u64>>>);

/// A wait in progress; it ends with this.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    waits: &'a Waits,
    from: u64,
    to: u64,
}

impl Waits {
    /// Notes that one waits for the other. Whether that closes a ring is looked up in the same step: of several that would close
    /// it together, the last one is reported.
    fn begin(&self, from: u64, to: u64) -> Result<Wait<'_>, Ring> {
        let mut waits = self.lock();
        if reaches(&waits, to, from) {
            return Err(Ring);
        }
        waits.entry(from).or_default().push(to);
        Ok(Wait { waits: self, from, to })
    }

    fn lock(&self) -> sync::MutexGuard<'_, HashMap<u64, Vec<u64>>> {
        // Nothing in here can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait<'static> {
    /// Notes that the load whose loader this task runs, if it runs one, waits for that one.
    pub(crate) fn begin(to: &Node) -> Result<Option<Self>, Ring> {
        let Some(from) = current() else { return Ok(None) };
        WAITS.begin(from.id, to.id).map(Some)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waits = self.waits.lock();
        let Some(targets) = waits.get_mut(&self.from) else { return };
        if let Some(place) = targets.iter().position(|target| *target == self.to) {
            targets.swap_remove(place);
        }
        if targets.is_empty() {
            waits.remove(&self.from);
        }
    }
}

fn reaches(waits: &HashMap<u64, Vec<u64>>, from: u64, to: u64) -> bool {
    let mut seen = vec![from];
    let mut next = 0;
    while let Some(node) = seen.get(next).copied() {
        if node == to {
            return true;
        }
        next += 1;
        for target in waits.get(&node).into_iter().flatten() {
            if !seen.contains(target) {
                seen.push(*target);
            }
        }
    }
    false
}

#[cfg(all(test, larder_loom))]
mod models {
    //! Loads that come to wait for each other, in every order there is.

    use loom::{sync::Arc, thread};

    use super::*;

    /// Lets each of these loads wait for the next, the last for the first, all at once; how many were told of a ring. None ends
    /// its wait before all have begun.
    fn refused(loads: u64) -> usize {
        let waits: &'static Waits = Box::leak(Box::new(Waits::default()));
        let threads: Vec<_> =
            (0..loads).map(|load| thread::spawn(move || waits.begin(load, (load + 1) % loads))).collect();
        let begun: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let refused = begun.iter().filter(|wait| wait.is_err()).count();
        drop(begun);
        assert!(waits.lock().is_empty(), "a wait that has ended is still noted");
        refused
    }

    #[test]
    fn of_two_that_wait_for_each_other_one_is_told() {
        loom::model(|| assert_eq!(refused(2), 1));
    }

    #[test]
    fn a_ring_of_three_is_closed_by_one() {
        loom::model(|| assert_eq!(refused(3), 1));
    }

    /// A wait that has ended is in nobody's way, and one that has not is.
    #[test]
    fn who_waits_after_the_other_has_stopped_is_told_nothing() {
        loom::model(|| {
            let waits: &'static Waits = Box::leak(Box::new(Waits::default()));
            let ended = Arc::new(loom::sync::atomic::AtomicBool::new(false));
            let first = {
                let ended = Arc::clone(&ended);
                thread::spawn(move || {
                    let wait = waits.begin(1, 2);
                    let was_let = wait.is_ok();
                    drop(wait);
                    ended.store(true, loom::sync::atomic::Ordering::SeqCst);
                    was_let
                })
            };
            let had_ended = ended.load(loom::sync::atomic::Ordering::SeqCst);
            let second = waits.begin(2, 1);
            if had_ended {
                assert!(second.is_ok(), "told of a ring that there was not");
            }
            let second_was_let = second.is_ok();
            drop(second);
            // Whoever came first was let; both may have been, one after the other.
            assert!(first.join().unwrap() || second_was_let);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_is_refused_and_a_line_is_not() {
        let (a, b, c) = (Node::new(), Node::new(), Node::new());
        let _a = within(Arc::clone(&a), async { Wait::begin(&b).unwrap().unwrap() }).await;
        let b_waits = within(Arc::clone(&b), async { Wait::begin(&c).unwrap().unwrap() }).await;
        assert!(within(Arc::clone(&c), async { Wait::begin(&a) }).await.is_err());
        assert!(within(Arc::clone(&a), async { Wait::begin(&a) }).await.is_err());
        drop(b_waits);
        assert!(within(c, async { Wait::begin(&a) }).await.unwrap().is_some());
        assert!(Wait::begin(&a).unwrap().is_none(), "nobody waits from outside");
    }
}
