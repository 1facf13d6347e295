//! `cargo xtask cancel`: reads that are dropped at random points, and whether an answer ever reaches another caller.

use super::trials;
use crate::Outcome;

/// Runs it. The last line is `N gets, W wrong`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    trials::faults("cancel", arguments)
}
