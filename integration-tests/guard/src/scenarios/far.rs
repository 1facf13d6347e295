//! A hit in Redis, and a write. Only this process is counted: what the server does is its own affair.

use std::{hint::black_box, time::Duration};

use larder_core::{Cache, Key, layer::Deadline};
use larder_redis::{RedisBackend, RedisConfig};
use tokio::runtime::Runtime;

use crate::{Outcome, article::Article, rounds::Work, scenarios::memory};

const KEYS: u16 = 100;
/// A timer that is set and never fires, however slow the profiler is.
const DEADLINE: Duration = Duration::from_mins(10);
/// The versions of a namespace are asked for again when they are this old: that depends on the time, so it does not
/// happen here after the first call.
const LAG: Duration = Duration::from_hours(24);

struct Get {
    runtime: Runtime,
    cache: Cache<Article>,
    keys: Vec<Key>,
}

impl Work for Get {
    fn run(&mut self, calls: usize) -> Outcome {
        let Self { runtime, cache, keys } = self;
        runtime.block_on(async {
            for key in keys.iter().cycle().take(calls) {
                let found = black_box(&*cache).get(black_box(key)).await?;
                black_box(found.ok_or("an entry in Redis is missing")?);
            }
            Ok(())
        })
    }
}

struct Set {
    runtime: Runtime,
    cache: Cache<Article>,
    keys: Vec<Key>,
}

impl Work for Set {
    fn run(&mut self, calls: usize) -> Outcome {
        let Self { runtime, cache, keys } = self;
        runtime.block_on(async {
            for (number, key) in (0..).zip(keys.iter().cycle().take(calls)) {
                black_box(&*cache).set(black_box(key), black_box(Article::new(number))).await?;
            }
            Ok(())
        })
    }
}

pub(super) fn get(redis: Option<&str>) -> Outcome<Box<dyn Work>> {
    let (runtime, cache, keys) = filled(redis)?;
    Ok(Box::new(Get { runtime, cache, keys }))
}

pub(super) fn set(redis: Option<&str>) -> Outcome<Box<dyn Work>> {
    let (runtime, cache, keys) = filled(redis)?;
    Ok(Box::new(Set { runtime, cache, keys }))
}

fn filled(redis: Option<&str>) -> Outcome<(Runtime, Cache<Article>, Vec<Key>)> {
    let mut config = RedisConfig::new(redis.ok_or("it needs the URL of a Redis")?);
    config.connect_timeout = DEADLINE.into();
    config.response_timeout = DEADLINE.into();
    let store = Deadline::new(RedisBackend::new(config)?, "redis", DEADLINE);
    let cache = Cache::builder(store).namespace("guard").invalidation_lag(LAG).build()?;
    let keys: Vec<Key> = (0..KEYS).map(|number| Key::new("article").part(number)).collect();

    let runtime = memory::runtime()?;
    runtime.block_on(async {
        for (number, key) in (0..).zip(&keys) {
            cache.set(key, Article::new(number)).await?;
        }
        Outcome::Ok(())
    })?;
    Ok((runtime, cache, keys))
}
