//! Writing on a condition: adds, writes that need a live entry, writes that need an unchanged one.

mod adding;
mod limits;
mod present;
mod races;
mod unchanged;

pub(crate) use self::races::at_once;
use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [adding::CASES, present::CASES, unchanged::CASES, limits::CASES, races::CASES].concat()
}
