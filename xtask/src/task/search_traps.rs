//! `cargo xtask search-traps`: traps that searches set for HTTP caches, for `larder-proxy` and for nginx and Varnish as they are
//! usually set up (`integration-tests/search/traps.py`), in front of a real search server.

use std::process::Command;

use crate::packages::{self, Needed};
use crate::task::search_differential::Programs;
use crate::{Outcome, shell};

const NEEDED: &[Needed] = &[
    Needed { program: "nginx", package: "nginx-light" },
    Needed { program: "varnishd", package: "varnish" },
];

/// Sets them. The last line is `wrong answers: larder-proxy L, nginx N, varnish V`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    packages::ensure(NEEDED)?;
    let programs = Programs::ready()?;
    let mut run = Command::new(&programs.python);
    run.arg(shell::root().join("integration-tests/search/traps.py"));
    run.args(["--nginx", "nginx", "--varnish", "varnishd", "--server", &programs.server]);
    run.arg("--proxy").arg(&programs.proxy);
    shell::run(run.args(arguments).current_dir(shell::root()))
}
