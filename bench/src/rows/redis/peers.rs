//! The caches and clients of the row, each behind the few calls that its lanes make.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cached::{AsyncRedisCache, ConcurrentCachedAsync as _, SerializeCachedAsync as _};
use fred::interfaces::{ClientLike as _, KeysInterface as _};
use larder::{Cache, Key, Larder};
use multi_tier_cache::serialization::MsgPackSerializer;
use multi_tier_cache::{CacheManager, CacheSerializer, CacheStrategy, CacheTier, RedisCache};
use redis::aio::MultiplexedConnection;

use super::lanes::Done;
use super::values::{TTL, bytes, item, key};
use super::{CACHED, MULTI_TIER};
use crate::harness::values::Item;

/// Larder's caches, configured as a service would, on one store.
#[derive(Clone)]
pub(crate) struct Larders {
    pub(crate) bytes: Cache<Bytes>,
    pub(crate) msgpack: Cache<Item>,
    pub(crate) json: Cache<Item>,
}

impl Larders {
    /// Makes them; connecting comes with the first use.
    pub(crate) fn connect(url: &str) -> Done<Self> {
        let larder = Larder::builder()
            .environment([("NOT", "of the process")])
            .set("stores.main.backend", "redis")
            .set("stores.main.url", url)
            .set("defaults.ttl", "1h")
            .set("defaults.codec", "none")
            .set("caches.bytes.format", "raw")
            .set("caches.msgpack.format", "msgpack")
            .set("caches.json.format", "json")
            .build()?;
        Ok(Self {
            bytes: larder.cache("bytes")?,
            msgpack: larder.cache("msgpack")?,
            json: larder.cache("json")?,
        })
    }

    /// Writes one key of each.
    pub(crate) async fn fill(&self, id: u32) -> Done {
        let key = Key::new("item").part(id);
        self.bytes.set(&key, bytes(id)).await?;
        self.msgpack.set(&key, item(id).clone()).await?;
        self.json.set(&key, item(id).clone()).await?;
        Ok(())
    }
}

/// redis-rs: one multiplexed connection.
#[derive(Clone)]
pub(crate) struct Raw(pub(crate) MultiplexedConnection);

impl Raw {
    pub(crate) async fn connect(url: &str) -> Done<Self> {
        Ok(Self(redis::Client::open(url)?.get_multiplexed_async_connection().await?))
    }

    pub(crate) async fn get(mut self, key: String) -> Done<Option<Bytes>> {
        Ok(redis::cmd("GET").arg(key).query_async(&mut self.0).await?)
    }

    pub(crate) async fn set(mut self, key: String, value: &[u8]) -> Done {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(value).arg("PX").arg(millis(TTL));
        Ok(set.query_async(&mut self.0).await?)
    }
}

/// fred: one client, which has one connection.
pub(crate) async fn fred(url: &str) -> Done<fred::clients::Client> {
    let client = fred::types::Builder::from_config(fred::types::config::Config::from_url(url)?).build()?;
    client.init().await?;
    Ok(client)
}

/// `GET` by fred.
pub(crate) async fn fred_get(client: &fred::clients::Client, key: String) -> Done<Option<Bytes>> {
    Ok(client.get(key).await?)
}

/// `SET` with `PX` by fred.
pub(crate) async fn fred_set(client: &fred::clients::Client, key: String, value: Bytes) -> Done {
    let expiration = fred::types::Expiration::PX(TTL.as_millis().try_into()?);
    Ok(client.set(key, value, Some(expiration), None, false).await?)
}

/// A framework that keeps structs.
#[derive(Clone)]
pub(crate) enum Framework {
    /// Its Redis store, which writes `MessagePack` without field names; reads are a pipeline of one `GET`.
    Cached(AsyncRedisCache<String, Item>),
    /// Redis as its only tier; reads are a pipeline of `GET` and `PTTL`.
    MultiTier { manager: Arc<CacheManager>, serializer: CacheSerializer, part: &'static str },
}

impl Framework {
    pub(crate) async fn connect_all(url: &str) -> Done<Vec<Self>> {
        let cached = AsyncRedisCache::builder("cached").ttl(TTL).connection_string(url).build().await?;
        Ok(vec![
            Self::Cached(cached),
            Self::multi_tier(url, CacheSerializer::MsgPack(MsgPackSerializer), "multi-msgpack").await?,
            Self::multi_tier(url, CacheSerializer::default(), "multi-json").await?,
        ])
    }

    async fn multi_tier(url: &str, serializer: CacheSerializer, part: &'static str) -> Done<Self> {
        let tier = CacheTier::new(Arc::new(RedisCache::with_url(url).await?), 1, false, 1, 1.0);
        let mut manager = CacheManager::new_with_tiers(vec![tier], None)?;
        manager.set_serializer(serializer.clone());
        Ok(Self::MultiTier { manager: Arc::new(manager), serializer, part })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cached(_) => CACHED,
            Self::MultiTier { .. } => MULTI_TIER,
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Self::MultiTier { serializer: CacheSerializer::Json(_), .. })
    }

    pub(crate) async fn get(&self, id: u32) -> Done<Option<Item>> {
        Ok(match self {
            Self::Cached(cache) => cache.async_cache_get(&key("", id)).await?,
            Self::MultiTier { manager, part, .. } => manager.get_typed(&key(part, id)).await?,
        })
    }

    pub(crate) async fn set(&self, id: u32, item: &Item) -> Done {
        match self {
            Self::Cached(cache) => cache.async_cache_set_ref(&key("", id), item).await?,
            Self::MultiTier { manager, serializer, part } => {
                let strategy = CacheStrategy::Custom(TTL);
                manager.set_with_strategy(&key(part, id), serializer.serialize(item)?, strategy).await?;
            }
        }
        Ok(())
    }
}

/// As Redis takes it.
pub(crate) fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}
