//! Solr: what a request is, its key, and what of an answer may be stored. Names and generations are those of
//! [`search`](crate::search): a collection may be an alias, too.

mod answer;
mod classify;
mod key;
mod within;

pub use self::{
    answer::storable,
    classify::{Commit, Endpoint, classify},
    key::{Keyed, key},
    within::WithinScanner,
};
