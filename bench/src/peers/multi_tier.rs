//! multi-tier-cache with one tier, its moka, and MessagePack.

use std::sync::Arc;

use multi_tier_cache::serialization::{CacheSerializer, MsgPackSerializer};
use multi_tier_cache::{CacheManager, CacheStrategy, CacheTier, L1Cache, MokaCacheConfig};

use super::TTL;
use crate::harness::Outcome;

/// The TTL of all entries.
pub(crate) const STRATEGY: CacheStrategy = CacheStrategy::Custom(TTL);

/// An empty one.
pub(crate) fn cache(capacity: usize) -> Outcome<CacheManager> {
    let config = MokaCacheConfig { max_capacity: capacity as u64, time_to_live: TTL, time_to_idle: TTL };
    let tier = CacheTier::new(Arc::new(L1Cache::new(config)?), 1, false, 1, 1.0);
    let mut manager = CacheManager::new_with_tiers(vec![tier], None)?;
    manager.set_serializer(CacheSerializer::MsgPack(MsgPackSerializer));
    Ok(manager)
}
