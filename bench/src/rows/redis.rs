//! The row `redis`: reads and writes of a Redis server on this machine, through Larder, frameworks, clients, and clients
//! made by hand as the limit.
//!
//! One connection each, with default settings: Larder's deadline of 50 ms, redis-rs's response timeout of 500 ms. Keys are
//! built for each operation. redis-rs needs its connection mutable, so it is cloned for each operation, as services and all
//! the frameworks on it do; that is about 0.1 µs of it.

mod hitbox;
pub(crate) mod lanes;
pub(crate) mod peers;
pub(crate) mod values;
// Here and not in `main.rs`, since only the rows with servers use it.
#[path = "../wire/mod.rs"]
pub(crate) mod wire;

use std::sync::Arc;

use bytes::Bytes;
use hitbox_backend::format::{BincodeFormat, Format, JsonFormat};
use larder::{Cache, Key};
use larder_test_servers::RedisServer;

use self::hitbox::Hitbox;
use self::lanes::{Done, Lanes};
use self::peers::{Framework, Larders, Raw};
use self::values::{TTL, bytes, fill, item, key, picks, right, whole};
use self::wire::RedisClient;
use crate::harness::values::Item;
use crate::harness::{Bench, Comparison, Measure, Outcome, RowDef, Server};

const OURS: &str = "larder";
const RAW: &str = "redis-rs";
const LIMIT: &str = "hand-made, collecting";
const CACHED: &str = "cached";
const MULTI_TIER: &str = "multi-tier-cache";
const HITBOX: &str = "hitbox (bincode)";
const HITBOX_JSON: &str = "hitbox";
const FRAMEWORKS: [&str; 3] = [CACHED, MULTI_TIER, HITBOX];

/// Tasks that read at once.
const READERS: [usize; 4] = [1, 8, 64, 256];
/// Tasks that write at once.
const WRITERS: [usize; 2] = [8, 64];

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    vec![RowDef {
        name: "redis",
        about: "hits and writes of a Redis on this machine, 1 KiB among 10 000 keys, by 1 to 256 tasks on 2 workers",
        run,
    }]
}

fn run(bench: &mut Bench) -> Outcome {
    let redis = RedisServer::builder().try_start()?;
    let pid = redis.pid().ok_or("the server has ended")?;
    let everything = bench.block_on(Everything::connect(&redis)).map_err(|why| why.to_string())?;
    bench.block_on(everything.fill()).map_err(|why| why.to_string())?;
    let row = Row { everything, server: Server::of(pid), picks: picks() };
    for tasks in READERS {
        row.read_bytes(bench, tasks)?;
    }
    for tasks in READERS {
        row.read_msgpack(bench, tasks)?;
    }
    bench.left_out("cached, struct as JSON", "it writes MessagePack and nothing else");
    for tasks in READERS {
        row.read_json(bench, tasks)?;
    }
    for tasks in WRITERS {
        row.write_bytes(bench, tasks)?;
    }
    for tasks in WRITERS {
        row.write_msgpack(bench, tasks)?;
    }
    Ok(())
}

/// Everyone who takes part, connected.
struct Everything {
    larder: Larders,
    raw: Raw,
    fred: fred::clients::Client,
    plain: Arc<RedisClient>,
    collecting: Arc<RedisClient>,
    frameworks: Vec<Framework>,
    hitbox: Hitbox<BincodeFormat>,
    hitbox_json: Hitbox<JsonFormat>,
}

struct Row {
    everything: Everything,
    server: Server,
    picks: Arc<[u32]>,
}

impl Everything {
    async fn connect(redis: &RedisServer) -> Done<Self> {
        let (url, address) = (redis.url(), redis.address());
        Ok(Self {
            larder: Larders::connect(url)?,
            raw: Raw::connect(url).await?,
            fred: peers::fred(url).await?,
            plain: Arc::new(RedisClient::connect(&address, false).await?),
            collecting: Arc::new(RedisClient::connect(&address, true).await?),
            frameworks: Framework::connect_all(url).await?,
            hitbox: Hitbox::connect(url, 0, BincodeFormat)?,
            // The keys are the same, so it has a database of its own.
            hitbox_json: Hitbox::connect(url, 1, JsonFormat)?,
        })
    }

