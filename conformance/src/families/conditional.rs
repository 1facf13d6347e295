//! Writing on a condition: adds, writes that need a live entry, writes that need an unchanged one.

mod adding;
mod limits;
mod present;
mod races;
mod removing;
mod tokens;
mod touching;
mod unchanged;

pub(crate) use self::races::at_once;
use self::unchanged::token;
use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [
        adding::CASES,
        present::CASES,
        unchanged::CASES,
        removing::CASES,
        touching::CASES,
        tokens::CASES,
        limits::CASES,
        races::CASES,
    ]
    .concat()
}
