//! The row `memcached`: reads and writes of bytes on a Memcached of this machine, through Larder, the crates for it, and a
//! pipelined client made by hand as the limit.
//!
//! Larder and the hand-made client have one connection. The other clients answer one request at a time on a connection
//! and have pools: `memcache::exp` keeps as many idle connections as there are tasks (with its default of 8 it would
//! reconnect for most requests), async-memcached has a pool of 64 made here, since it has none, and the classic
//! `memcache`, which blocks, a pool of 64 on the runtime's threads for that.

pub(crate) mod clients;

use std::sync::Arc;

use larder::Key;
use larder_test_servers::MemcachedServer;

use self::clients::Clients;
use super::redis::lanes::{Done, Lanes};
use super::redis::values::{TTL, bytes, fill, key, picks, whole};
use super::redis::{counted, throughput};
use crate::harness::{Bench, Comparison, Measure, Outcome, RowDef, Server};

const OURS: &str = "larder";
const LIMIT: &str = "hand-made";
/// Beyond what the targets ask for: the limit of the meta protocol is not that of the server.
const COLLECTING: &str = "hand-made, collecting";
const EXP: &str = "memcache::exp";

/// Tasks that read at once.
const READERS: [usize; 4] = [1, 8, 64, 256];
/// Tasks that write at once.
const WRITERS: [usize; 2] = [8, 64];

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    vec![RowDef {
        name: "memcached",
        about: "hits and writes of a Memcached on this machine, 1 KiB among 10 000 keys, by 1 to 256 tasks on 2 workers",
        run,
    }]
}

fn run(bench: &mut Bench) -> Outcome {
    let memcached = MemcachedServer::builder().memory_mb(256).try_start()?;
    let pid = memcached.pid().ok_or("the server has ended")?;
    let clients = bench.block_on(Clients::connect(&memcached.address())).map_err(|why| why.to_string())?;
    bench.block_on(filled(&clients)).map_err(|why| why.to_string())?;
    let row = Row { clients, server: Server::of(pid), picks: picks() };
    for tasks in READERS {
        row.read(bench, tasks)?;
    }
    for tasks in WRITERS {
        row.write(bench, tasks)?;
    }
    Ok(())
}

/// Puts every key where Larder looks for it, and where the others do.
pub(crate) async fn filled(clients: &Clients) -> Done {
    let (larder, by_hand) = (clients.larder.clone(), Arc::clone(&clients.by_hand));
    fill(move |id| {
        let (larder, by_hand) = (larder.clone(), Arc::clone(&by_hand));
        async move {
            larder.set(&Key::new("item").part(id), bytes(id)).await?;
            Ok(by_hand.set(key("bytes", id).as_bytes(), &bytes(id), TTL).await?)
        }
    })
    .await
}

struct Row {
    clients: Clients,
    server: Server,
    picks: Arc<[u32]>,
}

impl Row {
    fn read(&self, bench: &mut Bench, tasks: usize) -> Outcome {
        let mut lanes = Lanes::new(bench, tasks, self.server, &self.picks);
        let larder = self.clients.larder.clone();
        lanes.add_ours(OURS, move |id| {
            let larder = larder.clone();
            async move { whole(larder.get(&Key::new("item").part(id)).await?.as_deref()) }
        });
        for (name, client) in [(LIMIT, &self.clients.by_hand), (COLLECTING, &self.clients.collecting)] {
            let client = Arc::clone(client);
            lanes.add(name, move |id| {
                let client = Arc::clone(&client);
                async move { whole(client.get(key("bytes", id).as_bytes()).await?) }
            });
        }
        let client = self.clients.exp.clone();
        lanes.add(EXP, move |id| {
            let client = client.clone();
            async move { whole(client.get(key("bytes", id)).send().await?.value) }
        });
        let pool = self.clients.pool.clone();
        lanes.add("async-memcached, 64 connections", move |id| {
            let pool = pool.clone();
            async move { whole(pool.get(&key("bytes", id)).await?) }
        });
        let client = self.clients.classic.clone();
        lanes.add("memcache, blocking", move |id| {
            let client = client.clone();
            async move {
                let got = tokio::task::spawn_blocking(move || client.get::<Vec<u8>>(&key("bytes", id)));
                whole(got.await??)
            }
        });
        let compared = vec![
            throughput(format!("bytes-limit.{tasks}"), OURS, LIMIT),
            throughput(format!("bytes-collecting.{tasks}"), OURS, COLLECTING),
            throughput(format!("bytes-exp.{tasks}"), OURS, EXP),
            Comparison::ratio(format!("bytes-limit-client-cpu.{tasks}"), OURS, LIMIT)
                .measure(Measure::ClientCpu)
                .unit("µs", 1000.0),
            Comparison::ratio(format!("bytes-limit-p99.{tasks}"), OURS, LIMIT)
                .measure(Measure::P99)
                .unit("µs", 1000.0),
        ];
        lanes.measure(bench, &format!("get of bytes, {}", counted(tasks)), compared)
    }

    fn write(&self, bench: &mut Bench, tasks: usize) -> Outcome {
        let mut lanes = Lanes::new(bench, tasks, self.server, &self.picks);
        let larder = self.clients.larder.clone();
        lanes.add_ours(OURS, move |id| {
            let larder = larder.clone();
            async move { Ok(larder.set(&Key::new("item").part(id), bytes(id)).await?) }
        });
        let client = Arc::clone(&self.clients.by_hand);
        lanes.add(LIMIT, move |id| {
            let client = Arc::clone(&client);
            async move { Ok(client.set(key("bytes", id).as_bytes(), &bytes(id), TTL).await?) }
        });
        let client = self.clients.exp.clone();
        lanes.add(EXP, move |id| {
            let client = client.clone();
            async move {
                client.set(key("bytes", id), bytes(id)).ttl(clients::exp_ttl()).send().await?;
                Ok(())
            }
        });
        let pool = self.clients.pool.clone();
        lanes.add("async-memcached, 64 connections", move |id| {
            let pool = pool.clone();
            async move { pool.set(&key("bytes", id), &bytes(id)).await }
        });
        let compared = vec![
            throughput(format!("set-limit.{tasks}"), OURS, LIMIT),
            throughput(format!("set-exp.{tasks}"), OURS, EXP),
        ];
        lanes.measure(bench, &format!("set of bytes, {}", counted(tasks)), compared)
    }
}
