//! `cargo xtask search-differential`: the same questions to real search servers, through `larder-proxy` and straight, with writes
//! in between (`integration-tests/search/differential.py`).

use super::Programs;
use crate::packages::{self, Needed};
use crate::{Outcome, shell};

/// Asks. The last line is `differences: D of N`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    packages::ensure(&[Needed { program: "redis-server", package: "redis-server" }])?;
    let programs = Programs::ready()?;
    let mut run = programs.script("differential.py");
    run.args(["--redis", "redis-server"]).args(programs.engines());
    shell::run(run.args(arguments))
}
