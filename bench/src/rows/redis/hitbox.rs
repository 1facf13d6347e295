//! hitbox, which caches functions: the hit is a call of a cached one.
//!
//! It writes bincode: its other formats on Redis are JSON and RON, and it has no MessagePack.

use std::sync::Arc;

use hitbox::CacheStatus;
use hitbox::policy::PolicyConfig;
use hitbox_fn::{Cache, CacheableResponse, cached};
use hitbox_redis::{ConnectionMode, RedisBackend};
use serde::{Deserialize, Serialize};

use super::lanes::Done;
use super::values::{TTL, item, right};
use crate::harness::values::Item;

/// The struct, as hitbox wants it: its own trait has to be there.
#[derive(Debug, Clone, Serialize, Deserialize, CacheableResponse)]
pub(crate) struct Answer {
    item: Item,
}

/// What is cached. It runs where the store has nothing.
#[cached(prefix = "item")]
async fn answer(id: u32) -> Answer {
    Answer { item: item(id).clone() }
}

/// hitbox on Redis.
#[derive(Clone)]
pub(crate) struct Hitbox(Arc<Cache<RedisBackend>>);

impl Hitbox {
    /// Makes it; connecting comes with the first use.
    pub(crate) fn connect(url: &str) -> Done<Self> {
        let backend = RedisBackend::builder().connection(ConnectionMode::single(url)).build()?;
        let policy = PolicyConfig::builder().ttl(TTL).build();
        Ok(Self(Arc::new(Cache::builder().backend(backend).policy(policy).build())))
    }

    /// Puts a key into the store.
    pub(crate) async fn load(&self, id: u32) -> Done {
        let answer = answer(id).cache(&*self.0).await;
        right(id, Some(&answer.item))
    }

    /// Reads a key that is there.
    pub(crate) async fn hit(&self, id: u32) -> Done {
        let (answer, context) = answer(id).cache(&*self.0).with_context().await;
        if context.status != CacheStatus::Hit {
            return Err("a miss".into());
        }
        right(id, Some(&answer.item))
    }
}
