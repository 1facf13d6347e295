//! Names that lead nowhere, and those that lead to the same place.

use std::collections::BTreeMap;

use crate::{
    builtin,
    config::{Origin, did_you_mean, fold, list, quoted},
};

/// Why two caches must not have one namespace.
pub(crate) fn shares_namespace(namespace: &str, other: &str, origin: Option<&Origin>) -> String {
    let place = origin.map_or_else(String::new, |origin| format!(" ({origin})"));
    format!(
        "the cache {other:?}{place} has the namespace {namespace:?} on the same store; a load of one could bring back \
         what the other has just invalidated, so use one cache for both"
    )
}

/// That nothing is called so, and what is.
pub(crate) fn unknown<'n>(what: &str, name: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let accepted = list(names.iter().copied());
    let quoted = quoted(name);
    match builtin::feature_of(name) {
        Some(feature) if what == "backend" || what == "codec" => format!(
            "the {what} {quoted} is not in this program, which was built without larder's feature {feature:?}. \
             Accepted: {accepted}"
        ),
        _ => format!(
            "there is no {what} {quoted}{} Accepted: {accepted}",
            did_you_mean(name, names.into_iter())
        ),
    }
}

/// Finds a cache by the name that the program has for it; variables write `-` as `_`.
pub(crate) fn find_cache<'c, C>(caches: &'c BTreeMap<String, C>, name: &str) -> Option<&'c C> {
    caches.get(name).or_else(|| caches.get(&fold(name)))
}
