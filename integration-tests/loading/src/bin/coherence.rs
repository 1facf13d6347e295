//! Lets processes keep copies near, stops them and cuts their bus, and counts the reads that were late.

use std::process::ExitCode;

fn main() -> ExitCode {
    loading_trials::coherence::main()
}
