//! One Memcached.

use std::sync::Arc;

use larder_core::Backend;
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::{MemcachedServer, Protocol};

use super::{Client, PASSWORD, Store, USER, Wants};
use crate::{Outcome, server::Server};

pub(super) const STORE: Store = Store {
    name: "memcached",
    about: "one Memcached",
    protocol: Protocol::Meta,
    members: 1,
    is_chain: false,
    start: |wants| Ok(vec![start(wants)?]),
    open,
};

pub(super) fn start(wants: Wants) -> Outcome<Server> {
    let mut server = MemcachedServer::builder().own_operator_port().threads(1);
    if wants.password {
        server = server.auth(USER, PASSWORD);
    }
    if wants.no_eviction {
        // The least with which it still takes values of 1 MiB.
        server = server.argument("-M").memory_mb(2);
    }
    if wants.few_clients {
        server = server.argument("-c").argument(crate::server::FEW.to_string());
    }
    // Values of more than a megabyte are refused in any case, and nothing is loaded at the start.
    Ok(Server::Memcached(server.try_start()?))
}

pub(super) fn open(client: &Client) -> Outcome<Arc<dyn Backend>> {
    let mut config = MemcachedConfig::new(client.addresses.iter().map(String::as_str));
    if let Some(file) = &client.password_file {
        config.username = Some(USER.to_owned());
        config.password_file = Some(file.clone());
    }
    Ok(Arc::new(MemcachedBackend::new(config)?))
}
