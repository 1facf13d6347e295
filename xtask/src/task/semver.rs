//! `cargo xtask semver`: what a change of the public API would ask of the version.
//!
//! The baseline is the newest tag `v…`. Nothing has been published yet, so there is none: until then it is the revision that is
//! named, or `main`, and what breaks is shown and does not fail.

use std::process::Command;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::shell::{self, cargo, succeeds};

/// The release that reads what this Rust's rustdoc writes.
const VERSION: &str = "0.51.0";

/// Runs cargo-semver-checks over the published crates, and installs it first if it is not there.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if !succeeds(&mut cargo(["semver-checks", "--version"])) {
        shell::run(&mut cargo([
            "install",
            "cargo-semver-checks",
            "--locked",
            "--debug",
            "--version",
            VERSION,
        ]))?;
    }
    let tag = newest_tag();
    let is_published = tag.is_some();
    let baseline = arguments.first().cloned().or(tag).unwrap_or_else(|| "main".to_owned());
    let metadata = Metadata::of_workspace()?;
    let mut check = cargo(["semver-checks", "--baseline-rev", &baseline, "--all-features"]);
    for package in metadata.published() {
        check.args(["--package", package.name()]);
    }
    match shell::run(&mut check) {
        Err(broken) if !is_published => {
            eprintln!("note: nothing is published yet, so this does NOT fail: {broken}");
            Ok(())
        }
        checked => checked,
    }
}

fn newest_tag() -> Option<String> {
    let mut git = Command::new("git");
    git.args(["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]).current_dir(shell::root());
    let tag = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&tag.stdout).trim().to_owned())
}
