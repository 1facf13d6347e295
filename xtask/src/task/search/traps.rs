//! `cargo xtask search-traps`: traps that searches set for HTTP caches, for `larder-proxy` and for nginx and Varnish as they are
//! usually set up (`integration-tests/search/traps.py`), in front of a real search server.

use super::Programs;
use crate::packages::{self, Needed};
use crate::{Outcome, shell};

const NEEDED: &[Needed] = &[
    Needed { program: "nginx", package: "nginx-light" },
    Needed { program: "varnishd", package: "varnish" },
];

/// Sets them. The last line is `wrong answers: larder-proxy L, nginx N, varnish V`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    packages::ensure(NEEDED)?;
    let programs = Programs::ready()?;
    let mut run = programs.script("traps.py");
    run.args(["--nginx", "nginx", "--varnish", "varnishd", "--server", &programs.osmem]);
    shell::run(run.args(arguments))
}
