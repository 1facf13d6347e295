//! Three Memcached that share the keys.

use larder_test_servers::Protocol;

use super::{Store, memcached};

pub(super) const STORE: Store = Store {
    name: "ring",
    about: "three Memcached that share the keys",
    protocol: Protocol::Meta,
    members: 3,
    is_chain: false,
    start: |wants| (0..3).map(|_| memcached::start(wants)).collect(),
    open: memcached::open,
};
