//! `cargo xtask lint`: what a reviewer should not have to say.

use crate::Outcome;
use crate::shell::{self, cargo};

/// Workspaces of their own, with locks of their own, that depend on our crates by path.
const APART: [&str; 2] = ["bench/Cargo.toml", "fuzz/Cargo.toml"];

/// Checks formatting, Clippy's lints, the documentation, and the locks of workspaces that are built elsewhere.
pub(crate) fn run(_: &[String]) -> Outcome {
    shell::run(&mut cargo(["fmt", "--all", "--check"]))?;
    // Clippy there would build all the peers.
    shell::run(&mut cargo(["fmt", "--all", "--check", "--manifest-path", "bench/Cargo.toml"]))?;
    // A dependency of ours that changes makes them stale, and `cargo xtask bench`, which builds with `--locked`, fails.
    for manifest in APART {
        shell::run(&mut cargo([
            "update",
            "--quiet",
            "--workspace",
            "--locked",
            "--manifest-path",
            manifest,
        ]))?;
    }
    shell::run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    shell::run(cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}
