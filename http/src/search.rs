//! Elasticsearch and OpenSearch: what a request is, what it depends on or changes, its key, and what of an answer may be stored.
//!
//! The order in which a proxy uses it: [`classify`] says what a request is. A [`Endpoint::Read`] gets its [`key`]; its answer
//! passes [`storable`] before it is stored. A [`Endpoint::Write`] or [`Endpoint::Bulk`] says which generations are to be bumped
//! ([`Targets::bumps`]). [`msearch`] and [`mget`] take requests of many apart and put answers together. [`verifiable`] and [`hits`]
//! are for answers that are checked each time.

mod aliases;
mod answer;
mod bulk;
mod classify;
mod inspect;
mod key;
mod many;
mod order;
pub(crate) mod path;
mod refresh;
mod sequence;
mod targets;
mod verify;

pub(crate) use self::answer::admission;
pub use self::{
    aliases::AliasMap,
    answer::{Admission, Why, storable},
    bulk::{BulkScanner, reindex_destination},
    classify::{Endpoint, PassReason, ReadKind, WriteKind, classify},
    key::{Keyed, key},
    many::{Answers, Item, Many, mget, msearch},
    order::order,
    refresh::{Dirty, Refresh},
    sequence::SequenceNumbers,
    targets::{Bumps, Depends, MAX_NAME, MAX_NAMES, Names, Targets},
    verify::{Hits, Identities, Verifiable, hits, verifiable},
};
