//! Many keys on Redis.

use std::sync::Arc;

use bytes::Bytes;
use larder::Key;
use larder_test_servers::RedisServer;
use redis::FromRedisValue;

use super::super::redis::lanes::{Done, Lanes};
use super::super::redis::peers::{Larders, Raw, millis};
use super::super::redis::throughput;
use super::super::redis::values::{TTL, bytes, fill, item, key, picks, right, whole};
use super::super::redis::wire::RedisClient;
use super::{OURS, SINGLE, all_whole, complete, ids, keys, raw_keys};
use crate::harness::values::Item;
use crate::harness::{Bench, Outcome, Server};

const RAW_SINGLE: &str = "redis-rs, a hundred calls";
const MGET: &str = "redis-rs MGET";
const PIPELINE: &str = "redis-rs pipeline";
const BY_HAND: &str = "hand-made";

struct Part {
    larder: Larders,
    raw: Raw,
    by_hand: Arc<RedisClient>,
    server: Server,
    picks: Arc<[u32]>,
}

pub(super) fn run(bench: &mut Bench) -> Outcome {
    let redis = RedisServer::builder().try_start()?;
    let pid = redis.pid().ok_or("the server has ended")?;
    let part = bench.block_on(Part::connect(&redis, Server::of(pid))).map_err(|why| why.to_string())?;
    part.get_items(bench)?;
    part.get_bytes(bench)?;
    part.set_bytes(bench)?;
    part.set_items(bench)
}

impl Part {
    async fn connect(redis: &RedisServer, server: Server) -> Done<Self> {
        let larder = Larders::connect(redis.url())?;
        let raw = Raw::connect(redis.url()).await?;
        let by_hand = Arc::new(RedisClient::connect(redis.address(), false).await?);
        let (filled, client) = (larder.clone(), Arc::clone(&by_hand));
        fill(move |id| {
            let (larder, client) = (filled.clone(), Arc::clone(&client));
            async move {
                larder.fill(id).await?;
                client.set(key("bytes", id).as_bytes(), &bytes(id), TTL).await?;
                let encoded = rmp_serde::to_vec_named(item(id))?;
                Ok(client.set(key("msgpack", id).as_bytes(), &encoded, TTL).await?)
            }
        })
        .await?;
        Ok(Self { larder, raw, by_hand, server, picks: picks() })
    }

    fn lanes(&self, bench: &Bench) -> Lanes {
        Lanes::new(bench, 1, self.server, &self.picks)
    }

    fn get_items(&self, bench: &mut Bench) -> Outcome {
        let mut lanes = self.lanes(bench);
        let cache = self.larder.msgpack.clone();
        lanes.add_ours(OURS, move |first| {
            let cache = cache.clone();
            async move {
                let found = cache.get_many(&keys(first)).await?;
                complete(found.len())?;
                ids(first).zip(found).try_for_each(|(id, found)| right(id, found?.as_deref()))
            }
        });
        let cache = self.larder.msgpack.clone();
        lanes.add_ours(SINGLE, move |first| {
            let cache = cache.clone();
            async move {
                for id in ids(first) {
                    right(id, cache.get(&Key::new("item").part(id)).await?.as_deref())?;
                }
                Ok(())
            }
        });
        let raw = self.raw.clone();
        lanes.add(RAW_SINGLE, move |first| {
            let raw = raw.clone();
            async move {
                for id in ids(first) {
                    let value = raw.clone().get(key("msgpack", id)).await?;
                    let item: Option<Item> = value.map(|value| rmp_serde::from_slice(&value)).transpose()?;
                    right(id, item.as_ref())?;
                }
                Ok(())
            }
        });
        for (name, how) in [(MGET, How::Mget), (PIPELINE, How::Pipeline)] {
            let raw = self.raw.clone();
            lanes.add(name, move |first| {
                let raw = raw.clone();
                async move {
                    let values: Vec<Option<Vec<u8>>> = many(raw, how, &raw_keys("msgpack", first)).await?;
                    complete(values.len())?;
                    for (id, value) in ids(first).zip(values) {
                        let item: Option<Item> =
                            value.map(|value| rmp_serde::from_slice(&value)).transpose()?;
                        right(id, item.as_ref())?;
                    }
                    Ok(())
                }
            });
        }
        let compared = vec![
            throughput("redis.get", OURS, SINGLE),
            // What a hundred round trips cost next to one, without Larder.
            throughput("redis.raw", MGET, RAW_SINGLE),
            throughput("redis.get-raw-struct", OURS, MGET),
            throughput("redis.get-pipeline-struct", OURS, PIPELINE),
        ];
        lanes.measure(bench, "Redis, get 100 structs as MessagePack", compared)
    }

