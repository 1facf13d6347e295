//! What every backend promises, over this one and a server of its own:
//! `cargo test -p larder-memcached --test conformance`. How to damage its bytes is known to the integration tests,
//! which run the suite over a ring of servers as well.

use std::{process::ExitCode, sync::Arc};

use larder_conformance::{Store, Suite, Time};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::MemcachedServer;

fn main() -> ExitCode {
    // Enough memory that nothing a case has written is evicted before the case has read it.
    let server = Arc::new(MemcachedServer::builder().memory_mb(512).start());
    Suite::new("memcached", move |_| store(&server)).time(Time::Real).main()
}

fn store(server: &Arc<MemcachedServer>) -> Store {
    let peer = Arc::clone(server);
    Store::new(connect(server)).with_peer(move |_| connect(&peer))
}

#[allow(clippy::unwrap_used, reason = "the settings are right")]
fn connect(server: &MemcachedServer) -> MemcachedBackend {
    MemcachedBackend::new(MemcachedConfig::new([server.address()])).unwrap()
}
