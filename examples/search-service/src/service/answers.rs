//! What is answered, and in which form it comes out of a cache.

use std::time::Duration;

use bytes::Bytes;
use larder::cache::{Encoded, Status, Value};
use serde::{Deserialize, Serialize};

use crate::{
    caching::FOUND,
    engine::{Crate, Document, Passage},
};

/// The media type of every answer.
pub(crate) const JSON: &str = "application/json";

/// A page of search results. There is nothing in it that depends on documents which are not on it, but for their
/// number; scores would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SearchAnswer {
    pub(crate) q: String,
    pub(crate) org: Option<String>,
    pub(crate) start: usize,
    pub(crate) size: usize,
    /// How many documents there are on all pages.
    pub(crate) found: usize,
    pub(crate) results: Vec<SearchResult>,
}

/// One document of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SearchResult {
    pub(crate) id: String,
    pub(crate) org: String,
    pub(crate) path: String,
    /// The length of the document.
    pub(crate) bytes: usize,
    pub(crate) lines: usize,
    pub(crate) passages: Vec<Passage>,
}

impl SearchResult {
    /// A document and what of it is shown.
    pub(crate) fn new(document: &Document, passages: Vec<Passage>) -> Self {
        Self {
            id: document.id(),
            org: document.org().to_owned(),
            path: document.path().to_owned(),
            bytes: document.text().len(),
            lines: document.text().lines().count(),
            passages,
        }
    }
}

/// A page of popular crates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PopularAnswer {
    pub(crate) region: Option<String>,
    pub(crate) gaia: bool,
    /// Whose sources were counted: the region's, if there is such a crate, otherwise none's in particular.
    pub(crate) counted_in: Option<String>,
    pub(crate) crates: Vec<Crate>,
}

/// Whether whoever asked can read bytes in this content coding.
pub(crate) type Accepts<'a> = &'a (dyn Fn(&str) -> bool + Sync);

/// An answer as it is sent: JSON, compressed if the cache has it so and whoever asked can read it.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) body: Bytes,
    pub(crate) coding: Option<&'static str>,
    /// Where it came from; `None` for past the cache, which could not take it or not give it back.
    pub(crate) status: Option<Status>,
    /// The same as the HTTP field `Cache-Status` (RFC 9211).
    pub(crate) cache_status: String,
    pub(crate) age: Duration,
    /// How many documents were found, as it stands beside the answer: nothing is decoded to know it.
    pub(crate) found: Option<u64>,
    /// How many bytes the cache has of it.
    pub(crate) stored: usize,
}

impl Served {
    /// What a cache gave. `None` if that cannot be read: a program of another version, or with other codecs, may have
    /// written it.
    pub(crate) fn from_cache<T: Value>(encoded: &Encoded<T>, accepts: Accepts<'_>) -> Option<Self> {
        if encoded.media_type() != Some(JSON) {
            return None;
        }
        let (body, coding) = match encoded.content_encoding() {
            Some(coding) if accepts(coding) => (encoded.body().bytes.clone(), Some(coding)),
            _ => (encoded.decompressed().ok()?, None),
        };
        let found = encoded.meta().user(FOUND).and_then(|found| str::from_utf8(found).ok()?.parse().ok());
        Some(Self {
            body,
            coding,
            status: Some(encoded.status()),
            cache_status: encoded.cache_status(),
            age: encoded.age(),
            found,
            stored: encoded.body().bytes.len(),
        })
    }

    /// An answer that no cache has seen.
    pub(crate) fn without_cache(body: Bytes) -> Self {
        let cache_status = "larder; fwd=bypass".to_owned();
        Self { body, coding: None, status: None, cache_status, age: Duration::ZERO, found: None, stored: 0 }
    }
}