    fn get_bytes(&self, bench: &mut Bench) -> Outcome {
        let mut lanes = self.lanes(bench);
        let cache = self.larder.bytes.clone();
        lanes.add_ours(OURS, move |first| {
            let cache = cache.clone();
            async move {
                let found: Result<Vec<_>, _> = cache.get_many(&keys(first)).await?.into_iter().collect();
                all_whole(found?.iter().map(Option::as_deref))
            }
        });
        let cache = self.larder.bytes.clone();
        lanes.add_ours(SINGLE, move |first| {
            let cache = cache.clone();
            async move {
                for id in ids(first) {
                    whole(cache.get(&Key::new("item").part(id)).await?.as_deref())?;
                }
                Ok(())
            }
        });
        for (name, how) in [(MGET, How::Mget), (PIPELINE, How::Pipeline)] {
            let raw = self.raw.clone();
            lanes.add(name, move |first| {
                let raw = raw.clone();
                async move {
                    let values: Vec<Option<Bytes>> = many(raw, how, &raw_keys("bytes", first)).await?;
                    all_whole(values)
                }
            });
        }
        let client = Arc::clone(&self.by_hand);
        lanes.add(BY_HAND, move |first| {
            let client = Arc::clone(&client);
            async move { all_whole(client.get_many(&raw_keys("bytes", first)).await?) }
        });
        let compared = vec![
            throughput("redis.get-bytes", OURS, SINGLE),
            throughput("redis.get-raw", OURS, MGET),
            throughput("redis.get-pipeline", OURS, PIPELINE),
            throughput("redis.get-limit", OURS, BY_HAND),
        ];
        lanes.measure(bench, "Redis, get 100 values of bytes", compared)
    }

    fn set_bytes(&self, bench: &mut Bench) -> Outcome {
        let mut lanes = self.lanes(bench);
        let cache = self.larder.bytes.clone();
        lanes.add_ours(OURS, move |first| {
            let cache = cache.clone();
            async move {
                let items = ids(first).map(|id| (Key::new("item").part(id), bytes(id)));
                let set: Result<Vec<()>, _> = cache.set_many(items).await?.into_iter().collect();
                complete(set?.len())
            }
        });
        let cache = self.larder.bytes.clone();
        lanes.add_ours(SINGLE, move |first| {
            let cache = cache.clone();
            async move {
                for id in ids(first) {
                    cache.set(&Key::new("item").part(id), bytes(id)).await?;
                }
                Ok(())
            }
        });
        let raw = self.raw.clone();
        lanes.add(PIPELINE, move |first| {
            let mut raw = raw.clone();
            async move {
                let mut sets = redis::pipe();
                for id in ids(first) {
                    set_one(&mut sets, key("bytes", id), &bytes(id));
                }
                Ok(sets.query_async(&mut raw.0).await?)
            }
        });
        let client = Arc::clone(&self.by_hand);
        lanes.add(BY_HAND, move |first| {
            let client = Arc::clone(&client);
            async move {
                let items: Vec<_> = ids(first).map(|id| (key("bytes", id), bytes(id))).collect();
                Ok(client.set_many(&items, TTL).await?)
            }
        });
        let compared = vec![
            throughput("redis.set", OURS, SINGLE),
            throughput("redis.set-raw", OURS, PIPELINE),
            throughput("redis.set-limit", OURS, BY_HAND),
        ];
        lanes.measure(bench, "Redis, set 100 values of bytes", compared)
    }

    fn set_items(&self, bench: &mut Bench) -> Outcome {
        let mut lanes = self.lanes(bench);
        let cache = self.larder.msgpack.clone();
        lanes.add_ours(OURS, move |first| {
            let cache = cache.clone();
            async move {
                let items = ids(first).map(|id| (Key::new("item").part(id), item(id).clone()));
                let set: Result<Vec<()>, _> = cache.set_many(items).await?.into_iter().collect();
                complete(set?.len())
            }
        });
        let raw = self.raw.clone();
        lanes.add(PIPELINE, move |first| {
            let mut raw = raw.clone();
            async move {
                let mut sets = redis::pipe();
                for id in ids(first) {
                    set_one(&mut sets, key("msgpack", id), &rmp_serde::to_vec_named(item(id))?);
                }
                Ok(sets.query_async(&mut raw.0).await?)
            }
        });
        let compared = vec![throughput("redis.set-raw-struct", OURS, PIPELINE)];
        lanes.measure(bench, "Redis, set 100 structs as MessagePack", compared)
    }
}

/// How redis-rs is asked for many keys.
#[derive(Debug, Clone, Copy)]
enum How {
    Mget,
    Pipeline,
}

async fn many<V: FromRedisValue>(mut raw: Raw, how: How, keys: &[String]) -> Done<Vec<Option<V>>> {
    Ok(match how {
        How::Mget => redis::cmd("MGET").arg(keys).query_async(&mut raw.0).await?,
        How::Pipeline => {
            let mut gets = redis::Pipeline::with_capacity(keys.len());
            for key in keys {
                gets.cmd("GET").arg(key);
            }
            gets.query_async(&mut raw.0).await?
        }
    })
}

/// Adds a `SET` with `PX`.
fn set_one(sets: &mut redis::Pipeline, key: String, value: &[u8]) {
    sets.cmd("SET").arg(key).arg(value).arg("PX").arg(millis(TTL)).ignore();
}
