//! What the tests of this crate share: a store on a server, keys, and entries of raw bytes.

// Each test file uses its part, and Clippy's exception for tests does not reach the functions that tests share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use larder_core::{
    Backend, Clock, Entry, Key, Result, Ttl,
    backend::{Condition, DeleteItem, DeleteOptions, GetOptions, Lookup, SetOptions, Written},
    entry::{Body, Lifetime, Meta},
    key::{Namespace, StoreKey},
};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::RedisServer;

/// A store on this server, with the default settings.
pub fn store(server: &RedisServer) -> RedisBackend {
    RedisBackend::new(RedisConfig::new(server.url())).unwrap()
}

/// A store on this server with other settings.
pub fn store_with(server: &RedisServer, change: impl FnOnce(&mut RedisConfig)) -> RedisBackend {
    let mut config = RedisConfig::new(server.url());
    change(&mut config);
    RedisBackend::new(config).unwrap()
}

/// Keys of one namespace.
pub struct Keys(Namespace, Vec<Key>);

impl Keys {
    /// So many keys.
    pub fn new(count: usize) -> Self {
        let keys = (0..count).map(|number| Key::new("key").part(number)).collect();
        Self(Namespace::new("test", 0).unwrap(), keys)
    }

    /// One of them.
    pub fn at(&self, index: usize) -> StoreKey<'_> {
        StoreKey::new(&self.0, &self.1[index])
    }

    /// All of them.
    pub fn all(&self) -> Vec<StoreKey<'_>> {
        self.1.iter().map(|key| StoreKey::new(&self.0, key)).collect()
    }
}

/// Without a limit.
pub const GET: GetOptions = GetOptions::new();
/// Whatever is there.
pub const ANY: DeleteOptions = DeleteOptions::new();

/// Whether the writes took place.
pub fn done(written: Vec<Result<Written>>) -> Vec<Result<bool>> {
    written.into_iter().map(|written| written.map(Written::took_place)).collect()
}

/// The removal of whatever is under each of these.
pub fn removals<'a>(keys: &[StoreKey<'a>]) -> Vec<DeleteItem<'a>> {
    keys.iter().map(|key| DeleteItem::new(*key, ANY)).collect()
}

/// An entry of these bytes that lives for a minute.
pub fn entry(bytes: impl Into<Bytes>) -> Entry {
    entry_for(bytes, Duration::from_mins(1).into())
}

/// An entry of these bytes that lives this long.
pub fn entry_for(bytes: impl Into<Bytes>, ttl: Ttl) -> Entry {
    let bytes = bytes.into();
    let now = Clock::system().now();
    let body = Body::raw(bytes, 0);
    Entry::from_body(body, Meta::new(now, Lifetime::until(ttl.expires(now))))
}

/// Always, for a minute.
pub fn always() -> SetOptions {
    SetOptions::new(Duration::from_mins(1).into())
}

/// For a minute, under this condition.
pub fn when(condition: Condition) -> SetOptions {
    always().when(condition)
}

/// The bytes of a hit.
pub fn bytes(lookup: Lookup) -> Bytes {
    match lookup {
        Lookup::Hit(entry) => entry.encoded().unwrap().bytes.clone(),
        Lookup::Miss(miss) => panic!("a miss: {miss}"),
    }
}

/// Calls `get` until it succeeds; how long that took, and how many calls failed.
pub async fn until_it_works(store: &impl Backend, key: &StoreKey<'_>) -> (Duration, u32) {
    let begun = Instant::now();
    let mut failed = 0;
    while let Err(error) = store.get(key, &GET).await {
        failed += 1;
        assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (begun.elapsed(), failed)
}

/// The numbers that the server has given to the connections of stores: another number, another connection.
pub fn connections(server: &RedisServer) -> Vec<u64> {
    let list = server.command(&["CLIENT", "LIST"]).to_string();
    let ours = list.lines().filter(|line| line.contains(" name=larder "));
    ours.map(|line| line.strip_prefix("id=").unwrap().split(' ').next().unwrap().parse().unwrap()).collect()
}

/// How many connections the server has accepted since it started, those of the test itself included.
pub fn connections_accepted(server: &RedisServer) -> u64 {
    let stats = server.command(&["INFO", "stats"]).to_string();
    let count = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.unwrap().trim().parse().unwrap()
}
