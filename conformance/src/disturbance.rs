//! How long the machine held everything up while a case watched the clock. A case that depends on a span of real time can
//! tell with it whether what it saw says anything: a store is not wrong because nobody ran for a second.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use larder_core::{
    Backend, Key,
    backend::GetOptions,
    key::{Namespace, StoreKey},
};
use tokio::task::JoinHandle;

/// So many keys are asked for that each server of a small ring has one of them: any of them may be what holds a case up.
const KEYS: usize = 16;

/// A task that asks the store for keys that are not there, again and again, and keeps the longest time between two answers:
/// what holds up the runtime's tasks shows in it as much as what holds up the store's server.
pub(crate) struct Disturbance {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

struct Seen {
    last: Instant,
    longest: Duration,
}

impl Seen {
    fn look(&mut self, now: Instant) -> Duration {
        self.longest = self.longest.max(now.saturating_duration_since(self.last));
        self.last = now;
        self.longest
    }
}

impl Disturbance {
    /// Begins to watch, and asks this often.
    pub(crate) fn watch(store: Arc<dyn Backend>, namespace: Namespace, every: Duration) -> Self {
        let seen = Arc::new(Mutex::new(Seen { last: Instant::now(), longest: Duration::ZERO }));
        let watched = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let keys: Vec<Key> =
                (0..KEYS).map(|number| Key::new(format!("nothing is ever here, {number}"))).collect();
            let keys: Vec<_> = keys.iter().map(|key| StoreKey::new(&namespace, key)).collect();
            loop {
                tokio::time::sleep(every).await;
                // What it answers does not matter, only that it does.
                drop(store.get_many(&keys, &GetOptions::new()).await);
                lock(&watched).look(Instant::now());
            }
        });
        Self { seen, task }
    }

    /// The longest time without an answer so far, the present moment included.
    pub(crate) fn longest(&self) -> Duration {
        lock(&self.seen).look(Instant::now())
    }
}

impl Drop for Disturbance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    // Nothing in here can panic half-way through a change.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use larder_core::backend::NullBackend;

    use super::*;

    fn watch() -> Disturbance {
        let namespace = Namespace::new("n", 0).unwrap();
        Disturbance::watch(Arc::new(NullBackend::new()), namespace, Duration::from_millis(1))
    }

    #[tokio::test]
    async fn a_runtime_that_is_held_is_seen() {
        let disturbance = watch();
        tokio::time::sleep(Duration::from_millis(20)).await;
        std::thread::sleep(Duration::from_millis(300));
        assert!(disturbance.longest() >= Duration::from_millis(300), "{:?}", disturbance.longest());
    }
}
