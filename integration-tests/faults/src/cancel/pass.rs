//! Many tasks that read, some of which go away.

use std::{fmt, sync::Arc, time::Duration};

use larder_core::{Backend, Cache, Fetched, Key, Result, cache::Policy, layer::Deadline};
use loading_trials::random::Random;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::polls::Polls;
use crate::{Outcome, report::DEADLINE, row::Row, worker::Kinds};

const KEYS: u64 = 256;
const TASKS: u64 = 64;
const TTL: Duration = Duration::from_hours(1);
/// More polls than a read in this company ever takes to be answered.
const MOST_POLLS: u64 = 4;
/// Longer than an answer takes, sometimes.
const MOST_PATIENCE: Duration = Duration::from_micros(400);
/// After a failure: a store that is being connected to again answers at once that it is not there.
const AFTER_FAILURE: Duration = Duration::from_millis(5);
/// A task whose reads fail this often for each that it is to make gives up.
const MOST_FAILURES: u64 = 20;

/// What came of reads.
#[derive(Debug, Default, Clone)]
pub(super) struct Sum {
    /// Reads that did not fail.
    pub(super) gets: u64,
    /// Dropped before they were answered.
    dropped: u64,
    hits: u64,
    misses: u64,
    failed: u64,
    /// Answers that are of another key.
    pub(super) wrong: u64,
    /// Entries of another key that were recognised as such, and counted as misses.
    foreign: u64,
    /// Connections that were opened after the first ones, where that can be counted.
    pub(super) reconnected: u64,
    example: Option<String>,
}

impl Sum {
    pub(super) fn add(&mut self, other: &Self) {
        self.gets += other.gets;
        self.dropped += other.dropped;
        self.hits += other.hits;
        self.misses += other.misses;
        self.failed += other.failed;
        self.wrong += other.wrong;
        self.foreign += other.foreign;
        self.reconnected += other.reconnected;
        self.example = self.example.take().or_else(|| other.example.clone());
    }

    /// What is not as it must be.
    pub(super) fn problems(&self, is_disturbed: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if self.wrong > 0 {
            problems.push(format!(
                "{} answers of other keys: {}",
                self.wrong,
                self.example.as_deref().unwrap_or("")
            ));
        }
        if self.foreign > 0 && !is_disturbed {
            problems.push(format!("{} entries of other keys, recognised in time", self.foreign));
        }
        if is_disturbed && self.foreign + self.failed + self.reconnected == 0 {
            problems.push("no disturbance had an effect: nothing was tried".to_owned());
        }
        // Reads that are never answered show nothing.
        if self.hits < self.gets / 20 || self.dropped < self.gets / 20 {
            problems.push(format!(
                "only {} hits and {} dropped: too few to show anything",
                self.hits, self.dropped
            ));
        }
        problems
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gets, dropped, hits, misses, failed, wrong, foreign, reconnected, .. } = self;
        write!(
            f,
            "{gets} gets: {dropped} dropped, {hits} hits, {misses} misses ({foreign} of other keys), {wrong} wrong; and {failed} that failed; \
             {reconnected} reconnected"
        )
    }
}

/// A store with all keys in it.
pub(super) struct Pass {
    cache: Cache<Row>,
    kinds: Arc<Kinds>,
    seed: u64,
}

impl Pass {
    pub(super) async fn prepare(backend: Arc<dyn Backend>, seed: u64) -> Outcome<Self> {
        let kinds = Arc::new(Kinds::default());
        let store = Deadline::new(backend, "tried", DEADLINE);
        let cache = Cache::builder(store).namespace("cancel").policy(Policy::new(TTL));
        let cache = cache.listener(Arc::clone(&kinds)).build()?;
        for number in 0..KEYS {
            write(&cache, number).await?;
        }
        Ok(Self { cache, kinds, seed })
    }

    /// Makes this many reads, and checks every answer.
    pub(super) async fn run(self, gets: u64) -> Outcome<Sum> {
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let share = gets / TASKS + u64::from(task < gets % TASKS);
            tasks.spawn(read(self.cache.clone(), Random::of_task(self.seed, 0, task), share));
        }
        let mut sum = Sum::default();
        while let Some(found) = tasks.join_next().await {
            sum.add(&found?);
        }
        sum.foreign = self.kinds.foreign();
        Ok(sum)
    }
}

/// Writes a key, with patience: the machine may be busy.
async fn write(cache: &Cache<Row>, number: u64) -> Outcome {
    let mut result = Ok(());
    for _ in 0..50 {
        result = cache.set(&Row::key(number), Row::new(number, 0)).await;
        if result.is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(result?)
}

async fn read(cache: Cache<Row>, mut random: Random, gets: u64) -> Sum {
    let keys: Vec<Key> = (0..KEYS).map(Row::key).collect();
    let mut sum = Sum::default();
    while sum.gets < gets && sum.failed < gets * MOST_FAILURES {
        let number = random.below(KEYS);
        let Some(key) = usize::try_from(number).ok().and_then(|number| keys.get(number)) else { continue };
        let get = cache.get(key);
        let answer = match random.below(4) {
            0 | 1 => Polls::new(get, random.below(MOST_POLLS)).await,
            2 => {
                let micros = u64::try_from(MOST_PATIENCE.as_micros()).unwrap_or(u64::MAX);
                timeout(Duration::from_micros(random.below(micros)), get).await.ok()
            }
            _ => Some(get.await),
        };
        if sum.count(number, answer) {
            sleep(AFTER_FAILURE).await;
        }
    }
    sum
}

impl Sum {
    /// Counts an answer; whether it was a failure.
    fn count(&mut self, number: u64, answer: Option<Result<Option<Fetched<Row>>>>) -> bool {
        match answer {
            None => self.dropped += 1,
            Some(Ok(None)) => self.misses += 1,
            Some(Ok(Some(row))) if row.key == number => self.hits += 1,
            Some(Ok(Some(row))) => {
                self.wrong += 1;
                self.example = Some(format!("key {number} got the row of key {}", row.key));
            }
            Some(Err(_)) => {
                self.failed += 1;
                return true;
            }
        }
        self.gets += 1;
        false
    }
}
