//! The stores that loading is tried on, each with a deadline around it as it would have in a service.

pub(crate) mod faults;
pub(crate) mod member;

use std::time::Duration;

use larder_core::{
    Backend, Cache, Clock,
    cache::{CacheBuilder, Policy, Value},
    layer::Deadline,
    settings::Span,
};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::{MemcachedRing, MemcachedServer, RedisServer};

use self::faults::Faults;
use crate::{Outcome, words::Words};

/// Longer than any run is watched: nothing expires by itself.
const TTL: Duration = Duration::from_hours(1);
/// Generous: more processes than there are processors, and all of them busy.
const DEADLINE: Duration = Duration::from_secs(1);

/// Where the values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Redis,
    Memcached,
    /// Three Memcached that share the keys.
    Ring,
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
        let all = [Self::Memory, Self::Redis, Self::Memcached, Self::Ring];
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
        }
    }

    /// Whether several processes can share it.
    pub(crate) fn is_shared(self) -> bool {
        self != Self::Memory
    }

    pub(crate) fn start(self) -> Outcome<Server> {
        Ok(match self {
            Self::Memory => Server::None,
            Self::Redis => Server::Redis(RedisServer::builder().try_start()?),
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
        // What one process invalidates by tag, the others see at once.
        Ok(cache.policy(policy).invalidation_lag(Duration::ZERO).build()?)
    }

    fn builder<T: Value>(self, address: &str, with_faults: bool) -> Outcome<CacheBuilder<T>> {
        Ok(match self {
            Self::Memory => {
                let backend = QuickCacheBackend::new(QuickCacheConfig::default(), Clock::system())?;
                self.around(backend, with_faults)
            }
            Self::Redis => {
                let mut config = RedisConfig::new(address);
                config.connect_timeout = Span(DEADLINE);
                self.around(RedisBackend::new(config)?, with_faults)
            }
            Self::Memcached | Self::Ring => {
                let mut config = MemcachedConfig::new(address.split(','));
                config.connect_timeout = Span(DEADLINE);
                self.around(MemcachedBackend::new(config)?, with_faults)
            }
        })
    }

    fn around<T: Value>(self, backend: impl Backend, with_faults: bool) -> CacheBuilder<T> {
        if with_faults {
            Cache::builder(Deadline::new(Faults::new(backend), self.name(), DEADLINE))
        } else {
            Cache::builder(Deadline::new(backend, self.name(), DEADLINE))
        }
    }
}

impl Server {
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
