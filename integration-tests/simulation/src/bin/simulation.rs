//! Simulates a fleet of nodes on one store.

use std::process::ExitCode;

fn main() -> ExitCode {
    simulation::main()
}
