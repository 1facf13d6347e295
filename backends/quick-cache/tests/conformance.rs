//! What every backend promises, over this one: `cargo test -p larder-quick-cache --test conformance`.

use std::process::ExitCode;

use larder_conformance::{Store, Suite};
use larder_core::{Backend, Clock};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};

fn main() -> ExitCode {
    Suite::new("quick-cache", |clock| Store::new(store(clock))).main()
}

#[allow(clippy::unwrap_used, reason = "the default settings are right")]
fn store(clock: Clock) -> impl Backend {
    QuickCacheBackend::new(QuickCacheConfig::default(), clock).unwrap()
}
