//! Namespaces: whose keys are whose, and what a clear reaches.

mod apart;
mod clearing;
mod peers;
mod reach;

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [apart::CASES, clearing::CASES, reach::CASES, peers::CASES].concat()
}
