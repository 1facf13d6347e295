//! What happens to the nodes while they read and write: processes that are stopped, and a bus that is cut.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::{Outcome, random::Random, store::Server};

/// While the bus is cut, those who have listened again are cut off in steps of this length.
const AGAIN: Duration = Duration::from_millis(20);

/// How often what was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) frozen: AtomicU64,
    pub(super) cut: AtomicU64,
}

/// Stops one process after the other for a while, and lets it go on. However this ends, none stays stopped.
pub(super) async fn freeze(nodes: Vec<u32>, mut random: Random, done: Arc<Done>) -> Outcome {
    loop {
        sleep(Duration::from_millis(200 + random.below(600))).await;
        let node = nodes[usize::try_from(random.below(nodes.len() as u64))?];
        // Mostly for longer than the bus may be silent.
        let time = Duration::from_millis(100 + random.below(1900));
        spawn_blocking(move || {
            let _frozen = Frozen::new(node);
            std::thread::sleep(time);
        })
        .await?;
        done.frozen.fetch_add(1, Relaxed);
    }
}

/// A process that is stopped. It goes on when this is dropped.
struct Frozen(u32);

impl Frozen {
    fn new(process: u32) -> Self {
        signal("-STOP", process);
        Self(process)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", self.0);
    }
}

/// To a process of this run's that was not waited for yet, so that its number is no other's.
fn signal(which: &str, process: u32) {
    // It may have ended.
    let _ = Command::new("kill").args([which, &process.to_string()]).output();
}

/// Cuts off everybody who listens, at random, for a moment or a while.
pub(super) async fn cut(server: Arc<Server>, mut random: Random, done: Arc<Done>) -> Outcome {
    loop {
        sleep(Duration::from_millis(100 + random.below(900))).await;
        let time = Duration::from_millis(if random.one_in(2) { 0 } else { random.below(1500) });
        let server = Arc::clone(&server);
        spawn_blocking(move || {
            let until = Instant::now() + time;
            loop {
                if let Some(redis) = server.redis() {
                    // Who listens has subscribed to something, and nobody else here has.
                    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
                }
                if Instant::now() >= until {
                    break;
                }
                std::thread::sleep(AGAIN);
            }
        })
        .await?;
        done.cut.fetch_add(1, Relaxed);
    }
}
