//! Memcached backend of Larder, on the meta protocol.
