//! Many keys on Memcached.

use std::sync::Arc;

use larder::Key;
use larder_test_servers::MemcachedServer;
use memcache::exp::{Get, Set};

use super::super::memcached::clients::{Clients, exp_ttl};
use super::super::memcached::filled;
use super::super::redis::lanes::Lanes;
use super::super::redis::throughput;
use super::super::redis::values::{TTL, bytes, key, picks, whole};
use super::{OURS, SINGLE, all_whole, complete, ids, keys, raw_keys};
use crate::harness::{Bench, Outcome, Server};

const BY_HAND: &str = "hand-made";
const EXP: &str = "memcache::exp, run_many";

struct Part {
    clients: Clients,
    server: Server,
    picks: Arc<[u32]>,
}

pub(super) fn run(bench: &mut Bench) -> Outcome {
    let memcached = MemcachedServer::builder().memory_mb(256).try_start()?;
    let pid = memcached.pid().ok_or("the server has ended")?;
    let clients = bench.block_on(Clients::connect(&memcached.address())).map_err(|why| why.to_string())?;
    bench.block_on(filled(&clients)).map_err(|why| why.to_string())?;
    let part = Part { clients, server: Server::of(pid), picks: picks() };
    part.get(bench)?;
    part.set(bench)
}

impl Part {
    fn get(&self, bench: &mut Bench) -> Outcome {
        let mut lanes = Lanes::new(bench, 1, self.server, &self.picks);
        let cache = self.clients.larder.clone();
        lanes.add_ours(OURS, move |first| {
            let cache = cache.clone();
            async move {
                let found: Result<Vec<_>, _> = cache.get_many(&keys(first)).await?.into_iter().collect();
                all_whole(found?.iter().map(Option::as_deref))
            }
        });
        let cache = self.clients.larder.clone();
        lanes.add_ours(SINGLE, move |first| {
            let cache = cache.clone();
            async move {
                for id in ids(first) {
                    whole(cache.get(&Key::new("item").part(id)).await?.as_deref())?;
                }
                Ok(())
            }
        });
        let client = Arc::clone(&self.clients.by_hand);
        lanes.add(BY_HAND, move |first| {
            let client = Arc::clone(&client);
            async move { all_whole(client.get_many(&raw_keys("bytes", first)).await?) }
        });
        let client = self.clients.exp.clone();
        lanes.add(EXP, move |first| {
            let client = client.clone();
            async move {
                let gets = ids(first).map(|id| Get::new(key("bytes", id)));
                let got: Result<Vec<_>, _> = client.run_many(gets).await?.into_iter().collect();
                all_whole(got?.into_iter().map(|got| got.value))
            }
        });
        let pool = self.clients.pool.clone();
        lanes.add("async-memcached, get_multi", move |first| {
            let pool = pool.clone();
            async move { all_whole(pool.get_many(&raw_keys("bytes", first)).await?) }
        });
        let compared = vec![
            throughput("memcached.get", OURS, SINGLE),
            throughput("memcached.get-raw", OURS, BY_HAND),
            throughput("memcached.get-exp", OURS, EXP),
        ];
        lanes.measure(bench, "Memcached, get 100 values of bytes", compared)
    }

    fn set(&self, bench: &mut Bench) -> Outcome {
        let mut lanes = Lanes::new(bench, 1, self.server, &self.picks);
        let cache = self.clients.larder.clone();
        lanes.add_ours(OURS, move |first| {
            let cache = cache.clone();
            async move {
                let items = ids(first).map(|id| (Key::new("item").part(id), bytes(id)));
                let set: Result<Vec<()>, _> = cache.set_many(items).await?.into_iter().collect();
                complete(set?.len())
            }
        });
        let cache = self.clients.larder.clone();
        lanes.add_ours(SINGLE, move |first| {
            let cache = cache.clone();
            async move {
                for id in ids(first) {
                    cache.set(&Key::new("item").part(id), bytes(id)).await?;
                }
                Ok(())
            }
        });
        let client = Arc::clone(&self.clients.by_hand);
        lanes.add(BY_HAND, move |first| {
            let client = Arc::clone(&client);
            async move {
                let items: Vec<_> = ids(first).map(|id| (key("bytes", id), bytes(id))).collect();
                Ok(client.set_many(&items, TTL).await?)
            }
        });
        let client = self.clients.exp.clone();
        lanes.add(EXP, move |first| {
            let client = client.clone();
            async move {
                let sets = ids(first).map(|id| Set::new(key("bytes", id), bytes(id)).ttl(exp_ttl()));
                let set: Result<Vec<_>, _> = client.run_many(sets).await?.into_iter().collect();
                complete(set?.len())
            }
        });
        let compared =
            vec![throughput("memcached.set", OURS, SINGLE), throughput("memcached.set-raw", OURS, BY_HAND)];
        lanes.measure(bench, "Memcached, set 100 values of bytes", compared)
    }
}
