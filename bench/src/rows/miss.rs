//! The row `miss`: a key that is not there, in memory, with a loader that answers at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cached::ShardedLruTtlCache;
use larder::{Cache, Key};

use crate::harness::values::expect;
use crate::harness::{Bench, Comparison, Lane, Measure, Outcome, RowDef};
use crate::peers::{self, TTL, multi_tier};

/// Few enough for every load to evict something, as in a cache that has run for a while.
const SMALL: usize = 10_000;

/// What each lane's own single flight is asked by.
const FRAMEWORKS: [&str; 4] = ["cached store", "cachet", "multi-tier-cache", "hitbox"];

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    let about =
        "a key that is not there, in a full cache of 10 000 numbers, with a loader that answers at once";
    vec![RowDef { name: "miss", about, run }]
}

/// Numbers that no call has had before.
#[derive(Default)]
struct Fresh(AtomicU64);

impl Fresh {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Relaxed)
    }

    fn key(&self) -> String {
        format!("number:{}", self.next())
    }
}

fn run(bench: &mut Bench) -> Outcome {
    let handle = bench.handle().clone();
    let builder = peers::larder::in_memory("quick-cache").set("stores.main.max_entries", SMALL);
    let ours: Cache<u64> = builder.build()?.cache("numbers")?;
    let raw: Arc<quick_cache::sync::Cache<String, u64>> = Arc::new(quick_cache::sync::Cache::new(SMALL));
    let moka: moka::future::Cache<String, u64> =
        moka::future::Cache::builder().max_capacity(SMALL as u64).time_to_live(TTL).build();
    let foyer: foyer::Cache<String, u64> = foyer::CacheBuilder::new(SMALL).build();
    let sharded = ShardedLruTtlCache::<String, u64>::builder().max_size(SMALL).ttl(TTL).build()?;
    let cachet = Arc::new(bench.block_on(async { peers::cachet::cache::<String, u64>(SMALL, true) }));
    let multi_tier = Arc::new(multi_tier::cache(SMALL)?);
    let hitbox = peers::hitbox::single_flight(SMALL);

    let fresh = Arc::new(Fresh::default());
    // All keys are new, so that there is nothing to pick.
    let picks: Arc<[u32]> = [0].into();
    // One task: what a miss costs, not how misses get in each other's way.
    macro_rules! lane {
        ($name:expr, |$cache:ident, $fresh:ident| $call:expr) => {{
            let ($cache, fresh) = ($cache.clone(), fresh.clone());
            Lane::tasks($name, 1, &handle, None, picks.clone(), move |_| {
                let ($cache, $fresh) = ($cache.clone(), fresh.clone());
                async move {
                    expect($call);
                }
            })
        }};
    }
    let lanes = vec![
        lane!("larder", |ours, fresh| {
            let key = Key::new("number").part(fresh.next());
            ours.get_or_load(&key, || async { Ok::<_, Infallible>(1) }).await.is_ok()
        })
        .ours(),
        lane!("quick_cache", |raw, fresh| {
            raw.get_or_insert_async(fresh.key().as_str(), async { Ok::<_, Infallible>(1) }).await.is_ok()
        }),
        lane!("moka, get_with", |moka, fresh| moka.get_with(fresh.key(), async { 1 }).await == 1),
        lane!("foyer, get_or_fetch", |foyer, fresh| {
            foyer.get_or_fetch(fresh.key().as_str(), || async { Ok::<_, Infallible>(1_u64) }).await.is_ok()
        }),
        lane!("cached store", |sharded, fresh| sharded.get_or_set_with(fresh.key(), || 1) == 1),
        lane!("cachet", |cachet, fresh| {
            cachet.get_or_insert(fresh.key().as_str(), || async { 1_u64 }).await.is_ok()
        }),
        lane!("multi-tier-cache", |multi_tier, fresh| {
            let load = || async { Ok(1_u64) };
            multi_tier.get_or_compute_typed(&fresh.key(), multi_tier::STRATEGY, load).await.is_ok()
        }),
        lane!("hitbox", |hitbox, fresh| {
            peers::hitbox::slow(fresh.key(), Duration::ZERO).cache(&hitbox).await.is_ok()
        }),
    ];
    let compared = vec![
        Comparison::alone("time", "larder").unit("µs", 1e3),
        Comparison::alone("allocations", "larder").measure(Measure::Allocations),
        Comparison::fastest("frameworks", "larder", FRAMEWORKS),
    ];
    bench.group("one task", lanes, compared)
}
