//! The cases, family by family.

mod bulk;
mod concurrency;
mod conditional;
mod encoding;
mod envelope;
mod failing;
mod faulty;
mod freshness;
mod keys;
mod lifecycle;
mod loading;
mod loading_many;
mod namespaces;
mod null;
mod random;
mod reading;
mod stats;
mod tags;
mod ttl;
mod values;
mod writing;

use crate::case::Case;

pub(crate) fn all() -> Vec<Case> {
    [
        reading::CASES.to_vec(),
        writing::CASES.to_vec(),
        conditional::cases(),
        bulk::cases(),
        values::cases(),
        keys::cases(),
        ttl::cases(),
        namespaces::cases(),
        tags::cases(),
        encoding::cases(),
        envelope::cases(),
        loading::cases(),
        loading_many::CASES.to_vec(),
        freshness::CASES.to_vec(),
        failing::CASES.to_vec(),
        stats::CASES.to_vec(),
        lifecycle::CASES.to_vec(),
        concurrency::cases(),
        null::CASES.to_vec(),
        crate::model::CASES.to_vec(),
    ]
    .concat()
}
