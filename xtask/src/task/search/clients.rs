//! `cargo xtask search-clients`: client libraries make the same calls through `larder-proxy` and straight, and get the same answers
//! (`integration-tests/search/clients.py`). Each has a Python of its own, since no two agree on what they depend on.

use super::Programs;
use crate::{Outcome, metadata::Metadata, python, shell};

/// The modules; what each needs is in `integration-tests/search/clients`.
const CLIENTS: &[&str] = &["elasticsearch7", "elasticsearch8", "elasticsearch9", "opensearchpy", "pysolr"];

/// Calls. The last line is `differences: N of M calls`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let programs = Programs::ready()?;
    let target = Metadata::of_workspace()?.target_directory();
    let mut run = programs.script("clients.py");
    run.args(programs.engines());
    for client in CLIENTS {
        let python = python::search_client(&target, client)?;
        run.args(["--client", &format!("{client}={}", python.display())]);
    }
    shell::run(run.args(arguments))
}
