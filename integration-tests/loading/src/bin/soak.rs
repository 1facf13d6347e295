//! Lets several processes run under faults for a long time, and looks at what they leave behind.

use std::process::ExitCode;

fn main() -> ExitCode {
    loading_trials::soak::main()
}
