//! Breaks stores and measures what callers notice.

use std::process::ExitCode;

fn main() -> ExitCode {
    fault_trials::faults::main()
}
