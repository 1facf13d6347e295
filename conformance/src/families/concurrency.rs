//! Everything at once. The races are run in rounds, and the seed they come from is in the record of a failure.

mod coherence;
mod duels;
mod mixture;

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [duels::CASES, mixture::CASES, coherence::CASES].concat()
}
