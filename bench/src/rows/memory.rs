//! The row `memory`: what an entry weighs on the heap beside what it holds.

use std::any::Any;
use std::sync::Arc;

use larder::{Cache, Key, Larder};
use tokio::runtime::Handle;

use crate::harness::alloc::allocated;
use crate::harness::{Bench, Comparison, Lane, Measure, Outcome, RowDef, Sample};
use crate::peers::{self, CAPACITY, TTL, multi_tier};

/// How many entries are weighed.
const ENTRIES: u32 = 50_000;

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    let about = "heap bytes an entry: a number under a key of two parts, 50 000 of them, tables included; the figure is the bytes an entry";
    vec![RowDef { name: "memory", about, run }]
}

/// A lane whose figure is the bytes an entry of what `fill` gives back.
fn lane<'a>(name: &str, fill: impl Fn() -> Outcome<Box<dyn Any>> + 'a) -> Lane<'a> {
    Lane::new(name, move |entries| {
        let before = allocated();
        let filled = fill();
        let bytes = allocated().since(before).live();
        // A lane that could not be filled has no figure, and so no comparison.
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let figure = filled.is_ok().then(|| bytes as f64 / entries as f64);
        drop(filled);
        Sample { operations: entries, figure, ..Sample::default() }
    })
    .fixed(u64::from(ENTRIES))
}

fn larder(handle: &Handle, backend: &str, tags: &[&str]) -> Outcome<Box<dyn Any>> {
    let larder: Larder = peers::larder::in_memory(backend).build()?;
    let cache: Cache<u64> = larder.cache("numbers")?;
    handle.block_on(async {
        for id in 0..ENTRIES {
            let key = Key::new("item").part(id);
            cache.at(&key).tags(tags.iter().copied()).set(u64::from(id)).await?;
        }
        Outcome::Ok(())
    })?;
    Ok(Box::new((larder, cache)))
}

fn run(bench: &mut Bench) -> Outcome {
    let handle = bench.handle().clone();
    let key = |id: u32| format!("item:{id}");
    let lanes = vec![
        lane("quick_cache", || {
            let cache: quick_cache::sync::Cache<String, Arc<u64>> = quick_cache::sync::Cache::new(CAPACITY);
            (0..ENTRIES).for_each(|id| cache.insert(key(id), Arc::new(u64::from(id))));
            Ok(Box::new(cache))
        }),
        lane("larder", || larder(&handle, "quick-cache", &[])).ours(),
        lane("larder, 1 tag", || larder(&handle, "quick-cache", &["fruit"])).ours(),
        lane("larder, 3 tags", || larder(&handle, "quick-cache", &["fruit", "orchard-7", "autumn"])).ours(),
        lane("moka", || {
            let cache: moka::sync::Cache<String, Arc<u64>> =
                moka::sync::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(TTL).build();
            (0..ENTRIES).for_each(|id| cache.insert(key(id), Arc::new(u64::from(id))));
            cache.run_pending_tasks();
            Ok(Box::new(cache))
        }),
        lane("larder on moka", || larder(&handle, "moka", &[])).ours(),
        lane("foyer", || {
            let cache: foyer::Cache<String, Arc<u64>> = foyer::CacheBuilder::new(CAPACITY).build();
            (0..ENTRIES).for_each(|id| drop(cache.insert(key(id), Arc::new(u64::from(id)))));
            Ok(Box::new(cache))
        }),
        lane("cached store", || {
            let cache = cached::ShardedLruTtlCache::<String, Arc<u64>>::builder();
            let cache = cache.max_size(2 * CAPACITY).ttl(TTL).build()?;
            (0..ENTRIES).for_each(|id| drop(cache.set(key(id), Arc::new(u64::from(id)))));
            Ok(Box::new(cache))
        }),
        lane("cachet", || {
            handle.block_on(async {
                let cache = peers::cachet::large::<Arc<u64>>(true);
                for id in 0..ENTRIES {
                    cache.insert(key(id), Arc::new(u64::from(id))).await?;
                }
                Ok(Box::new(cache) as Box<dyn Any>)
            })
        }),
        lane("multi-tier-cache", || {
            handle.block_on(async {
                let cache = multi_tier::cache(CAPACITY)?;
                for id in 0..ENTRIES {
                    let load = || async { Ok(u64::from(id)) };
                    cache.get_or_compute_typed(&key(id), multi_tier::STRATEGY, load).await?;
                }
                Ok(Box::new(cache) as Box<dyn Any>)
            })
        }),
    ];
    let beyond = |name: &str, ours, theirs| {
        Comparison::difference(name, ours, theirs).measure(Measure::Figure).unit("B", 1.0)
    };
    let compared = vec![
        beyond("entry", "larder", "quick_cache"),
        beyond("entry.1-tag", "larder, 1 tag", "quick_cache"),
        beyond("entry.3-tags", "larder, 3 tags", "quick_cache"),
        beyond("entry.moka", "larder on moka", "moka"),
    ];
    bench.group("an entry", lanes, compared)
}
