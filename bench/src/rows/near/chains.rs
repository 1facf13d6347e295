//! A chain in front of Redis: a near hit beside one of the near store alone, and a far hit beside one of Redis alone.

use larder::{Cache, Key, Larder, LarderBuilder};
use larder_test_servers::RedisServer;

use super::{PICKS, hits, in_words};
use crate::harness::values::{Item, KEYS, zipf};
use crate::harness::{Bench, Comparison, Lane, Measure, Outcome, Server};
use crate::peers;
use crate::rows::redis::lanes::Lanes;

/// Tasks that read far at once.
const READERS: usize = 64;
/// Near copies in the lane of far hits: so few that the next read of a key in turn never finds one.
const FEW: u32 = 100;

const NEAR: &str = "near store";
const CHAIN: &str = "chain";
const WITHOUT_BUS: &str = "chain without a bus";
const FAR: &str = "redis";

/// Measures it.
pub(super) fn measure(bench: &mut Bench) -> Outcome {
    let redis = RedisServer::builder().try_start()?;
    near_hits(bench, &redis)?;
    far_hits(bench, &redis)
}

/// A memory in front of the server, with room for so many copies.
fn chain(redis: &RedisServer, copies: u32) -> LarderBuilder {
    peers::larder::in_memory("quick-cache")
        .set("stores.main.max_entries", copies)
        .set("stores.far.backend", "redis")
        .set("stores.far.url", redis.url())
        // While it is filled, a machine that is busy otherwise must not fail it.
        .set("stores.far.deadline", "5s")
        .set("defaults.store", ["main", "far"])
}

fn near_hits(bench: &mut Bench, redis: &RedisServer) -> Outcome {
    let (picks, handle, keys) = (zipf(KEYS, PICKS, 4), bench.handle().clone(), peers::larder::keys());
    let room = u32::try_from(peers::CAPACITY)?;
    let (near, chained, without_bus) = bench.block_on(async {
        let near = filled(&peers::larder::in_memory("quick-cache").build()?, &keys).await?;
        let chained =
            filled(&chain(redis, room).set("caches.items.namespace", "chained").build()?, &keys).await?;
        let without_bus = chain(redis, room)
            .set("caches.items.namespace", "without")
            .set("defaults.near.bus", false)
            .set("defaults.near.ttl", "1h")
            .set("defaults.invalidation_lag", "1h");
        Outcome::Ok((near, chained, filled(&without_bus.build()?, &keys).await?))
    })?;
    let before = chained.stats();
    for threads in [1, 2] {
        let get = |name: &str, cache| {
            let keys = &keys;
            let body = async move |picks: &[u32]| hits(cache, keys, picks).await;
            Lane::threads(name, threads, &handle, picks.clone(), body).ours()
        };
        let lanes = vec![get(NEAR, &near), get(CHAIN, &chained), get(WITHOUT_BUS, &without_bus)];
        let share = |name: &str, ours| {
            Comparison::ratio(format!("{name}.{threads}"), ours, NEAR)
                .measure(Measure::Throughput)
                .unit("M/s", 1e6)
        };
        let compared = vec![share("chain.near", CHAIN), share("chain.near-without-bus", WITHOUT_BUS)];
        bench.group(&in_words("chain", threads), lanes, compared)?;
    }
    let after = chained.stats();
    let (hits, near) = (after.hits - before.hits, after.near_hits - before.near_hits);
    if near * 100 < hits * 99 {
        return Err(format!("of {hits} hits of the chain only {near} were near").into());
    }
    Ok(())
}

fn far_hits(bench: &mut Bench, redis: &RedisServer) -> Outcome {
    let pid = redis.pid().ok_or("the server has ended")?;
    let keys = peers::larder::keys();
    let far = peers::larder::on("redis")
        .set("stores.main.url", redis.url())
        .set("stores.main.deadline", "5s")
        .set("caches.items.namespace", "far");
    let chained = chain(redis, FEW).set("caches.items.namespace", "far-chained");
    let (far, chained) = bench.block_on(async {
        Outcome::Ok((filled(&far.build()?, &keys).await?, filled(&chained.build()?, &keys).await?))
    })?;
    // One after the other: all keys have been asked for before one is again.
    let picks = (0..KEYS).collect();
    let mut lanes = Lanes::new(bench, READERS, Server::of(pid), &picks);
    for (name, cache) in [(FAR, &far), (CHAIN, &chained)] {
        let cache = cache.clone();
        lanes.add_ours(name, move |id| {
            let cache = cache.clone();
            async move {
                crate::rows::redis::values::right(id, cache.get(&peers::larder::key(id)).await?.as_deref())
            }
        });
    }
    let compared =
        Comparison::ratio("chain.far", CHAIN, FAR).measure(Measure::Throughput).unit("k/s", 1000.0);
    lanes.measure(bench, "chain, far hits of 64 tasks", vec![compared])?;
    let counted = chained.stats();
    if counted.near_hits * 100 > counted.hits {
        return Err(
            format!("of {} far hits of the chain {} were near", counted.hits, counted.near_hits).into()
        );
    }
    Ok(())
}

/// A cache of all items, each of which has been read.
async fn filled(larder: &Larder, keys: &[Key]) -> Outcome<Cache<Item>> {
    let cache = peers::larder::filled(larder, &[]).await?;
    // The second finds them near and decodes them.
    for _ in 0..2 {
        for key in keys {
            cache.get(key).await?;
        }
    }
    Ok(cache)
}
