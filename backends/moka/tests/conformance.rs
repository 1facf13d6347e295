//! What every backend promises, over this one: `cargo test -p larder-moka --test conformance`.

use std::process::ExitCode;

use larder_conformance::{Store, Suite};
use larder_core::{Backend, Clock};
use larder_moka::{MokaBackend, MokaConfig};

fn main() -> ExitCode {
    Suite::new("moka", |clock| Store::new(store(clock))).main()
}

#[allow(clippy::unwrap_used, reason = "the default settings are right")]
fn store(clock: Clock) -> impl Backend {
    MokaBackend::new(MokaConfig::default(), clock).unwrap()
}
