//! The cases, family by family.

mod loading;
mod reading;

use crate::case::Case;

pub(crate) fn all() -> Vec<Case> {
    [reading::CASES, loading::CASES, crate::model::CASES].concat()
}
