//! Starts real redis-server and memcached processes for tests.
