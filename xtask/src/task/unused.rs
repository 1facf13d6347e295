//! `cargo xtask unused`: dependencies that a manifest names and no code does.

use crate::Outcome;
use crate::shell::{self, cargo, succeeds};

/// The release that is installed where there is none.
const VERSION: &str = "0.9.2";

/// Runs cargo-machete, and installs it first if it is not there. A dependency that is there for its features, or is used under
/// another name, has its reason beside `[package.metadata.cargo-machete]`.
pub(crate) fn run(_: &[String]) -> Outcome {
    if !succeeds(machete().arg("--version")) {
        shell::run(&mut cargo(["install", "cargo-machete", "--locked", "--debug", "--version", VERSION]))?;
    }
    shell::run(machete().arg("--skip-target-dir"))
}

/// By this variable it knows whether Cargo has started it, and takes its own name for a folder if it thinks not.
fn machete() -> std::process::Command {
    let mut machete = cargo(["machete"]);
    machete.env_remove("CARGO_PKG_NAME");
    machete
}
