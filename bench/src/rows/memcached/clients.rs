//! The clients of the row, and the pool that async-memcached needs.

use std::sync::{Arc, Mutex, PoisonError};

use async_memcached::{AsciiProtocol as _, Client};
use bytes::Bytes;
use larder::{Cache, Larder};
use memcache::exp::{AsyncMetaClient, Ttl};
use tokio::sync::Semaphore;

use super::super::redis::lanes::Done;
use super::super::redis::values::TTL;
use super::super::redis::wire::MemcachedClient;

/// Connections of the pools.
const POOL: u32 = 64;
/// Connections that `memcache::exp` may keep: one for each task.
const IDLE: usize = 256;

/// Everyone who takes part, connected.
pub(crate) struct Clients {
    pub(crate) larder: Cache<Bytes>,
    pub(crate) by_hand: Arc<MemcachedClient>,
    pub(crate) collecting: Arc<MemcachedClient>,
    pub(crate) exp: AsyncMetaClient,
    pub(crate) pool: Pool,
    pub(crate) classic: memcache::Client,
}

impl Clients {
    pub(crate) async fn connect(address: &str) -> Done<Self> {
        let larder = Larder::builder()
            .environment([("NOT", "of the process")])
            .set("stores.main.backend", "memcached")
            .set("stores.main.servers", [address])
            .set("defaults.ttl", "1h")
            .set("defaults.codec", "none")
            .set("defaults.format", "raw")
            .build()?;
        let url = format!("memcache://{address}");
        // It opens all its connections at once, blocking.
        let classic = tokio::task::spawn_blocking(move || memcache::Client::with_pool_size(url, POOL));
        Ok(Self {
            larder: larder.cache("bytes")?,
            by_hand: Arc::new(MemcachedClient::connect(address, false).await?),
            collecting: Arc::new(MemcachedClient::connect(address, true).await?),
            exp: AsyncMetaClient::builder().max_idle(IDLE).connect_async(address).await?,
            pool: Pool::connect(address).await?,
            classic: classic.await??,
        })
    }
}

/// The time to live as `memcache::exp` takes it.
pub(crate) fn exp_ttl() -> Ttl {
    Ttl::secs(u32::try_from(TTL.as_secs()).unwrap_or(u32::MAX))
}

/// Connections of async-memcached, each for one request at a time.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Connections>);

struct Connections {
    free: Semaphore,
    idle: Mutex<Vec<Client>>,
}

impl Pool {
    async fn connect(address: &str) -> Done<Self> {
        let mut idle = Vec::new();
        for _ in 0..POOL {
            idle.push(Client::new(format!("tcp://{address}")).await?);
        }
        Ok(Self(Arc::new(Connections { free: Semaphore::new(idle.len()), idle: Mutex::new(idle) })))
    }

    pub(crate) async fn get(&self, key: &str) -> Done<Option<Vec<u8>>> {
        let _free = self.0.free.acquire().await?;
        let mut client = self.take()?;
        let got = client.get(key).await;
        self.put_back(client);
        Ok(got?.and_then(|value| value.data))
    }

    pub(crate) async fn get_many(&self, keys: &[String]) -> Done<Vec<Option<Vec<u8>>>> {
        let _free = self.0.free.acquire().await?;
        let mut client = self.take()?;
        let got = client.get_multi(keys).await;
        self.put_back(client);
        Ok(got?.into_iter().map(|value| value.data).collect())
    }

    pub(crate) async fn set(&self, key: &str, value: &[u8]) -> Done {
        let _free = self.0.free.acquire().await?;
        let mut client = self.take()?;
        let set = client.set(key, value, Some(i64::try_from(TTL.as_secs())?), None).await;
        self.put_back(client);
        Ok(set?)
    }

    /// A task with a permit finds a connection, unless an operation was cancelled and its connection dropped.
    fn take(&self) -> Done<Client> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().ok_or("no connection is left".into())
    }

    fn put_back(&self, client: Client) {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }
}
