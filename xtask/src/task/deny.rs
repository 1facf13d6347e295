//! `cargo xtask deny`: licences, bans, sources and known advisories, as `deny.toml` says.

use crate::Outcome;
use crate::shell::{self, cargo, succeeds};

/// The release that `deny.toml` was written for.
const VERSION: &str = "0.20.2";

/// Runs cargo-deny, and installs it first if it is not there.
pub(crate) fn run(_: &[String]) -> Outcome {
    if !succeeds(&mut cargo(["deny", "--version"])) {
        // Unoptimised, it is built within a minute on two cores, and still runs for a second or two only.
        shell::run(&mut cargo(["install", "cargo-deny", "--locked", "--debug", "--version", VERSION]))?;
    }
    shell::run(&mut cargo(["deny", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))?;

    // The database of advisories comes from elsewhere than the crates, and not every network lets it through.
    if shell::run(&mut cargo(["deny", "fetch", "db"])).is_err() {
        eprintln!("note: advisories were NOT checked, since their database could not be fetched");
        return Ok(());
    }
    shell::run(&mut cargo(["deny", "check", "--disable-fetch", "advisories"]))
}
