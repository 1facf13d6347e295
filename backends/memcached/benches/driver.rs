//! The measurement behind `docs/decisions/0004-memcached-driver.md`: GET hits of 1 KiB through this backend, and
//! through group commit on `memcache::exp::AsyncMetaConnection::execute_batch`, side by side.
//!
//! `cargo bench -p larder-memcached` takes about two minutes. Every round measures every contender once, one after
//! the other, so that a noisy machine is noisy for all of them; printed are medians over the rounds, and the
//! medians of each round's ratio to the first contender. The names of contenders may be given as arguments.

// A measurement that cannot be made has nothing to return to.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use larder_core::{
    Backend as _, Entry, Key, Miss, Ttl,
    backend::{GetOptions, Lookup, SetOptions},
    clock::Timestamp,
    entry::{Body, Lifetime, Meta},
    envelope,
    key::{Namespace, StoreKey},
};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::MemcachedServer;
use memcache::exp::{AsyncMetaClient, AsyncMetaConnection, MetaCommand, MetaOp, MetaResponse};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

const KEYS: u64 = 1024;
const VALUE: usize = 1024;
const TASKS: [usize; 4] = [1, 8, 64, 512];
const ROUNDS: usize = 25;
const WARM_UP: Duration = Duration::from_millis(40);
const MEASURED: Duration = Duration::from_millis(150);

/// Something that can look keys up.
#[async_trait]
trait Contender: Send + Sync {
    async fn get(&self, key: &StoreKey<'_>) -> Lookup;
}

/// This crate.
#[async_trait]
impl Contender for MemcachedBackend {
    async fn get(&self, key: &StoreKey<'_>) -> Lookup {
        larder_core::Backend::get(self, key, &GetOptions::new()).await.unwrap()
    }
}

/// Some forty lines of group commit: a task takes what has gathered, sends it as one batch, and waits for all of
/// the replies before it takes more.
struct GroupCommit(Vec<mpsc::Sender<(MetaCommand, oneshot::Sender<MetaResponse>)>>);

impl GroupCommit {
    async fn new(address: &str, connections: usize) -> Self {
        let mut queues = Vec::new();
        for _ in 0..connections {
            let mut connection = AsyncMetaConnection::connect(address).await.unwrap();
            let (queue, mut asked) = mpsc::channel(4096);
            queues.push(queue);
            tokio::spawn(async move {
                let mut batch = Vec::new();
                while asked.recv_many(&mut batch, 256).await > 0 {
                    let (commands, waiting): (Vec<MetaCommand>, Vec<oneshot::Sender<MetaResponse>>) =
                        batch.drain(..).unzip();
                    let replies = connection.execute_batch(&commands).await.unwrap();
                    for (reply, waiting) in replies.into_iter().zip(waiting) {
                        let _ = waiting.send(reply);
                    }
                }
            });
        }
        Self(queues)
    }
}

#[async_trait]
impl Contender for GroupCommit {
    async fn get(&self, key: &StoreKey<'_>) -> Lookup {
        let (to, from) = oneshot::channel();
        let command = MetaCommand::new(MetaOp::Get, key.to_string()).flag("v");
        // The same hash for all contenders; it is not what is measured.
        let queue = &self.0[(key.seeded_hash() >> 32) as usize % self.0.len()];
        queue.send((command, to)).await.unwrap();
        match from.await.unwrap().into_value() {
            Some(value) => envelope::read(key, &Bytes::from(value)).into(),
            None => Lookup::Miss(Miss::Absent),
        }
    }
}

/// The pool of connections that `memcache` itself offers.
struct Pool(AsyncMetaClient);

#[async_trait]
impl Contender for Pool {
    async fn get(&self, key: &StoreKey<'_>) -> Lookup {
        match self.0.get(key.to_string()).send().await.unwrap().value {
            Some(value) => envelope::read(key, &Bytes::from(value)).into(),
            None => Lookup::Miss(Miss::Absent),
        }
    }
}

struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    /// Time of processors for each request, in microseconds: this process's, and the server's.
    client: f64,
    server: f64,
}

/// How long all threads of a process have been running, in microseconds. Steadier than the clock on the wall
/// where other programs run as well. Zero where there is no Linux.
fn processor_time(pid: u32) -> f64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1000.0
}

