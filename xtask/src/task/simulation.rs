//! `cargo xtask simulation`: up to 1 000 nodes on one simulated store with a bus, in virtual time.

use super::trials;
use crate::Outcome;

/// Runs it. The last line is `simulation: N reads, 0 wrong`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    trials::simulation(arguments)
}
