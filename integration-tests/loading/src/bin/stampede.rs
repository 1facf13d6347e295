//! Sends many callers to one cold key, and counts the loads.

use std::process::ExitCode;

fn main() -> ExitCode {
    loading_trials::stampede::main()
}
