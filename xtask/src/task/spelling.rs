//! `cargo xtask spelling`: words that are misspelt, in code, comments and documentation. `typos.toml` has what only looks so.

use std::process::Command;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::{python, shell};

/// Runs typos over everything that git knows. Further arguments go to it: `--write-changes` mends what has one correction.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let tools = python::tools(&Metadata::of_workspace()?.target_directory())?;
    let mut typos = Command::new(tools.join("typos"));
    shell::run(typos.args(["--config", "typos.toml"]).args(arguments).current_dir(shell::root()))
}
