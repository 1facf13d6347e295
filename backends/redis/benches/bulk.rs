//! How many keys a command should have: the speed of reading 10 000 entries of 1 KiB in chunks, and what somebody
//! else who reads single keys meanwhile has to wait. Then what Larder makes of it.
//!
//! `cargo bench -p larder-redis --bench bulk`. All take turns; the figures are medians of the rounds.

// A benchmark that cannot set itself up has nothing to measure.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesOrdered};
use larder_core::{
    Backend as _, Clock, Entry, Key,
    backend::{DeleteItem, DeleteOptions, GetOptions, SetItem, SetOptions},
    entry::{Body, Lifetime, Meta},
    key::{Namespace, StoreKey},
};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::RedisServer;
use redis::{Value, aio::MultiplexedConnection};

const KEYS: usize = 10_000;
const LEN: usize = 1024;
const ROUNDS: usize = 15;

/// Reads all keys in chunks of this size, so many chunks ahead.
async fn read_raw(connection: &MultiplexedConnection, keys: &[String], chunk: usize, ahead: usize) {
    let mut chunks = keys.chunks(chunk);
    let mut running = FuturesOrdered::new();
    loop {
        running.extend(chunks.by_ref().take(ahead - running.len()).map(|chunk| {
            let mut connection = connection.clone();
            let mut command = redis::cmd("MGET");
            command.arg(chunk);
            async move { connection.send_packed_command(&command).await.unwrap() }
        }));
        match running.next().await {
            Some(Value::Array(values)) => assert!(std::hint::black_box(values).len() <= chunk),
            Some(other) => unreachable!("{other:?}"),
            None => return,
        }
    }
}

/// Runs this while somebody else reads single keys over a connection of their own: how long it took, and what the
/// slowest hundredth of those reads had to wait.
async fn beside_reader(
    reader: &MultiplexedConnection,
    work: impl Future<Output = ()>,
) -> (Duration, Duration) {
    let done = Arc::new(AtomicBool::new(false));
    let waits = tokio::spawn({
        let (done, mut reader) = (Arc::clone(&done), reader.clone());
        async move {
            let mut waits = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let begun = Instant::now();
                reader.send_packed_command(redis::cmd("GET").arg("raw:1")).await.unwrap();
                waits.push(begun.elapsed());
            }
            waits.sort();
            waits.get(waits.len() * 99 / 100).copied().unwrap_or_default()
        }
    });
    let begun = Instant::now();
    work.await;
    let took = begun.elapsed();
    done.store(true, Ordering::Relaxed);
    (took, waits.await.unwrap())
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

fn show(name: &str, measured: &[(Duration, Duration)]) {
    let took = median(measured.iter().map(|(took, _)| *took).collect());
    let wait = median(measured.iter().map(|(_, wait)| *wait).collect());
    let speed = KEYS as f64 / took.as_secs_f64() / 1000.0;
    println!("{name:<34} {speed:>6.0} thousand keys/s; others wait {:>6.0} µs", wait.as_secs_f64() * 1e6);
}

async fn run() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connect = || client.get_multiplexed_async_connection_with_config(&config);
    let (raw, reader) = (connect().await.unwrap(), connect().await.unwrap());
    let store = RedisBackend::new(RedisConfig::new(server.url())).unwrap();

    let names: Vec<String> = (0..KEYS).map(|number| format!("raw:{number}")).collect();
    for name in &names {
        raw.clone().send_packed_command(redis::cmd("SET").arg(name).arg(vec![7; LEN])).await.unwrap();
    }
    let namespace = Namespace::new("bulk", 0).unwrap();
    let keys: Vec<Key> = (0..KEYS).map(|number| Key::new("key").part(number)).collect();
    let keys: Vec<StoreKey<'_>> = keys.iter().map(|key| StoreKey::new(&namespace, key)).collect();
    let now = Clock::system().now();
    let life = Duration::from_secs(3600);
    let entry = || {
        let body = Body::raw(vec![7; LEN].into(), 0);
        Entry::from_body(body, Meta::new(now, Lifetime::until(now.plus(life))))
    };
    let removals: Vec<DeleteItem<'_>> =
        keys.iter().map(|key| DeleteItem::new(*key, DeleteOptions::new())).collect();
    let items: Vec<SetItem<'_>> =
        keys.iter().map(|key| SetItem::new(*key, entry(), SetOptions::new(life.into()))).collect();

    let chunks: Vec<(usize, usize)> =
        [16, 64, 256, 1024, 4096].into_iter().flat_map(|chunk| [(chunk, 1), (chunk, 4)]).collect();
    let mut measured = vec![Vec::new(); chunks.len()];
    let (mut set, mut get, mut delete) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for ((chunk, ahead), measured) in chunks.iter().zip(&mut measured) {
            measured.push(beside_reader(&reader, read_raw(&raw, &names, *chunk, *ahead)).await);
        }
        set.push(beside_reader(&reader, async { drop(store.set_many(&items).await) }).await);
        get.push(
            beside_reader(&reader, async { drop(store.get_many(&keys, &GetOptions::new()).await) }).await,
        );
        delete.push(beside_reader(&reader, async { drop(store.delete_many(&removals).await) }).await);
    }
    for ((chunk, ahead), measured) in chunks.iter().zip(&measured) {
        show(&format!("redis-rs, MGET of {chunk}, {ahead} ahead"), measured);
    }
    show("RedisBackend::get_many", &get);
    show("RedisBackend::set_many", &set);
    show("RedisBackend::delete_many", &delete);
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run());
}
