//! Calls through the cache: when they begin, how long they take, and whether what they get is right.

mod tally;

use std::{
    convert::Infallible,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use larder_core::{Cache, Key, cache::Status};
use loading_trials::random::Random;
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use self::tally::Tally;
use super::{TAG, keys};
use crate::{
    fault::Work,
    report::{DEADLINE, LOADER, Report, Task},
    row::Row,
};

/// More calls than this are not under way at once: what hangs must not pile up.
const MOST_AT_ONCE: usize = 256;
/// A call that takes longer hangs.
const HANGS: Duration = Duration::from_secs(10);
/// One call in this many is for a key that nobody has asked for before, so that writes are tried as well.
const NEW_KEY: u64 = 4;
/// Which values are too large, where some are.
const TOO_LARGE: u64 = 20;
const LARGE: usize = 2 * 1024 * 1024;
/// How long the fault has been there when keys are invalidated.
const BEFORE_INVALIDATING: Duration = Duration::from_millis(300);

/// The calls of one trial.
pub(super) struct Calls {
    shared: Arc<Shared>,
}

/// What all calls share.
struct Shared {
    task: Arc<Task>,
    cache: Cache<Row>,
    keys: Vec<Key>,
    /// The version of every key's row, and the one that calls which begin now must get at least.
    version: AtomicU64,
    floor: AtomicU64,
    tally: Tally,
}

impl Calls {
    pub(super) fn new(task: Arc<Task>, cache: Cache<Row>) -> Self {
        let shared = Shared {
            cache,
            keys: keys(task.keys),
            version: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            tally: Tally::new(task.keys),
            task,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Makes the calls that are measured: one at each tick, whether the ones before have ended or not, up to a bound.
    pub(super) async fn make(&self) {
        let Task { calls, pause, keys, seed, .. } = *self.shared.task;
        let mut random = Random::of_task(seed, 0, 0);
        let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = JoinSet::new();
        for n in 0..calls {
            ticks.tick().await;
            let number = if n % NEW_KEY == 0 { keys + n } else { random.below(keys.max(1)) };
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let shared = Arc::clone(&self.shared);
            under_way.spawn(async move {
                let begun = Instant::now();
                // What a call consists of where its store does not answer: a timer, and a task with another. By how much
                // this is late is how late the machine is.
                let timer = tokio::spawn(async move {
                    sleep(DEADLINE).await;
                    // A task that only sleeps does not fail.
                    let _ = tokio::spawn(sleep(LOADER)).await;
                    begun.elapsed().saturating_sub(DEADLINE + LOADER)
                });
                let status = shared.call(number).await;
                shared.tally.took(begun.elapsed(), number, status);
                if let Ok(late) = timer.await {
                    shared.tally.late(late);
                }
                drop(place);
            });
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Reads these known keys once, side by side, and gives those that were no hits.
    pub(super) async fn missing_of(&self, numbers: Vec<u64>) -> Vec<u64> {
        let mut reads = JoinSet::new();
        for number in numbers {
            let shared = Arc::clone(&self.shared);
            reads.spawn(async move { (number, shared.call(number).await) });
        }
        let read = reads.join_all().await;
        let missing = read.into_iter().filter(|(_, status)| *status != Some(Status::Hit));
        missing.map(|(number, _)| number).collect()
    }

    /// The same for a range: how many.
    pub(super) async fn misses_of(&self, numbers: Range<u64>) -> usize {
        self.missing_of(numbers.collect()).await.len()
    }

    /// Reads every known key several times.
    pub(super) async fn read_all_known(&self) {
        for _ in 0..5 {
            self.misses_of(0..self.shared.task.keys).await;
        }
    }

    /// When the fault has been there for a moment: gives all rows another version, and invalidates their tag.
    pub(super) fn invalidate_soon(&self) -> JoinHandle<()> {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            sleep(BEFORE_INVALIDATING).await;
            let version = shared.version.fetch_add(1, Ordering::SeqCst) + 1;
            // Where it says that it did not reach every server nothing is promised yet.
            match shared.cache.invalidate_tag(TAG).await {
                Ok(()) => drop(shared.floor.fetch_max(version, Ordering::SeqCst)),
                Err(why) => shared.tally.example(format!("the tag's invalidation said: {why}")),
            }
        })
    }

    /// The fault is over: what was invalidated must not be seen again, whatever the outcome was.
    pub(super) fn promise_what_was_invalidated(&self) {
        self.shared.floor.store(self.shared.version.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// What has been measured so far.
    pub(super) fn report(&self) -> Report {
        self.shared.tally.report()
    }
}

impl Shared {
    /// One call, and what its value came from, if it got one.
    async fn call(self: &Arc<Self>, number: u64) -> Option<Status> {
        let floor = self.floor.load(Ordering::SeqCst);
        let known = usize::try_from(number).ok().and_then(|number| self.keys.get(number)).cloned();
        let key = known.unwrap_or_else(|| Row::key(number));
        let at = match self.task.work {
            Work::Invalidates => self.cache.at(&key).tag(TAG),
            _ => self.cache.at(&key),
        };
        let shared = Arc::clone(self);
        let load = move || async move { Ok::<_, Infallible>(shared.load(number).await) };
        match timeout(HANGS, at.get_or_load(load)).await {
            Err(_) => self.tally.error(format!("no answer within {HANGS:?}")),
            Ok(Err(why)) => self.tally.error(why.chain().to_string()),
            Ok(Ok(row)) => {
                let status = row.status();
                if row.key != number {
                    self.tally.wrong(format!("key {number} got the row of key {}", row.key));
                } else if row.version < floor {
                    self.tally
                        .stale(format!("key {number} got version {} ({status}) after {floor}", row.version));
                }
                return Some(status);
            }
        }
        None
    }

    /// The loader.
    async fn load(&self, number: u64) -> Row {
        let mut row = Row::new(number, self.version.load(Ordering::SeqCst));
        sleep(LOADER).await;
        // Known keys are of the usual size: they are what must go on being served.
        if self.task.work == Work::TooLarge && number >= self.task.keys && number.is_multiple_of(TOO_LARGE) {
            row.filler = "x".repeat(LARGE);
        }
        row
    }
}