/// So many tasks, each looking up one key after the other.
async fn measure(
    contender: &Arc<dyn Contender>,
    namespace: &Namespace,
    tasks: usize,
    server: u32,
) -> Figures {
    let processors = || (processor_time(std::process::id()), processor_time(server));
    let counting = Arc::new(AtomicBool::new(false));
    let over = Arc::new(AtomicBool::new(false));
    let mut running = Vec::new();
    for task in 0..tasks as u64 {
        let (contender, namespace) = (Arc::clone(contender), namespace.clone());
        let (counting, over) = (Arc::clone(&counting), Arc::clone(&over));
        running.push(tokio::spawn(async move {
            let keys: Vec<Key> = (0..KEYS).map(key).collect();
            let mut next = task * 37;
            let mut latencies = Vec::with_capacity(1 << 16);
            while !over.load(Ordering::Relaxed) {
                let key = StoreKey::new(&namespace, &keys[(next % KEYS) as usize]);
                next += 1;
                let begun = Instant::now();
                let found = contender.get(&key).await;
                let took = begun.elapsed();
                assert!(found.entry().is_some());
                if counting.load(Ordering::Relaxed) {
                    latencies.push(took);
                }
            }
            latencies
        }));
    }
    tokio::time::sleep(WARM_UP).await;
    let before = processors();
    counting.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    tokio::time::sleep(MEASURED).await;
    counting.store(false, Ordering::Relaxed);
    let took = begun.elapsed();
    let after = processors();
    over.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for task in running {
        latencies.extend(task.await.unwrap());
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    let requests = latencies.len() as f64;
    Figures {
        per_second: requests / took.as_secs_f64(),
        p50: at(50),
        p99: at(99),
        client: (after.0 - before.0) / requests,
        server: (after.1 - before.1) / requests,
    }
}

fn key(n: u64) -> Key {
    Key::new("user").part(n)
}

async fn fill(address: &str, namespace: &Namespace) {
    let store = MemcachedBackend::new(MemcachedConfig::new([address])).unwrap();
    for n in 0..KEYS {
        let bytes = Bytes::from(vec![b'v'; VALUE]);
        let body = Body::raw(bytes, 0);
        let meta = Meta::new(Timestamp::from_millis(0), Lifetime::until(Timestamp::NEVER));
        let entry = Entry::from_body(body, meta);
        assert!(
            store
                .set(&StoreKey::new(namespace, &key(n)), &entry, &SetOptions::new(Ttl::Never))
                .await
                .unwrap()
                .took_place()
        );
    }
}

fn own(address: &str, connections: usize) -> Arc<dyn Contender> {
    let mut config = MemcachedConfig::new([address]);
    config.connections = connections;
    Arc::new(MemcachedBackend::new(config).unwrap())
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let server = MemcachedServer::start();
    let address = server.address();
    let pid = server.pid().unwrap();
    let namespace = Namespace::new("bench", 0).unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(fill(&address, &namespace));
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let contenders: Vec<(&str, Arc<dyn Contender>)> = runtime.block_on(async {
        let mut contenders: Vec<(&str, Arc<dyn Contender>)> = vec![
            ("larder-memcached", own(&address, 1)),
            ("larder-memcached x2", own(&address, 2)),
            ("group-commit", Arc::new(GroupCommit::new(&address, 1).await)),
            ("group-commit x2", Arc::new(GroupCommit::new(&address, 2).await)),
            ("pool", Arc::new(Pool(AsyncMetaClient::connect(&*address).await.unwrap()))),
        ];
        contenders.retain(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| name == wanted));
        contenders
    });
    for tasks in TASKS {
        let mut rounds: Vec<Vec<Figures>> = Vec::new();
        for _ in 0..ROUNDS {
            let mut round = Vec::new();
            for (_, contender) in &contenders {
                round.push(runtime.block_on(measure(contender, &namespace, tasks, pid)));
            }
            rounds.push(round);
        }
        println!("{tasks} tasks{:19} thousand/s  ratio  p50 µs  p99 µs  client µs  server µs", "");
        for (n, (name, _)) in contenders.iter().enumerate() {
            let of = |figure: &dyn Fn(&Vec<Figures>) -> f64| median(rounds.iter().map(figure).collect());
            let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
            println!(
                "  {name:24} {:10.1}  {:5.2} {:7.0} {:7.0} {:10.2} {:10.2}",
                of(&|round| round[n].per_second) / 1000.0,
                of(&|round| round[n].per_second / round[0].per_second),
                of(&|round| micros(round[n].p50)),
                of(&|round| micros(round[n].p99)),
                of(&|round| round[n].client),
                of(&|round| round[n].server),
            );
        }
    }
}