    async fn fill(&self) -> Done {
        let by_hand = Arc::clone(&self.plain);
        let put = move |part: &'static str, encode: fn(u32) -> Done<Bytes>| {
            let by_hand = Arc::clone(&by_hand);
            fill(move |id| {
                let by_hand = Arc::clone(&by_hand);
                async move { Ok(by_hand.set(key(part, id).as_bytes(), &encode(id)?, TTL).await?) }
            })
        };
        put("bytes", |id| Ok(bytes(id))).await?;
        put("msgpack", |id| Ok(rmp_serde::to_vec_named(item(id))?.into())).await?;
        put("json", |id| Ok(serde_json::to_vec(item(id))?.into())).await?;
        let larder = self.larder.clone();
        fill(move |id| {
            let larder = larder.clone();
            async move { larder.fill(id).await }
        })
        .await?;
        for framework in &self.frameworks {
            let framework = framework.clone();
            fill(move |id| {
                let framework = framework.clone();
                async move { framework.set(id, item(id)).await }
            })
            .await?;
        }
        let (hitbox, hitbox_json) = (self.hitbox.clone(), self.hitbox_json.clone());
        fill(move |id| {
            let (hitbox, hitbox_json) = (hitbox.clone(), hitbox_json.clone());
            async move {
                hitbox.load(id).await?;
                hitbox_json.load(id).await
            }
        })
        .await
    }
}

impl Row {
    fn lanes(&self, bench: &Bench, tasks: usize) -> Lanes {
        Lanes::new(bench, tasks, self.server, &self.picks)
    }

    fn read_bytes(&self, bench: &mut Bench, tasks: usize) -> Outcome {
        let mut lanes = self.lanes(bench, tasks);
        let all = &self.everything;
        let larder = all.larder.bytes.clone();
        lanes.add_ours(OURS, move |id| {
            let larder = larder.clone();
            async move { whole(larder.get(&Key::new("item").part(id)).await?.as_deref()) }
        });
        let raw = all.raw.clone();
        lanes.add(RAW, move |id| {
            let raw = raw.clone();
            async move { whole(raw.get(key("bytes", id)).await?) }
        });
        let fred = all.fred.clone();
        lanes.add("fred", move |id| {
            let fred = fred.clone();
            async move { whole(peers::fred_get(&fred, key("bytes", id)).await?) }
        });
        for (name, client) in [("hand-made", &all.plain), (LIMIT, &all.collecting)] {
            let client = Arc::clone(client);
            lanes.add(name, move |id| {
                let client = Arc::clone(&client);
                async move { whole(client.get(key("bytes", id).as_bytes()).await?) }
            });
        }
        let mut compared = vec![throughput(format!("bytes.{tasks}"), OURS, RAW)];
        compared.push(throughput(format!("limit.{tasks}"), LIMIT, RAW));
        compared.push(throughput(format!("bytes-limit.{tasks}"), OURS, LIMIT));
        for (name, measure) in
            [("p99", Measure::P99), ("client-cpu", Measure::ClientCpu), ("server-cpu", Measure::ServerCpu)]
        {
            let name = format!("bytes-{name}.{tasks}");
            compared.push(Comparison::ratio(name, OURS, RAW).measure(measure).unit("µs", 1000.0));
        }
        lanes.measure(bench, &format!("GET of bytes, {}", counted(tasks)), compared)
    }

    fn read_msgpack(&self, bench: &mut Bench, tasks: usize) -> Outcome {
        let mut lanes = self.lanes(bench, tasks);
        let all = &self.everything;
        read_items(&mut lanes, all.larder.msgpack.clone());
        let raw = all.raw.clone();
        lanes.add("redis-rs and rmp-serde", move |id| {
            let raw = raw.clone();
            async move {
                let value = raw.get(key("msgpack", id)).await?;
                let item: Option<Item> = value.map(|value| rmp_serde::from_slice(&value)).transpose()?;
                right(id, item.as_ref())
            }
        });
        for framework in all.frameworks.iter().filter(|framework| !framework.is_json()) {
            read_framework(&mut lanes, framework.clone());
        }
        read_hitbox(&mut lanes, HITBOX, all.hitbox.clone());
        let compared = vec![
            throughput(format!("struct-raw.{tasks}"), OURS, "redis-rs and rmp-serde"),
            Comparison::fastest(format!("struct.{tasks}"), OURS, FRAMEWORKS)
                .measure(Measure::Throughput)
                .unit("k/s", 1000.0),
        ];
        lanes.measure(bench, &format!("struct as MessagePack, {}", counted(tasks)), compared)
    }

