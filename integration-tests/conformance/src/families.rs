//! The cases, family by family.

mod freshness;
mod loading;
mod reading;

use crate::case::Case;

pub(crate) fn all() -> Vec<Case> {
    [reading::CASES, loading::CASES, freshness::CASES, crate::model::CASES].concat()
}
