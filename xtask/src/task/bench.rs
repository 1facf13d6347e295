//! `cargo xtask bench`: Larder side by side with its peers, in `bench/`, a workspace of its own.

use std::process::Command;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::packages::{self, Needed};
use crate::shell::{self, cargo};

/// What some of the rows need.
const PROGRAMS: &[Needed] = &[
    Needed { program: "redis-server", package: "redis-server" },
    Needed { program: "memcached", package: "memcached" },
    Needed { program: "strip", package: "binutils" },
    Needed { program: "nginx", package: "nginx-light" },
    Needed { program: "varnishd", package: "varnish" },
];

/// Builds it, with the two programs whose sizes it compares, and runs it with these arguments.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    // What cannot be installed is missing in its rows only, and they say so.
    if let Err(missing) = packages::ensure(PROGRAMS) {
        eprintln!("xtask bench: {missing}");
    }
    // `--locked`, since the peers' versions belong to the figures.
    let build = ["build", "--release", "--workspace", "--locked", "--manifest-path", "bench/Cargo.toml"];
    // A target folder that the environment names would mix these with the project's own crates.
    shell::run(cargo(build).env("CARGO_TARGET_DIR", "bench/target"))?;
    let program = shell::root().join("bench/target/release/larder-bench");
    let mut bench = Command::new(program);
    if of_the_proxy(arguments) {
        // As `cargo install` makes it.
        shell::run(&mut cargo(["build", "--release", "--locked", "--package", "larder-proxy"]))?;
        bench.env("LARDER_PROXY", Metadata::of_workspace()?.target_directory().join("release/larder-proxy"));
    }
    shell::run(bench.args(arguments).current_dir(shell::root()))
}

/// Whether the row `proxy` is measured: it was named, or no row was.
fn of_the_proxy(arguments: &[String]) -> bool {
    let mut rows = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    rows.peek().is_none() || rows.any(|row| row == "proxy")
}
