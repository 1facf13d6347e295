//! What every backend promises, over this one and a server of its own: `cargo test -p larder-redis --test conformance`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use larder_conformance::{Store, Suite, Time};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::{RedisServer, Reply};

fn main() -> ExitCode {
    let server = Arc::new(RedisServer::start());
    Suite::new("redis", move |_| store(&server)).time(Time::Real).main()
}

fn store(server: &Arc<RedisServer>) -> Store {
    let (peer, vandal, spy) = (Arc::clone(server), Arc::clone(server), Arc::clone(server));
    Store::new(connect(server))
        .with_peer(move |_| connect(&peer))
        .with_vandal(move |key, bytes| {
            vandal.command(&[b"SET", key.as_bytes(), bytes, b"KEEPTTL"]);
        })
        .with_spy(move |key| match spy.command(&["GET", key]) {
            Reply::Bytes(bytes) => Some(bytes),
            _ => None,
        })
}

#[allow(clippy::unwrap_used, reason = "the settings are right")]
fn connect(server: &RedisServer) -> RedisBackend {
    let mut config = RedisConfig::new(server.url());
    // The suite opens many connections at once, on a machine that may have little to do it with.
    config.connect_timeout = Duration::from_secs(10).into();
    RedisBackend::new(config).unwrap()
}
