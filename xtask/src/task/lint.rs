//! `cargo xtask lint`: what a reviewer should not have to say.

use crate::Outcome;
use crate::shell::{self, cargo};

/// Checks formatting, Clippy's lints and the documentation.
pub(crate) fn run(_: &[String]) -> Outcome {
    shell::run(&mut cargo(["fmt", "--all", "--check"]))?;
    // Clippy there would build all the peers.
    shell::run(&mut cargo(["fmt", "--all", "--check", "--manifest-path", "bench/Cargo.toml"]))?;
    shell::run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    shell::run(cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}
