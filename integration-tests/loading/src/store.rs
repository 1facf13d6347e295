//! The stores that loading is tried on, each with a deadline around it as it would have in a service.

pub(crate) mod faults;
pub(crate) mod member;
mod naive;

use std::time::Duration;

use larder_core::{
    Backend, Cache, Chain, Clock,
    backend::SILENCE,
    cache::{CacheBuilder, Policy, Value},
    layer::Deadline,
    settings::Span,
};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::{MemcachedRing, MemcachedServer, RedisServer};

use self::{faults::Faults, naive::Naive};
use crate::{Outcome, words::Words};

/// Longer than any run is watched: nothing expires by itself.
const TTL: Duration = Duration::from_hours(1);
/// Generous: more processes than there are processors, and all of them busy.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long near copies live.
const NEAR_TTL: Duration = Duration::from_millis(200);
/// What a busy machine may add to that.
const SLACK: Duration = Duration::from_millis(50);

/// Where the values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Redis,
    Memcached,
    /// Three Memcached that share the keys.
    Ring,
    /// One Redis, and memory before it whose copies live for a short time.
    Chain,
    /// One Redis, and memory before it whose copies live until something is heard of them.
    Bus,
    /// The same with copies that are made the naive way: whoever has read the store keeps what he read.
    Naive,
}

/// The server of a store that has one. Dropping it ends the server.
#[derive(Debug)]
pub(crate) enum Server {
    None,
    Redis(RedisServer),
    Memcached(MemcachedServer),
    Ring(Box<MemcachedRing>),
}

impl Store {
    /// The store that the value of this option names.
    pub(crate) fn asked(words: &mut Words, option: &str) -> Outcome<Self> {
        let name = words.value(option)?;
        let all = [Self::Memory, Self::Redis, Self::Memcached, Self::Ring, Self::Chain, Self::Bus];
        match all.into_iter().find(|store| store.name() == name) {
            Some(store) => Ok(store),
            None => words.refuse(format_args!("there is no store \"{name}\"")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Memcached => "memcached",
            Self::Ring => "ring",
            Self::Chain => "chain",
            Self::Bus => "bus",
            Self::Naive => "naive",
        }
    }

    /// Whether several processes can share it.
    pub(crate) fn is_shared(self) -> bool {
        self != Self::Memory
    }

    /// Whether there are near copies.
    pub(crate) fn is_chain(self) -> bool {
        matches!(self, Self::Chain | Self::Bus | Self::Naive)
    }

    /// How late another process may see a change: until its near copy has ended, or the bus counts as silent.
    pub(crate) fn late_elsewhere(self) -> Duration {
        match self {
            Self::Chain => NEAR_TTL + SLACK,
            Self::Bus | Self::Naive => NEAR_TTL.max(SILENCE) + SLACK,
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn start(self) -> Outcome<Server> {
        Ok(match self {
            Self::Memory => Server::None,
            Self::Redis | Self::Chain | Self::Bus | Self::Naive => {
                Server::Redis(RedisServer::builder().try_start()?)
            }
            Self::Memcached => Server::Memcached(MemcachedServer::builder().try_start()?),
            Self::Ring => Server::Ring(Box::new(MemcachedRing::start())),
        })
    }

    /// A cache on the server at this address, with leases that last for so long, if any.
    pub(crate) fn cache<T: Value>(
        self,
        address: &str,
        namespace: &str,
        lease: Option<Duration>,
        with_faults: bool,
    ) -> Outcome<Cache<T>> {
        let cache = self.builder(address, with_faults)?.namespace(namespace);
        // What was expired is kept and served only to those whose loaders fail, of whom there are none.
        let policy = lease.into_iter().fold(Policy::new(TTL).stale_if_error(TTL), Policy::lease);
        // What one process invalidates by tag, the others see at once. Near copies are believed for as long as versions are.
        let lag = if self.is_chain() { NEAR_TTL } else { Duration::ZERO };
        Ok(cache.policy(policy).invalidation_lag(lag).build()?)
    }

    fn builder<T: Value>(self, address: &str, with_faults: bool) -> Outcome<CacheBuilder<T>> {
        Ok(match self {
            Self::Memory => {
                let backend = QuickCacheBackend::new(QuickCacheConfig::default(), Clock::system())?;
                self.around(backend, with_faults)
            }
            Self::Redis => self.around(redis(address)?, with_faults),
            Self::Chain if with_faults => near(self.bounded(Faults::new(redis(address)?)))?,
            Self::Chain => near(self.bounded(redis(address)?))?,
            Self::Bus if with_faults => heard(self.bounded(Faults::new(redis(address)?)))?,
            Self::Bus => heard(self.bounded(redis(address)?))?,
            Self::Naive => Cache::builder(Naive::new(self.bounded(redis(address)?))),
            Self::Memcached | Self::Ring => {
                let mut config = MemcachedConfig::new(address.split(','));
                config.connect_timeout = Span(DEADLINE);
                self.around(MemcachedBackend::new(config)?, with_faults)
            }
        })
    }

    fn around<T: Value>(self, backend: impl Backend, with_faults: bool) -> CacheBuilder<T> {
        if with_faults {
            Cache::builder(self.bounded(Faults::new(backend)))
        } else {
            Cache::builder(self.bounded(backend))
        }
    }

    fn bounded<B: Backend>(self, backend: B) -> Deadline<B> {
        Deadline::new(backend, self.name(), DEADLINE)
    }
}

fn redis(address: &str) -> Outcome<RedisBackend> {
    let mut config = RedisConfig::new(address);
    config.connect_timeout = Span(DEADLINE);
    Ok(RedisBackend::new(config)?)
}

/// A chain before this store.
fn chain<B: Backend>(far: B) -> Outcome<Chain<B>> {
    let clock = Clock::system();
    let tier = QuickCacheBackend::new(QuickCacheConfig::default(), clock.clone())?;
    Ok(Chain::new(far, &clock).near(tier)?)
}

/// One whose copies live for a short time.
fn near<T: Value>(far: impl Backend) -> Outcome<CacheBuilder<T>> {
    Ok(Cache::builder(chain(far)?.near_ttl(NEAR_TTL)?))
}

/// One whose copies live until something is heard of them.
fn heard<T: Value>(far: impl Backend) -> Outcome<CacheBuilder<T>> {
    Ok(Cache::builder(chain(far)?.ttl_without_bus(NEAR_TTL)))
}

/// A cache on the Redis at this address whose copies live until something is heard of them, or for a short time.
pub(crate) fn probed<T: Value>(address: &str, namespace: &str, listens: bool) -> Outcome<Cache<T>> {
    let far = Deadline::new(redis(address)?, namespace, DEADLINE);
    let chain = chain(far)?.ttl_without_bus(NEAR_TTL);
    let chain = if listens { chain } else { chain.without_bus() };
    Ok(Cache::builder(chain).namespace(namespace).ttl(TTL).build()?)
}

impl Server {
    /// The Redis, if it is one.
    pub(crate) fn redis(&self) -> Option<&RedisServer> {
        if let Self::Redis(server) = self { Some(server) } else { None }
    }

    /// What a client needs to find it.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Redis(server) => server.url().to_owned(),
            Self::Memcached(server) => server.address(),
            Self::Ring(servers) => servers.addresses().join(","),
        }
    }
}
