//! One Redis.

use std::{path::PathBuf, sync::Arc};

use larder_core::Backend;
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::{Protocol, RedisServer};

use super::{Client, PASSWORD, Store, Wants};
use crate::{Outcome, server::Server};

pub(super) const STORE: Store = Store {
    name: "redis",
    about: "one Redis",
    protocol: Protocol::Resp,
    members: 1,
    is_chain: false,
    start: |wants| start(wants, None),
    open,
};

/// Starts this program, or the usual one.
pub(super) fn start(wants: Wants, program: Option<PathBuf>) -> Outcome<Vec<Server>> {
    let mut server = RedisServer::builder();
    if let Some(program) = program {
        server = server.program(program);
    }
    if wants.password {
        server = server.password(PASSWORD);
    }
    if wants.few_clients {
        server = server.config("maxclients", &crate::server::FEW.to_string());
    }
    if wants.small_values {
        server = server.config("proto-max-bulk-len", "1mb");
    }
    if wants.slow_start {
        server = server
            .config("enable-debug-command", "yes")
            .config("key-load-delay", "1000")
            .config("loading-process-events-interval-bytes", "1024");
    }
    Ok(vec![Server::Redis(server.try_start()?)])
}

pub(super) fn open(client: &Client) -> Outcome<Arc<dyn Backend>> {
    let address = client.addresses.first().ok_or("there is no address")?;
    let mut config = RedisConfig::new(format!("redis://{address}"));
    config.password_file.clone_from(&client.password_file);
    Ok(Arc::new(RedisBackend::new(config)?))
}
