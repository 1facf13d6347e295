//! What is in the cache: answers, and the marks of the refresh gap beside them, so that both are in one store.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, WARNING},
};
use larder_http::search::{Names, SequenceNumbers};
use serde::{Deserialize, Serialize};

use super::holders::Holders;

/// Without it, some clients refuse to work.
pub(super) const PRODUCT: HeaderName = HeaderName::from_static("x-elastic-product");

/// What is in the cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Entry {
    /// An answer.
    Answer(Answer),
    /// A mark, with the proxies that hold it.
    Mark(Holders),
    /// Bodies of the documents that a search has found, in mode `verify`.
    Bodies(Bodies),
    /// What names of indices stand for.
    Names(Names),
    /// What the sequence numbers of indices were.
    Numbers {
        /// A random number, by which one time of asking is known from another.
        turn: u64,
        /// The numbers.
        numbers: SequenceNumbers,
    },
    /// What may not be stored, for those who have waited for it.
    #[serde(skip)]
    Unstored(Unstored),
}

/// An answer that may be stored. Its status is 200.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// `Content-Type`.
    pub content_type: Option<Bytes>,
    /// `X-Elastic-Product`, without which some clients refuse to work.
    pub product: Option<Bytes>,
    /// `Warning`, of which there may be several.
    pub warnings: Vec<Bytes>,
    /// A strong entity tag.
    pub etag: String,
    /// The body, without a coding.
    pub body: Bytes,
    /// How long it is fresh. A store whose TTLs are extended by reads may have it for longer.
    pub life: Duration,
    /// Whether it was made in a refresh gap, so that it is never served stale.
    pub in_gap: bool,
    /// The upstream's own entity tag, by which it confirms the answer when `life` is over.
    pub validator: Option<Bytes>,
}

impl Answer {
    /// Its fields, as they were sent.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &[u8]| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.append(name, value);
            }
        };
        for (name, value) in [(CONTENT_TYPE, &self.content_type), (PRODUCT, &self.product)] {
            value.iter().for_each(|value| put(name.clone(), value));
        }
        self.warnings.iter().for_each(|value| put(WARNING, value));
        headers
    }
}

/// Bodies of documents, for as long as a search finds the same versions of them in the same order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bodies {
    /// Of which versions of which documents.
    pub fingerprint: [u8; 32],
    /// One for each hit, where it has one.
    pub bodies: Vec<Option<Bytes>>,
}

/// An answer that may not be stored.
#[derive(Debug, Clone)]
pub enum Unstored {
    /// One that was read to its end.
    Whole(Whole),
    /// One that streams to the client whose request it was.
    Elsewhere,
}

/// An answer of whatever status.
#[derive(Debug, Clone)]
pub struct Whole {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, without those of the connection.
    pub headers: HeaderMap,
    /// Its body, in whatever coding.
    pub body: Bytes,
    /// Why it is not stored.
    pub why: &'static str,
}

impl Entry {
    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> u64 {
        let bytes = match self {
            Self::Answer(answer) => {
                let fields = answer.content_type.iter().chain(&answer.product).chain(&answer.validator);
                let fields = fields.chain(&answer.warnings);
                answer.body.len() + fields.map(Bytes::len).sum::<usize>() + answer.etag.len() + 256
            }
            Self::Unstored(Unstored::Whole(whole)) => whole.body.len() + 256,
            Self::Bodies(bodies) => {
                bodies.bodies.iter().flatten().map(|body| body.len() + 64).sum::<usize>() + 128
            }
            // A name and its indices.
            Self::Names(Names::Map(map)) => map.len() * 128,
            Self::Numbers { numbers, .. } => numbers.len() * 128,
            Self::Mark(_) | Self::Names(_) | Self::Unstored(Unstored::Elsewhere) => 64,
        };
        bytes as u64
    }
}
