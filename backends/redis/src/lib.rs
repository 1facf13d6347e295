//! Redis and Valkey backend of Larder, on redis-rs.
