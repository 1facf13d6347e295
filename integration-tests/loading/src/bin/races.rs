//! Lets readers, writers and callers who go away meet, and counts the reads that were stale.

use std::process::ExitCode;

fn main() -> ExitCode {
    loading_trials::races::main()
}
