//! `cargo xtask faults`: every fault on every store, and what callers notice of it.

use super::trials;
use crate::Outcome;

/// Runs it. The last line is `N held, M fell short`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    trials::faults("faults", arguments)
}
