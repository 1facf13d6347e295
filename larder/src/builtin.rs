//! The backends and codecs that were compiled in.

use crate::registry::Registry;

/// Names that a configuration may use, and the feature without which they are unknown.
const FEATURES: [(&str, &str); 7] = [
    ("memory", "quick-cache"),
    ("quick-cache", "quick-cache"),
    ("moka", "moka"),
    ("redis", "redis"),
    ("memcached", "memcached"),
    ("gzip", "gzip"),
    ("zstd", "zstd"),
];

/// The feature that would make this name known.
pub(crate) fn feature_of(name: &str) -> Option<&'static str> {
    FEATURES.iter().find(|(known, _)| *known == name).map(|(_, feature)| *feature)
}

impl Registry {
    /// Everything that was compiled in. `memory` is quick-cache if that is there, and moka otherwise.
    pub fn with_defaults() -> Self {
        register(Self::empty())
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::with_defaults()
    }
}

/// Registers everything.
#[allow(unused_mut, clippy::let_and_return, reason = "there may be nothing")]
fn register(registry: Registry) -> Registry {
    let mut registry = registry;
    #[cfg(feature = "moka")]
    {
        use larder_moka::{MokaBackend, MokaConfig, NAME};
        registry = registry
            .register(NAME, |config: MokaConfig, context| {
                let config = if context.is_tier() { config.without_snapshot() } else { config };
                MokaBackend::new(config, context.clock().clone())
            })
            .with_memory(NAME);
        #[cfg(feature = "schema")]
        {
            registry = registry.describe::<MokaConfig>(NAME);
        }
    }
    #[cfg(feature = "quick-cache")]
    {
        use larder_quick_cache::{NAME, QuickCacheBackend, QuickCacheConfig};
        registry = registry
            .register(NAME, |config: QuickCacheConfig, context| {
                let config = if context.is_tier() { config.without_snapshot() } else { config };
                QuickCacheBackend::new(config, context.clock().clone())
            })
            // In place of moka, if both are there.
            .with_memory(NAME);
        #[cfg(feature = "schema")]
        {
            registry = registry.describe::<QuickCacheConfig>(NAME);
        }
    }
    #[cfg(feature = "redis")]
    {
        use larder_redis::{NAME, RedisBackend, RedisConfig};
        registry = registry.register(NAME, |config: RedisConfig, _| RedisBackend::new(config));
        #[cfg(feature = "schema")]
        {
            registry = registry.describe::<RedisConfig>(NAME);
        }
    }
    #[cfg(feature = "memcached")]
    {
        use larder_memcached::{MemcachedBackend, MemcachedConfig, NAME};
        registry = registry.register(NAME, |config: MemcachedConfig, _| MemcachedBackend::new(config));
        #[cfg(feature = "schema")]
        {
            registry = registry.describe::<MemcachedConfig>(NAME);
        }
    }
    #[cfg(feature = "gzip")]
    {
        use larder_gzip::{Gzip, GzipConfig, NAME};
        registry = registry.register_codec(NAME, |config: GzipConfig, _| Gzip::new(&config));
        #[cfg(feature = "schema")]
        {
            registry = registry.describe_codec::<GzipConfig>(NAME);
        }
    }
    #[cfg(feature = "zstd")]
    {
        use larder_zstd::{NAME, Zstd, ZstdConfig};
        registry = registry.register_codec(NAME, |config: ZstdConfig, _| Zstd::new(&config));
        #[cfg(feature = "schema")]
        {
            registry = registry.describe_codec::<ZstdConfig>(NAME);
        }
    }
    registry
}
