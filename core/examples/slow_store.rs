//! How long callers wait when their store is slow, in real time: `cargo run --release -p larder-core --example slow_store`.
//!
//! A store hangs, hangs in writes only, hangs when versions are read, or answers in 0.9 deadlines. Whatever it does, a call
//! with a loader takes one deadline and the loader, at most. Beside each call a bare timer of that length runs: what it is
//! late by is the machine's, and not the cache's.

use std::{collections::HashMap, convert::Infallible, sync::Mutex, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use larder_core::{
    Backend, Cache, Entry, Key, Miss, Result,
    backend::{
        Capabilities, Condition, DeleteOptions, GetOptions, Lookup, SetOptions, TouchOptions, Written,
    },
    cache::Policy,
    envelope::{self, Envelope},
    key::StoreKey,
    layer::Deadline,
};
use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_millis(50);
const LOADER: Duration = Duration::from_millis(20);
const CALLS: u64 = 1000;
/// What of a call may be neither the store's nor the loader's.
const SLACK: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy)]
enum Slow {
    Not,
    Hangs,
    HangsInWrites,
    HangsInVersionReads,
    AnswersLate,
}

/// A store of bytes that is slow in one of these ways.
#[derive(Debug)]
struct Store {
    slow: Slow,
    kept: Mutex<HashMap<String, Bytes>>,
}

impl Store {
    async fn waits(&self, key: &StoreKey<'_>, is_write: bool) {
        let hangs = match self.slow {
            Slow::Not => false,
            Slow::Hangs => true,
            Slow::HangsInWrites => is_write,
            Slow::HangsInVersionReads => !is_write && key.namespace().text().ends_with("!v"),
            Slow::AnswersLate => return tokio::time::sleep(DEADLINE.mul_f64(0.9)).await,
        };
        if hangs {
            std::future::pending::<()>().await;
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Bytes>> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn look(&self, key: &StoreKey<'_>) -> Lookup {
        match self.kept().get(&key.to_string()) {
            Some(bytes) => envelope::read(key, bytes).into(),
            None => Lookup::Miss(Miss::Absent),
        }
    }

    fn holds(&self, key: &StoreKey<'_>, condition: Condition) -> bool {
        condition.holds(self.look(key).entry().as_ref())
    }
}

#[async_trait]
impl Backend for Store {
    fn capabilities(&self) -> Capabilities {
        Capabilities::shared()
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.waits(key, false).await;
        Ok(self.look(key))
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], _: &GetOptions) -> Vec<Result<Lookup>> {
        if let Some(first) = keys.first() {
            self.waits(first, false).await;
        }
        keys.iter().map(|key| Ok(self.look(key))).collect()
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let bytes = Envelope::write(key, entry).await?.to_bytes();
        self.waits(key, true).await;
        let takes_place = self.holds(key, options.condition);
        if takes_place {
            self.kept().insert(key.to_string(), bytes);
        }
        Ok(Written::when(takes_place, entry))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.waits(key, true).await;
        Ok(self.look(key).entry().is_some_and(|entry| options.condition.holds(Some(&entry))))
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.waits(key, true).await;
        Ok(self.holds(key, options.condition) && self.kept().remove(&key.to_string()).is_some())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// The times of all calls, and by how much bare timers were late meanwhile; the shortest first. Calls begin a millisecond
/// apart, each key twice.
async fn times(slow: Slow, lease: bool, tags: bool) -> Result<[Vec<Duration>; 2]> {
    let store = Deadline::new(Store { slow, kept: Mutex::default() }, "slow", DEADLINE);
    let policy = Policy::new(Duration::from_mins(10));
    let policy = if lease { policy.lease(Duration::from_mins(1)) } else { policy };
    let cache: Cache<u64> =
        Cache::builder(store).namespace("s").policy(policy).invalidation_lag(Duration::ZERO).build()?;
    let mut calls = tokio::task::JoinSet::new();
    let mut timers = tokio::task::JoinSet::new();
    for n in 0..CALLS {
        let cache = cache.clone();
        calls.spawn(async move {
            let key = Key::new("k").part(n / 2);
            let at = if tags { cache.at(&key).tags(["a", "b"]) } else { cache.at(&key) };
            let begun = Instant::now();
            at.get_or_load(|| async {
                tokio::time::sleep(LOADER).await;
                Ok::<_, Infallible>(1)
            })
            .await
            .map(|_| begun.elapsed())
        });
        timers.spawn(async {
            let begun = Instant::now();
            tokio::time::sleep(DEADLINE + LOADER).await;
            begun.elapsed().saturating_sub(DEADLINE + LOADER)
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut times = Vec::new();
    while let Some(call) = calls.join_next().await {
        // A call neither panics nor is aborted here.
        times.extend(call.ok().transpose()?);
    }
    times.sort_unstable();
    let mut late: Vec<Duration> = timers.join_all().await;
    late.sort_unstable();
    Ok([times, late])
}

#[tokio::main]
async fn main() -> Result<()> {
    let limit = DEADLINE + LOADER + SLACK;
    println!(
        "{CALLS} calls each; deadline {DEADLINE:?}, loader {LOADER:?}; p99 at most {limit:?} and what timers are late by"
    );
    println!(
        "{:<22}{:<7}{:<7}{:>9}{:>9}{:>9}{:>13}",
        "store", "lease", "tags", "p50", "p99", "longest", "timers' p99"
    );
    for slow in [Slow::Not, Slow::Hangs, Slow::HangsInWrites, Slow::HangsInVersionReads, Slow::AnswersLate] {
        for (lease, tags) in [(false, false), (false, true), (true, false), (true, true)] {
            let [times, late] = times(slow, lease, tags).await?;
            let [p50, p99, longest] = [50, 99, 100].map(|share| part(&times, share));
            let late = part(&late, 99);
            let verdict = if p99 <= limit + late { "ok" } else { "TOO LONG" };
            let [p50, p99, longest, late] = [p50, p99, longest, late].map(|time| time.as_secs_f64() * 1e3);
            let slow = format!("{slow:?}");
            println!(
                "{slow:<22}{lease:<7}{tags:<7}{p50:>6.1} ms{p99:>6.1} ms{longest:>6.1} ms{late:>10.1} ms  {verdict}"
            );
        }
    }
    Ok(())
}

/// What so many in a hundred do not exceed.
fn part(sorted: &[Duration], share: usize) -> Duration {
    let place = (sorted.len() * share / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}
