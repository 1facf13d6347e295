//! What `stampede` and `races` share: they are programs of `integration-tests/loading`, which know their own arguments.

use std::process::exit;

use crate::Outcome;
use crate::leftovers::Scratch;
use crate::packages::{self, Needed};
use crate::shell;

const PROGRAMS: &[(&str, Needed)] = &[
    ("redis", Needed { program: "redis-server", package: "redis-server" }),
    ("memcached", Needed { program: "memcached", package: "memcached" }),
];

/// Builds the program with optimisations, and runs it with the server it needs, if it names one.
pub(super) fn run(program: &str, arguments: &[String]) -> Outcome {
    for (store, needed) in PROGRAMS {
        if arguments.iter().any(|argument| argument == store) {
            packages::ensure(std::slice::from_ref(needed))?;
        }
    }
    let scratch = Scratch::new()?;
    let fixed = ["run", "--quiet", "--release", "--package", "loading-trials", "--bin", program, "--"];
    let run = shell::run(shell::cargo(fixed).args(arguments).env("TMPDIR", scratch.path()));
    let left = scratch.check();
    drop(scratch);
    left?;
    // The program has said why; its last line is to stand last.
    if run.is_err() { exit(1) } else { Ok(()) }
}
