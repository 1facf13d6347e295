//! In-memory backend of Larder, on quick_cache.
