//! `cargo xtask coherence`: processes that keep copies near, stopped and cut off at random, and how many reads are late.

use super::trials;
use crate::Outcome;

/// Runs it. The last line is `late reads: N of N`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    trials::coherence(arguments)
}
