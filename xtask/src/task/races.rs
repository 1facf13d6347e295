//! `cargo xtask races`: readers, writers and callers who go away, and how many reads are stale.

use super::trials;
use crate::Outcome;

/// Runs it. The last line is `stale reads: N of N rounds`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    trials::loading("races", arguments)
}
