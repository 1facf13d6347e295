//! Times to live: what ends when, and what neither ends nor lives on.

mod edges;
mod expiry;
mod overwriting;
mod remaining;
mod touching;

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [expiry::CASES, edges::CASES, overwriting::CASES, touching::CASES, remaining::CASES].concat()
}
