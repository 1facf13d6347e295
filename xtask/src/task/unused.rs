//! `cargo xtask unused`: dependencies that a manifest names and no code does.

use crate::Outcome;
use crate::shell::{self, cargo, succeeds};

/// The release that is installed where there is none.
const VERSION: &str = "0.9.2";

/// Runs cargo-machete, and installs it first if it is not there. A dependency that is there for its features has its reason beside
/// `[package.metadata.cargo-machete]`.
pub(crate) fn run(_: &[String]) -> Outcome {
    if !succeeds(&mut cargo(["machete", "--version"])) {
        shell::run(&mut cargo(["install", "cargo-machete", "--locked", "--debug", "--version", VERSION]))?;
    }
    shell::run(&mut cargo(["machete", "--skip-target-dir"]))
}
