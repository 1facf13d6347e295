//! One process: readers with loaders, and writers, on caches that share a server.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use larder_core::{Cache, Chain, Clock, Key, cache::Policy, layer::Deadline};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use larder_redis::{RedisBackend, RedisConfig};
use tokio::{task::JoinSet, time::sleep};

use super::{
    asked::Asked,
    host::{Phase, Tally},
    vitals::Vitals,
};
use crate::{Outcome, fleet::Place, random::Random, wire::Client};

/// Few enough that the near tiers are full within the first minute.
const KEYS: u64 = 4000;
const ROOM: u64 = 2000;
const READERS: u64 = 32;
const WRITERS: u64 = 4;
/// Reads of one reader until it lets others run.
const BURST: u64 = 64;
/// Between two writes of a writer.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a load takes.
const LOAD: Duration = Duration::from_millis(2);
const TTL: Duration = Duration::from_secs(5);
/// What a value may be older than its TTL: a load that took long, a write that landed late, a near copy without a bus.
const LATE: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_millis(250);
const LEASE: Duration = Duration::from_secs(2);
/// How often a worker asks what to do.
const TICK: Duration = Duration::from_millis(200);

/// A value says whose it is and when it was made.
type Value = (u64, u64, u64);

/// Milliseconds of this machine's clock, which all processes share.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn sum(key: u64, made: u64) -> u64 {
    (key ^ made.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn made(key: u64) -> Value {
    let now = now();
    (key, now, sum(key, now))
}

/// Whether a read of this key may give that, now.
fn is_right(key: u64, value: &Value, now: u64) -> bool {
    let (of, made, checked) = *value;
    let limit = TTL + LATE;
    of == key
        && checked == sum(of, made)
        && made <= now + 1000
        && u128::from(now.saturating_sub(made)) <= limit.as_millis()
}

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    errors: AtomicU64,
    wrong: AtomicU64,
    writes: AtomicU64,
    unwritten: AtomicU64,
}

pub(super) async fn run(asked: &Asked, place: &Place) -> Outcome {
    let host = Client::new(place.database);
    let (counts, is_over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    // One with leases and one without, each on a store of its own.
    let caches = [caches(place, "leased", true)?, caches(place, "plain", false)?];
    let mut round = 0;
    loop {
        let mut work = JoinSet::new();
        is_over.store(false, Relaxed);
        for (of, cache) in caches.iter().enumerate() {
            for task in 0..READERS + WRITERS {
                let number = (round * 2 + of as u64) * (READERS + WRITERS) + task;
                let random = Random::of_task(asked.seed, place.index, number);
                let (cache, counts, is_over) = (cache.clone(), Arc::clone(&counts), Arc::clone(&is_over));
                if task < READERS {
                    work.spawn(read(cache, random, counts, is_over));
                } else {
                    work.spawn(write(cache, random, counts, is_over));
                }
            }
        }
        round += 1;
        phase_after(&host, Phase::Work).await?;
        is_over.store(true, Relaxed);
        while let Some(ended) = work.join_next().await {
            ended?;
        }
        drop(work);
        let next = phase_after(&host, Phase::Rest).await?;
        let mut told = vec![place.index];
        told.extend(Vitals::of_this_process()?.numbers());
        told.extend(tally(&caches, &counts).numbers());
        host.ask("told", &told).await?;
        if next == Phase::End {
            return Ok(());
        }
    }
}

/// Waits until it is another phase than this.
async fn phase_after(host: &Client, phase: Phase) -> Outcome<Phase> {
    loop {
        let now = Phase::of(host.ask_one("phase", &[]).await?);
        if now != phase {
            return Ok(now);
        }
        sleep(TICK).await;
    }
}

fn caches(place: &Place, namespace: &str, has_leases: bool) -> Outcome<Cache<Value>> {
    let clock = Clock::system();
    let redis = RedisBackend::new(RedisConfig::new(&place.server))?;
    let near = QuickCacheBackend::new(QuickCacheConfig::entries(ROOM), clock.clone())?;
    let chain = Chain::new(Deadline::new(redis, "redis", DEADLINE), &clock).near(near)?;
    let policy = has_leases.then_some(LEASE).into_iter().fold(Policy::new(TTL), Policy::lease);
    Ok(Cache::builder(chain).namespace(namespace).policy(policy).build()?)
}

fn tally(caches: &[Cache<Value>], counts: &Counts) -> Tally {
    let stats: Vec<_> = caches.iter().map(Cache::stats).collect();
    Tally {
        reads: counts.reads.load(Relaxed),
        near: stats.iter().map(|stats| stats.near_hits).sum(),
        loads: stats.iter().map(|stats| stats.loads).sum(),
        errors: counts.errors.load(Relaxed),
        wrong: counts.wrong.load(Relaxed),
        writes: counts.writes.load(Relaxed),
        unwritten: counts.unwritten.load(Relaxed),
    }
}

/// The first keys are likelier.
fn drawn(random: &mut Random) -> (u64, Key) {
    let below = 1 + random.below(KEYS);
    let number = random.below(below);
    (number, Key::new("k").part(number))
}

async fn read(cache: Cache<Value>, mut random: Random, counts: Arc<Counts>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Relaxed) {
        for _ in 0..BURST {
            let (number, key) = drawn(&mut random);
            let load = move || async move {
                sleep(LOAD).await;
                Ok::<_, Infallible>(made(number))
            };
            let answer = cache.get_or_load(&key, load).await;
            counts.reads.fetch_add(1, Relaxed);
            match answer {
                Ok(value) if is_right(number, &value, now()) => {}
                Ok(value) => {
                    eprintln!("soak: {number} gave {:?} at {}", *value, now());
                    counts.wrong.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    eprintln!("soak: {error}");
                    counts.errors.fetch_add(1, Relaxed);
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn write(cache: Cache<Value>, mut random: Random, counts: Arc<Counts>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Relaxed) {
        let (number, key) = drawn(&mut random);
        let is_written = if random.one_in(4) {
            cache.delete(&key).await.is_ok()
        } else {
            cache.set(&key, made(number)).await.is_ok()
        };
        counts.writes.fetch_add(1, Relaxed);
        counts.unwritten.fetch_add(u64::from(!is_written), Relaxed);
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_key_or_of_too_long_ago_is_wrong() {
        let value = made(7);
        let made = value.1;
        assert!(is_right(7, &value, made) && is_right(7, &value, made + 15_000));
        assert!(!is_right(8, &value, made) && !is_right(7, &value, made + 15_001));
        assert!(!is_right(7, &(7, made, value.2 + 1), made));
        assert!(!is_right(7, &(7, made + 5_000, sum(7, made + 5_000)), made));
    }
}
