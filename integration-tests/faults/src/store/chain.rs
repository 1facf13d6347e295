//! One Redis with a breaker, and memory before it: what a deployment has.

use larder_test_servers::Protocol;

use super::{Store, redis};

pub(super) const STORE: Store = Store {
    name: "chain",
    about: "memory before one Redis that has a breaker",
    protocol: Protocol::Resp,
    members: 1,
    is_chain: true,
    start: |wants| redis::start(wants, None),
    open: redis::open,
};
