//! Where the answers are kept: this program's own choice, wherever nobody has made another.

use std::{path::Path, time::Instant};

use larder::{
    Larder,
    config::{Explanation, Layer},
};

use crate::caching::{POPULAR, SEARCH};

/// What an answer is, whoever configures what: this interface speaks JSON, and a body in another format could not be
/// sent as it is.
const FIXED: [(&str, &str); 2] = [("caches.search.format", "json"), ("caches.popular.format", "json")];

/// What holds where neither a file nor the environment says anything.
const CHOSEN: [(&str, &str); 6] = [
    ("caches.search.namespace", "search-service/search"),
    // As long as a search may lag behind a document that was changed past this service.
    ("caches.search.ttl", "60s"),
    ("caches.search.codec", "gzip"),
    ("caches.popular.namespace", "search-service/popular"),
    ("caches.popular.ttl", "5m"),
    ("caches.popular.codec", "gzip"),
];

/// What is configured, for people.
#[derive(Debug)]
pub(crate) struct Setup {
    /// When the program started.
    pub(crate) started: Instant,
    /// Where search answers are kept.
    pub(crate) search: StoreInUse,
    /// Where popular pages are kept.
    pub(crate) popular: StoreInUse,
}

/// Where a cache keeps its entries; of a chain, in each store, nearest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreInUse {
    /// The name of the store.
    pub(crate) store: String,
    /// What kind of store it is.
    pub(crate) backend: String,
}

/// Reads the configuration. Nothing is connected to.
pub(crate) fn load(file: Option<&Path>) -> larder::Result<(Larder, Setup)> {
    // Twice: what was chosen here must not win over what others say, so it has to be known first what they do.
    let asked = build(file, &[])?;
    let unsaid = |(key, _): &&(&str, &str)| {
        asked.explain().get(key).is_none_or(|setting| setting.origin.layer == Layer::BuiltIn)
    };
    let chosen: Vec<_> = CHOSEN.iter().filter(unsaid).copied().collect();
    let larder = build(file, &chosen)?;

    let explained = larder.explain();
    tracing::debug!("the caches' configuration:\n{explained}");
    let setup = Setup {
        started: Instant::now(),
        search: StoreInUse::of(SEARCH, explained),
        popular: StoreInUse::of(POPULAR, explained),
    };
    Ok((larder, setup))
}

fn build(file: Option<&Path>, chosen: &[(&str, &str)]) -> larder::Result<Larder> {
    let mut builder = Larder::builder();
    if let Some(file) = file {
        builder = builder.file(file);
    }
    for (key, value) in FIXED.iter().chain(chosen) {
        builder = builder.set(*key, *value);
    }
    builder.build()
}

impl StoreInUse {
    fn of(cache: &str, explained: &Explanation) -> Self {
        let value = |key: &str| {
            let value = explained.get(key).map_or("", |setting| &setting.value);
            value.trim_matches('"').to_owned()
        };
        let written = value(&format!("caches.{cache}.store"));
        // One name, or a list of names.
        let names = written.trim_matches(['[', ']']).split(',').map(|name| name.trim().trim_matches('"'));
        let stores: Vec<&str> = names.collect();
        let backends: Vec<String> =
            stores.iter().map(|store| value(&format!("stores.{store}.backend"))).collect();
        Self { store: stores.join(", "), backend: backends.join(", ") }
    }
}
