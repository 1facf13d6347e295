//! `cargo xtask features`: features are additive only if each of them also stands alone.

use crate::Outcome;
use crate::metadata::{Metadata, Package};
use crate::shell;

/// Checks each published crate without features and with each one alone.
///
/// Clippy does it, since it is the one way to deny warnings that does not build all dependencies again.
pub(crate) fn run(_: &[String]) -> Outcome {
    let metadata = Metadata::of_workspace()?;
    for package in metadata.published() {
        check(package, None)?;
        for feature in package.features() {
            check(package, Some(feature))?;
        }
    }
    Ok(())
}

fn check(package: Package<'_>, feature: Option<&str>) -> Outcome {
    let targets = if package.has_library() { "--lib" } else { "--bins" };
    let mut command =
        shell::cargo(["clippy", "--quiet", "--package", package.name(), targets, "--no-default-features"]);
    command.args(feature.map(|feature| format!("--features={feature}")));
    shell::run(command.args(["--", "-D", "warnings"]))
}
