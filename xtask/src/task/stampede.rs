//! `cargo xtask stampede`: many callers, one cold key, and how many loads there are.

use super::trials;
use crate::Outcome;

/// Runs it. The last line is `loads: N`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    trials::loading("stampede", arguments)
}
