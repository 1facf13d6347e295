//! What `stampede`, `races`, `soak`, `simulation`, `faults` and `cancel` share: they are programs of `integration-tests/loading`,
//! `integration-tests/simulation` and `integration-tests/faults`, which know their own arguments.

use std::process::exit;

use crate::leftovers::Scratch;
use crate::metadata::Metadata;
use crate::packages::{self, Needed};
use crate::{Outcome, servers, shell};

const REDIS: Needed = Needed { program: "redis-server", package: "redis-server" };
const MEMCACHED: Needed = Needed { program: "memcached", package: "memcached" };

/// Which server a store needs that is named in the arguments.
const PROGRAMS: &[(&str, &Needed)] =
    &[("redis", &REDIS), ("memcached", &MEMCACHED), ("ring", &MEMCACHED), ("chain", &REDIS)];

/// A program of the loading trials.
pub(super) fn loading(program: &str, arguments: &[String]) -> Outcome {
    run("loading-trials", program, arguments)
}

/// The loading trial whose processes keep copies near, on Redis.
pub(super) fn coherence(arguments: &[String]) -> Outcome {
    packages::ensure(&[REDIS])?;
    run("loading-trials", "coherence", arguments)
}

/// A program of the fault trials. They try all stores unless they are told which.
pub(super) fn faults(program: &str, arguments: &[String]) -> Outcome {
    packages::ensure(&[REDIS, MEMCACHED])?;
    run("fault-trials", program, arguments)
}

/// The long run, which is one of the loading trials and always has a Redis.
pub(super) fn soak(arguments: &[String]) -> Outcome {
    packages::ensure(&[REDIS])?;
    run("loading-trials", "soak", arguments)
}

/// The simulation. What its costs are measured on is a real server.
pub(super) fn simulation(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--measure") {
        packages::ensure(&[REDIS])?;
    }
    run("simulation", "simulation", arguments)
}

/// Builds the program with optimisations, and runs it with the servers it needs, if it names some.
fn run(package: &str, program: &str, arguments: &[String]) -> Outcome {
    let is_named = |store: &str| arguments.iter().any(|argument| argument == store);
    for (store, needed) in PROGRAMS {
        if is_named(store) {
            packages::ensure(std::slice::from_ref(needed))?;
        }
    }
    let others = if is_named("valkey") {
        servers::prepare(&Metadata::of_workspace()?.target_directory())
    } else {
        Vec::new()
    };
    let scratch = Scratch::new()?;
    let fixed = ["run", "--quiet", "--release", "--package", package, "--bin", program, "--"];
    let mut command = shell::cargo(fixed);
    command.args(arguments).env("TMPDIR", scratch.path()).envs(others);
    let run = shell::run(&mut command);
    let left = scratch.check();
    drop(scratch);
    left?;
    // The program has said why; its last line is to stand last.
    if run.is_err() { exit(1) } else { Ok(()) }
}
