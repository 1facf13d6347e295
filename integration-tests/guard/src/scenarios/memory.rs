//! A cache in this process's memory: hits, and a miss that loads.

use std::{convert::Infallible, hint::black_box};

use larder_core::{Cache, Clock, Key};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use tokio::runtime::{Builder, Runtime};

use crate::{
    Outcome,
    article::Article,
    rounds::{self, Work},
};

/// The entries that hits go to, one after the other.
const KEYS: usize = 200;
/// So many that nothing is evicted.
const CAPACITY: u64 = 50_000;

/// A runtime of the calling thread only. It looks for events when it has nothing else to do, and not also after each 61
/// polls: where a round stands in such a period would be one more thing that differs.
pub(super) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().enable_all().event_interval(u32::MAX).build()?)
}

/// What all scenarios in memory have.
struct Memory {
    runtime: Runtime,
    cache: Cache<Article>,
    keys: Vec<Key>,
}

impl Memory {
    fn new(keys: usize) -> Outcome<Self> {
        let store = QuickCacheBackend::new(QuickCacheConfig::entries(CAPACITY), Clock::system())?;
        let cache = Cache::builder(store).namespace("guard").build()?;
        let keys = (0..keys).map(|number| Key::new("article").part(number)).collect();
        Ok(Self { runtime: runtime()?, cache, keys })
    }

    fn filled() -> Outcome<Self> {
        let memory = Self::new(KEYS)?;
        memory.runtime.block_on(async {
            for (number, key) in (0..).zip(&memory.keys) {
                memory.cache.set(key, Article::new(number)).await?;
            }
            Outcome::Ok(())
        })?;
        Ok(memory)
    }
}

struct NearGet(Memory);

impl Work for NearGet {
    fn run(&mut self, calls: usize) -> Outcome {
        let Memory { runtime, cache, keys } = &self.0;
        runtime.block_on(async {
            for key in keys.iter().cycle().take(calls) {
                let found = black_box(cache).get(black_box(key)).await?;
                black_box(found.ok_or("an entry in memory is missing")?);
            }
            Ok(())
        })
    }
}

pub(super) fn near_get(_: Option<&str>) -> Outcome<Box<dyn Work>> {
    Ok(Box::new(NearGet(Memory::filled()?)))
}

struct NearGetOrLoad(Memory);

impl Work for NearGetOrLoad {
    fn run(&mut self, calls: usize) -> Outcome {
        let Memory { runtime, cache, keys } = &self.0;
        runtime.block_on(async {
            for key in keys.iter().cycle().take(calls) {
                let loader = || async { Err("a hit asks its loader") };
                black_box(black_box(cache).get_or_load(black_box(key), loader).await?);
            }
            Ok(())
        })
    }
}

pub(super) fn near_get_or_load(_: Option<&str>) -> Outcome<Box<dyn Work>> {
    Ok(Box::new(NearGetOrLoad(Memory::filled()?)))
}

struct Miss(Memory);

impl Work for Miss {
    fn make_ready(&mut self) -> Outcome {
        let Memory { runtime, cache, keys } = &self.0;
        runtime.block_on(async {
            for key in keys {
                cache.delete(key).await?;
            }
            Ok(())
        })
    }

    fn run(&mut self, calls: usize) -> Outcome {
        let Memory { runtime, cache, keys } = &self.0;
        let keys = keys.get(..calls).ok_or("a round has more calls than there are keys")?;
        runtime.block_on(async {
            for (number, key) in (0..).zip(keys) {
                let loader = move || async move { Ok::<_, Infallible>(Article::new(number)) };
                black_box(black_box(cache).get_or_load(black_box(key), loader).await?);
            }
            Ok(())
        })
    }
}

/// Every key has been there before and was removed, so that tables have the size that they keep.
pub(super) fn miss(_: Option<&str>) -> Outcome<Box<dyn Work>> {
    let mut miss = Miss(Memory::new(rounds::LONG)?);
    miss.run(rounds::LONG)?;
    Ok(Box::new(miss))
}
