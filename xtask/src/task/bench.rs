//! `cargo xtask bench`: Larder side by side with its peers, in `bench/`, a workspace of its own.

use std::process::Command;

use crate::Outcome;
use crate::shell::{self, cargo};

/// Builds it, with the two programs whose sizes it compares, and runs it with these arguments.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    // Never another lock than the committed one: the peers' versions belong to the figures.
    let build = ["build", "--release", "--workspace", "--locked", "--manifest-path", "bench/Cargo.toml"];
    // A shared folder for targets, where one is set, would mix these with the project's own crates.
    shell::run(cargo(build).env("CARGO_TARGET_DIR", "bench/target"))?;
    let program = shell::root().join("bench/target/release/larder-bench");
    shell::run(Command::new(program).args(arguments).current_dir(shell::root()))
}
