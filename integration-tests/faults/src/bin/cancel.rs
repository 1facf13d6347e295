//! Drops reads at random points, and checks every answer that does come.

use std::process::ExitCode;

fn main() -> ExitCode {
    fault_trials::cancel::main()
}
