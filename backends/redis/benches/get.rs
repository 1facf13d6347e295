//! What Larder adds to redis-rs: one read of a struct of some 900 bytes, at 1, 8 and 64 tasks at once.
//!
//! `cargo bench -p larder-redis --bench get`. All ways take turns on one server, so that what else the machine does
//! meets them alike; the figures are medians of the rounds, and only their ratios mean much.

// A benchmark that cannot set itself up has nothing to measure.
#![allow(clippy::unwrap_used)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use larder_core::{
    Backend as _, Cache, Clock, Entry, Key,
    backend::SetOptions,
    entry::{Body, Lifetime, Meta},
    key::{Namespace, StoreKey},
    layer::Deadline,
};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::RedisServer;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(200);
const KEYS: usize = 1000;

/// What a page about an app knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct App {
    id: u64,
    name: String,
    authors: Vec<String>,
    description: String,
    price: Option<f64>,
    ratings: Vec<u32>,
    url: String,
    public: bool,
}

impl App {
    fn new(id: u64) -> Self {
        Self {
            id,
            name: format!("An app with the number {id}"),
            authors: (0..3).map(|author| format!("Author {author} of {id}")).collect(),
            description: "It does what it says, and it says it in some sentences. ".repeat(10),
            price: Some(1.99),
            ratings: (0..20).map(|stars| stars * 37 % 101).collect(),
            url: format!("https://apps.example/app/{id}"),
            public: true,
        }
    }
}

/// The ways to read, each with what it needs.
#[derive(Clone)]
enum Way {
    /// redis-rs, bytes.
    Raw(MultiplexedConnection),
    /// redis-rs, and the struct decoded by hand.
    RawDecoded(MultiplexedConnection),
    /// The backend alone.
    Backend(Arc<RedisBackend>, Namespace),
    /// The whole of Larder.
    Cache(Cache<App>),
}

impl Way {
    async fn read(&mut self, number: usize) {
        match self {
            Self::Raw(connection) => {
                let value: Bytes =
                    redis::cmd("GET").arg(format!("raw:{number}")).query_async(connection).await.unwrap();
                std::hint::black_box(value);
            }
            Self::RawDecoded(connection) => {
                let value: Bytes =
                    redis::cmd("GET").arg(format!("raw:{number}")).query_async(connection).await.unwrap();
                std::hint::black_box(rmp_serde::from_slice::<App>(&value).unwrap());
            }
            Self::Backend(backend, namespace) => {
                let key = Key::new("app").part(number);
                let found = backend
                    .get(&StoreKey::new(namespace, &key), &larder_core::backend::GetOptions::new())
                    .await
                    .unwrap();
                assert!(std::hint::black_box(found).entry().is_some());
            }
            Self::Cache(cache) => {
                let found = cache.get(&Key::new("app").part(number)).await.unwrap();
                assert!(std::hint::black_box(found).is_some());
            }
        }
    }
}

/// What one round has shown.
#[derive(Clone, Copy)]
struct Measured {
    /// Reads per second.
    speed: f64,
    /// Time of this process's processors per read, in microseconds: what is left when the machine is busy with
    /// something else.
    cost: f64,
}

/// So many tasks that read as fast as they can.
async fn measure(way: &Way, tasks: usize) -> Measured {
    let until = Instant::now() + ROUND;
    let (begun, used) = (Instant::now(), processor_time());
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let mut way = way.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while Instant::now() < until {
                    way.read((task * 7919 + count * 31) % KEYS).await;
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for task in running {
        count += task.await.unwrap();
    }
    let count = f64::from(u32::try_from(count).unwrap());
    let used = processor_time().saturating_sub(used);
    Measured { speed: count / begun.elapsed().as_secs_f64(), cost: used.as_secs_f64() * 1e6 / count }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn run() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let mut raw = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let backend = Arc::new(RedisBackend::new(RedisConfig::new(server.url())).unwrap());
    let bounded = Deadline::new(
        RedisBackend::new(RedisConfig::new(server.url())).unwrap(),
        "bench",
        Duration::from_secs(5),
    );
    let cache: Cache<App> = Cache::builder(bounded).namespace("cached").build().unwrap();
    let namespace = Namespace::new("bench", 0).unwrap();

    for number in 0..KEYS {
        let app = App::new(number as u64);
        let encoded = Bytes::from(rmp_serde::to_vec_named(&app).unwrap());
        let set: () = redis::cmd("SET")
            .arg(format!("raw:{number}"))
            .arg(&encoded[..])
            .query_async(&mut raw)
            .await
            .unwrap();
        std::hint::black_box(set);
        let key = Key::new("app").part(number);
        let now = Clock::system().now();
        let ttl = Duration::from_secs(3600).into();
        let body = Body::raw(encoded, 2);
        let entry =
            Entry::from_body(body, Meta::new(now, Lifetime::until(now.plus(Duration::from_secs(3600)))));
        assert!(
            backend
                .set(&StoreKey::new(&namespace, &key), &entry, &SetOptions::new(ttl))
                .await
                .unwrap()
                .took_place()
        );
        cache.set(&key, app).await.unwrap();
    }
    let len = rmp_serde::to_vec_named(&App::new(1)).unwrap().len();
    println!(
        "reads of {len} bytes, thousand a second, median of {ROUNDS} rounds; in brackets: of redis-rs alone"
    );

    let ways = [
        ("redis-rs, bytes", Way::Raw(raw.clone())),
        ("redis-rs and MessagePack", Way::RawDecoded(raw)),
        ("RedisBackend::get", Way::Backend(backend, namespace)),
        ("Cache::get", Way::Cache(cache)),
    ];
    for tasks in [1, 8, 64] {
        let mut measured = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for ((_, way), measured) in ways.iter().zip(&mut measured) {
                measured.push(measure(way, tasks).await);
            }
        }
        println!("{tasks} tasks");
        // Ratios of neighbours in time, and then their median: the machine's moods cancel out.
        let of = |what: fn(&Measured) -> f64, way: usize, base: usize| {
            median(
                measured[way].iter().zip(&measured[base]).map(|(way, base)| what(way) / what(base)).collect(),
            )
        };
        let all = |what: fn(&Measured) -> f64, way: usize| median(measured[way].iter().map(what).collect());
        for (index, (name, _)) in ways.iter().enumerate() {
            println!(
                "  {name:<26} {:>7.1}  [{:.2}]  {:>6.2} µs of processor",
                all(|round| round.speed, index) / 1000.0,
                of(|round| round.speed, index, 0),
                all(|round| round.cost, index),
            );
        }
        for (name, way, base) in
            [("RedisBackend::get of redis-rs, bytes", 2, 0), ("Cache::get of redis-rs and MessagePack", 3, 1)]
        {
            println!(
                "  {name}: speed {:.2}, processor {:.2}",
                of(|round| round.speed, way, base),
                of(|round| round.cost, way, base)
            );
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run());
}
