//! hitbox, which caches functions: the hit is a call of a cached one.
//!
//! On Redis it writes bincode, JSON or RON, and has no `MessagePack`: its default takes that place.

use std::sync::Arc;

use hitbox::CacheStatus;
use hitbox::policy::PolicyConfig;
use hitbox_backend::PassthroughCompressor;
use hitbox_backend::format::Format;
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

/// hitbox on Redis, with one of its formats.
pub(crate) struct Hitbox<F: Format>(Arc<Cache<RedisBackend<F, PassthroughCompressor>>>);

impl<F: Format> Clone for Hitbox<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Format + Send + Sync + 'static> Hitbox<F> {
    /// Makes it, in a part of the server of its own; connecting comes with the first use.
    pub(crate) fn connect(url: &str, database: u32, format: F) -> Done<Self> {
        let connection = ConnectionMode::single(format!("{url}/{database}"));
        let backend = RedisBackend::builder().connection(connection).value_format(format).build()?;
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
