//! Elasticsearch and OpenSearch: what a request is, what it depends on or changes, its key, and what of an answer may be stored.
//!
//! The order in which a proxy uses it: [`classify`] says what a request is. A [`Endpoint::Read`] gets its [`key`]; its answer
//! passes [`storable`] before it is stored. A [`Endpoint::Write`] or [`Endpoint::Bulk`] says which generations are to be bumped
//! ([`Targets::bumps`]). [`msearch`] and [`mget`] take requests of many apart and put answers together.

mod classify;
mod inspect;
mod key;
mod order;
mod path;
mod targets;

pub use self::{
    classify::{Endpoint, PassReason, ReadKind, WriteKind, classify},
    key::{Keyed, key},
    order::order,
    targets::{AliasMap, Bumps, Depends, MAX_NAME, MAX_NAMES, Names, Targets},
};
