//! The cases, family by family.

mod freshness;
mod loading;
mod loading_many;
mod reading;

use crate::case::Case;

pub(crate) fn all() -> Vec<Case> {
    [reading::CASES, loading::CASES, loading_many::CASES, freshness::CASES, crate::model::CASES].concat()
}