    fn read_json(&self, bench: &mut Bench, tasks: usize) -> Outcome {
        let mut lanes = self.lanes(bench, tasks);
        let all = &self.everything;
        read_items(&mut lanes, all.larder.json.clone());
        let raw = all.raw.clone();
        lanes.add("redis-rs and serde_json", move |id| {
            let raw = raw.clone();
            async move {
                let value = raw.get(key("json", id)).await?;
                let item: Option<Item> = value.map(|value| serde_json::from_slice(&value)).transpose()?;
                right(id, item.as_ref())
            }
        });
        for framework in all.frameworks.iter().filter(|framework| framework.is_json()) {
            read_framework(&mut lanes, framework.clone());
        }
        read_hitbox(&mut lanes, HITBOX_JSON, all.hitbox_json.clone());
        let compared = vec![
            throughput(format!("json-raw.{tasks}"), OURS, "redis-rs and serde_json"),
            Comparison::fastest(format!("json.{tasks}"), OURS, [MULTI_TIER, HITBOX_JSON])
                .measure(Measure::Throughput)
                .unit("k/s", 1000.0),
        ];
        lanes.measure(bench, &format!("struct as JSON, {}", counted(tasks)), compared)
    }

    fn write_bytes(&self, bench: &mut Bench, tasks: usize) -> Outcome {
        let mut lanes = self.lanes(bench, tasks);
        let all = &self.everything;
        let larder = all.larder.bytes.clone();
        lanes.add_ours(OURS, move |id| {
            let larder = larder.clone();
            async move { Ok(larder.set(&Key::new("item").part(id), bytes(id)).await?) }
        });
        let raw = all.raw.clone();
        lanes.add(RAW, move |id| {
            let raw = raw.clone();
            async move { raw.set(key("bytes", id), &bytes(id)).await }
        });
        let fred = all.fred.clone();
        lanes.add("fred", move |id| {
            let fred = fred.clone();
            async move { peers::fred_set(&fred, key("bytes", id), bytes(id)).await }
        });
        let client = Arc::clone(&all.plain);
        lanes.add("hand-made", move |id| {
            let client = Arc::clone(&client);
            async move { Ok(client.set(key("bytes", id).as_bytes(), &bytes(id), TTL).await?) }
        });
        let compared = vec![
            throughput(format!("set.{tasks}"), OURS, RAW),
            throughput(format!("set-limit.{tasks}"), OURS, "hand-made"),
        ];
        lanes.measure(bench, &format!("SET of bytes, {}", counted(tasks)), compared)
    }

    fn write_msgpack(&self, bench: &mut Bench, tasks: usize) -> Outcome {
        let mut lanes = self.lanes(bench, tasks);
        let all = &self.everything;
        let larder = all.larder.msgpack.clone();
        lanes.add_ours(OURS, move |id| {
            let larder = larder.clone();
            async move { Ok(larder.set(&Key::new("item").part(id), item(id).clone()).await?) }
        });
        let raw = all.raw.clone();
        lanes.add("redis-rs and rmp-serde", move |id| {
            let raw = raw.clone();
            async move { raw.set(key("msgpack", id), &rmp_serde::to_vec_named(item(id))?).await }
        });
        for framework in all.frameworks.iter().filter(|framework| !framework.is_json()) {
            let framework = framework.clone();
            let name = framework.name();
            lanes.add(name, move |id| {
                let framework = framework.clone();
                async move { framework.set(id, item(id)).await }
            });
        }
        let compared = vec![
            throughput(format!("set-struct-raw.{tasks}"), OURS, "redis-rs and rmp-serde"),
            Comparison::fastest(format!("set-struct.{tasks}"), OURS, [CACHED, MULTI_TIER])
                .measure(Measure::Throughput)
                .unit("k/s", 1000.0),
        ];
        lanes.measure(bench, &format!("set of the struct as MessagePack, {}", counted(tasks)), compared)
    }
}

fn read_items(lanes: &mut Lanes, cache: Cache<Item>) {
    lanes.add_ours(OURS, move |id| {
        let cache = cache.clone();
        async move { right(id, cache.get(&Key::new("item").part(id)).await?.as_deref()) }
    });
}

fn read_framework(lanes: &mut Lanes, framework: Framework) {
    let name = framework.name();
    lanes.add(name, move |id| {
        let framework = framework.clone();
        async move { right(id, framework.get(id).await?.as_ref()) }
    });
}

fn read_hitbox<F: Format + Send + Sync + 'static>(lanes: &mut Lanes, name: &str, hitbox: Hitbox<F>) {
    lanes.add(name, move |id| {
        let hitbox = hitbox.clone();
        async move { hitbox.hit(id).await }
    });
}

/// Operations a second, ours over theirs.
pub(crate) fn throughput(name: impl Into<String>, ours: &str, theirs: &str) -> Comparison {
    Comparison::ratio(name, ours, theirs).measure(Measure::Throughput).unit("k/s", 1000.0)
}

/// `1 task`, `8 tasks`.
pub(crate) fn counted(tasks: usize) -> String {
    if tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") }
}
