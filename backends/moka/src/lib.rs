//! In-memory backend of Larder, on moka.
