//! `cargo xtask search-differential`: the same questions to a real search server, through `larder-proxy` and straight, with
//! writes in between (`integration-tests/search/differential.py`). The server is a pinned package of PyPI: where it cannot be
//! had, this fails.

use std::{path::PathBuf, process::Command};

use crate::packages::{self, Needed};
use crate::{Outcome, metadata::Metadata, python, shell};

/// Where the server is in its package is what the package says.
const RESOLVE: &str = "import osmem_server; print(osmem_server.resolve_binary())";

/// What runs in front of a search server need.
pub(super) struct Programs {
    pub(super) python: PathBuf,
    pub(super) server: String,
    pub(super) proxy: PathBuf,
}

impl Programs {
    /// Installs and builds them, where they are not there.
    pub(super) fn ready() -> Outcome<Self> {
        let target = Metadata::of_workspace()?.target_directory();
        let python = python::search(&target)?;
        let server = String::from_utf8(shell::output(Command::new(&python).args(["-c", RESOLVE]))?)?;
        shell::run(&mut shell::cargo(["build", "--release", "--quiet", "--package", "larder-proxy"]))?;
        Ok(Self { python, server: server.trim().to_owned(), proxy: target.join("release/larder-proxy") })
    }
}

/// Asks. The last line is `differences: D of N`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    packages::ensure(&[Needed { program: "redis-server", package: "redis-server" }])?;
    let programs = Programs::ready()?;
    let mut run = Command::new(&programs.python);
    run.arg(shell::root().join("integration-tests/search/differential.py"));
    run.args(["--server", &programs.server, "--redis", "redis-server", "--proxy"]).arg(&programs.proxy);
    shell::run(run.args(arguments).current_dir(shell::root()))
}
