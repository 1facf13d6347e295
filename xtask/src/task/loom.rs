//! `cargo xtask loom`: the models of loads and writes that meet, and of callers and connections, in every order that threads
//! can take.

use crate::metadata::Metadata;
use crate::{Outcome, shell};

/// Builds the core and the connections with loom's locks, in a folder of its own, and runs their models. Arguments go to the tests.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let target = Metadata::of_workspace()?.target_directory().join("loom");
    let mut cargo =
        shell::cargo(["test", "--release", "-p", "larder-core", "-p", "larder-net", "--lib", "models::"]);
    // Loom runs each model thousands of times: optimised, that is a second.
    cargo.env("RUSTFLAGS", "--cfg larder_loom").env("CARGO_TARGET_DIR", target);
    shell::run(cargo.arg("--").args(arguments))
}
