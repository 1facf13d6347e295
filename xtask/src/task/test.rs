//! `cargo xtask test`: all tests, with everything around them that they need.

use crate::Outcome;
use crate::leftovers::Scratch;
use crate::metadata::Metadata;
use crate::packages::{self, Needed};
use crate::task::conformance;
use crate::{python, servers, shell};

/// The servers, and the TLS client with which their own tests look at them.
const PROGRAMS: &[Needed] = &[
    Needed { program: "redis-server", package: "redis-server" },
    Needed { program: "redis-cli", package: "redis-tools" },
    Needed { program: "memcached", package: "memcached" },
    Needed { program: "openssl", package: "openssl" },
];

/// Runs all tests, those in the documentation, and the conformance suite over every store. With arguments, which go to
/// the test runner in place of `--workspace`, only what they choose: `cargo xtask test -p larder-redis`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    packages::ensure(PROGRAMS)?;
    let target = Metadata::of_workspace()?.target_directory();
    let python = python::prepare(&target)?;
    let servers = servers::prepare(&target);
    let scratch = Scratch::new()?;
    let cargo = |fixed: &[&str]| {
        let mut command = shell::cargo(fixed);
        // Tests of other languages' readers use this Python, and fail, rather than skip, if it is named and wrong.
        command.env("LARDER_PYTHON", &python).env("TMPDIR", scratch.path());
        command.envs(servers.iter().map(|(variable, program)| (variable, program)));
        command
    };

    let nextest = shell::succeeds(&mut shell::cargo(["nextest", "--version"]));
    let mut tests =
        cargo(if nextest { &["nextest", "run", "--no-fail-fast"] } else { &["test", "--no-fail-fast"] });
    let result = if arguments.is_empty() {
        // nextest runs no documentation tests; `cargo test` has run them already.
        shell::run(tests.arg("--workspace"))
            .and_then(|()| {
                if nextest { shell::run(&mut cargo(&["test", "--doc", "--workspace"])) } else { Ok(()) }
            })
            // The suite over every store in one process: neither of the two above runs it.
            .and_then(|()| conformance::everything(scratch.path()))
    } else {
        shell::run(tests.args(arguments))
    };
    // A failed test may be the very one that left something behind.
    match (result, scratch.check()) {
        (Err(failure), Err(left)) => Err(format!("{failure}\n{left}").into()),
        (result, checked) => result.and(checked),
    }
}
