//! Tags: what an invalidation kills, what it leaves, and what it leaves behind.

mod bookkeeping;
mod invalidating;
mod limits;
mod peers;

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [invalidating::CASES, limits::CASES, bookkeeping::CASES, peers::CASES].concat()
}
