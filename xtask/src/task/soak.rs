//! `cargo xtask soak`: several processes on one Redis under faults, for a long time, and what they leave behind.

use super::trials;
use crate::Outcome;

/// Runs it. The last line is `soak: N reads, 0 errors, 0 wrong, memory flat`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    trials::soak(arguments)
}
