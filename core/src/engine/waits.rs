//! Which load waits for which, in this process, whatever their caches and tasks: so that two loaders that wait for each other
//! are noticed before they hang.
//!
//! A loader runs inside a task-local that names its load. When code inside it waits for another load, that is an edge; who
//! would close a ring is told so instead. A task that a loader spawns has no such local, and what it waits for is not seen:
//! [`inherit`](crate::cache::inherit) hands it on.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};

tokio::task_local! {
    static LOADING: Arc<Node>;
}

/// Every wait of a loader for another load. There are as many as there are nested loads at the moment.
static WAITS: Mutex<Option<HashMap<u64, Vec<u64>>>> = Mutex::new(None);

/// One load, of one key or of several.
#[derive(Debug)]
pub(crate) struct Node {
    id: u64,
    /// Somebody waits for it who may have the turn that it waits for.
    hurried: Notify,
    /// When its task last gave a sign of life.
    alive: Mutex<Instant>,
}

impl Node {
    pub(crate) fn new() -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { id, hurried: Notify::new(), alive: Mutex::new(Instant::now()) })
    }

    /// Its task is still being driven.
    pub(crate) fn beat(&self) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// When its task last gave a sign of life.
    pub(crate) fn last_beat(&self) -> Instant {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the load begin without waiting for its turn.
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

/// A wait in progress; it ends with this.
#[derive(Debug)]
pub(crate) struct Wait {
    from: u64,
    to: u64,
}

impl Wait {
    /// Notes that the load whose loader this task runs, if it runs one, waits for that one.
    pub(crate) fn begin(to: &Node) -> Result<Option<Self>, Ring> {
        let Some(from) = current() else { return Ok(None) };
        let (from, to) = (from.id, to.id);
        let mut waits = lock();
        let waits = waits.get_or_insert_default();
        if reaches(waits, to, from) {
            return Err(Ring);
        }
        waits.entry(from).or_default().push(to);
        Ok(Some(Self { from, to }))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waits = lock();
        let Some(waits) = waits.as_mut() else { return };
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

fn lock() -> MutexGuard<'static, Option<HashMap<u64, Vec<u64>>>> {
    // Nothing in here can panic half-way through a change.
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
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
