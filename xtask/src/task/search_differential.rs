//! `cargo xtask search-differential`: the same questions to a real search server, through `larder-proxy` and straight, with
//! writes in between (`integration-tests/search/differential.py`). The server is a pinned package of PyPI: where it cannot be
//! had, this fails.

use std::{path::PathBuf, process::Command};

use crate::{Outcome, metadata::Metadata, packages, python, shell};

/// Where the server is in its package is what the package says.
const RESOLVE: &str = "import osmem_server; print(osmem_server.resolve_binary())";

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let target = Metadata::of_workspace()?.target_directory();
    let python = python::search(&target)?;
    let server = String::from_utf8(shell::output(Command::new(&python).args(["-c", RESOLVE]))?)?;
    let redis = PathBuf::from("/usr/bin/redis-server");
    if !redis.exists() {
        packages::install(&["redis-server"])?;
    }
    shell::run(&mut shell::cargo(["build", "--release", "--quiet", "--package", "larder-proxy"]))?;
    let mut run = Command::new(python);
    run.arg(shell::root().join("integration-tests/search/differential.py"));
    run.args(["--server", server.trim(), "--redis"]).arg(redis);
    run.arg("--proxy").arg(target.join("release/larder-proxy"));
    shell::run(run.args(arguments).current_dir(shell::root()))
}
