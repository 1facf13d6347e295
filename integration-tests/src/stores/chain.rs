//! Chains: each store in memory in front of each store, and two in front of a ring. The suite makes chains of its own of the same
//! parts, as other processes would have them.

use std::sync::Arc;

use larder_conformance::{NearCopies, Store, Suite, Time};
use larder_core::{Backend, Chain, Clock};
use larder_test_servers::RedisServer;

use super::{
    Subject,
    lazily::Lazily,
    memcached::{self, Servers},
    memory::{moka, quick_cache},
    redis,
};

/// A tier, or a store in memory.
type Memory = fn(Clock) -> Arc<dyn Backend>;

const MOKA: Memory = |clock| Arc::new(moka(clock));
const QUICK_CACHE: Memory = |clock| Arc::new(quick_cache(clock));

pub(super) fn subjects() -> Vec<Subject> {
    let redis = Lazily::new(RedisServer::start);
    let memcached: Lazily<Servers> = Lazily::new(|| memcached::start(1));
    let ring: Lazily<Servers> = Lazily::new(|| memcached::start(3));
    let on_redis = |name: &str, near: Memory| {
        let redis = redis.clone();
        elsewhere(name, vec![near], move || Arc::new(redis::connect(redis.get())))
    };
    let on_memcached = |name: &str, near: Vec<Memory>, servers: &Lazily<Servers>| {
        let servers = servers.clone();
        elsewhere(name, near, move || Arc::new(memcached::connect(servers.get())))
    };
    vec![
        Subject::new("chain-moka-moka", "moka in front of another moka", |name| here(name, MOKA, MOKA)),
        Subject::new("chain-moka-quick", "moka in front of quick-cache", |name| {
            here(name, MOKA, QUICK_CACHE)
        }),
        Subject::new("chain-quick-moka", "quick-cache in front of moka", |name| {
            here(name, QUICK_CACHE, MOKA)
        }),
        Subject::new("chain-quick-quick", "quick-cache in front of another quick-cache", |name| {
            here(name, QUICK_CACHE, QUICK_CACHE)
        }),
        Subject::new("chain-moka-redis", "moka in front of a Redis", |name| on_redis(name, MOKA)),
        Subject::new("chain-quick-redis", "quick-cache in front of a Redis", |name| {
            on_redis(name, QUICK_CACHE)
        }),
        Subject::new("chain-moka-memcached", "moka in front of a Memcached", |name| {
            on_memcached(name, vec![MOKA], &memcached)
        }),
        Subject::new("chain-quick-memcached", "quick-cache in front of a Memcached", |name| {
            on_memcached(name, vec![QUICK_CACHE], &memcached)
        }),
        Subject::new("chain-ring", "moka and quick-cache in front of three Memcached", |name| {
            on_memcached(name, vec![MOKA, QUICK_CACHE], &ring)
        }),
    ]
}

/// In front of a store in memory, which the processes of a case share all the same.
fn here(name: &str, near: Memory, far: Memory) -> Suite {
    Suite::new(name, move |clock| {
        let far = far(clock.clone());
        store(vec![near], move || Arc::clone(&far), &clock)
    })
}

/// In front of a server, to which each process has a connection of its own.
fn elsewhere(
    name: &str,
    near: Vec<Memory>,
    connect: impl Fn() -> Arc<dyn Backend> + Clone + Send + Sync + 'static,
) -> Suite {
    Suite::new(name, move |clock: Clock| store(near.clone(), connect.clone(), &clock)).time(Time::Real)
}

fn store(
    near: Vec<Memory>,
    connect: impl Fn() -> Arc<dyn Backend> + Send + Sync + 'static,
    clock: &Clock,
) -> Store {
    Store::new(chain(&near, connect(), clock))
        .with_chain(move |_| connect(), move |far, copies, clock| chain_of(&near, far, copies, &clock))
}

fn chain(near: &[Memory], far: Arc<dyn Backend>, clock: &Clock) -> Chain<Arc<dyn Backend>> {
    near.iter().fold(Chain::new(far, clock), |chain, tier| chain.near(tier(clock.clone())).unwrap())
}

/// The same with near copies of this kind.
fn chain_of(
    near: &[Memory],
    far: Arc<dyn Backend>,
    copies: NearCopies,
    clock: &Clock,
) -> Chain<Arc<dyn Backend>> {
    let mut chain = chain(near, far, clock).ttl_without_bus(copies.ttl_without_bus);
    if let Some(ttl) = copies.ttl {
        chain = chain.near_ttl(ttl).unwrap();
    }
    if copies.listens { chain } else { chain.without_bus() }
}
