//! An answer that is stored, without its body: what every later decision is made from.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request, response};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{date::millis_of, freshness::Freshness, vary::Selecting};

/// A request, its answer, and when they were sent and received.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// What was asked, as the client wrote it.
    pub request: &'a request::Parts,
    /// What the upstream answered.
    pub answer: &'a response::Parts,
    /// When the request was sent.
    pub asked: SystemTime,
    /// When the answer's fields had arrived.
    pub answered: SystemTime,
}

/// A stored answer without its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The status.
    #[serde(serialize_with = "status_out", deserialize_with = "status_in")]
    pub status: StatusCode,
    /// The fields that are stored.
    #[serde(serialize_with = "fields_out", deserialize_with = "fields_in")]
    pub headers: HeaderMap,
    /// What of the request chose this answer.
    pub selecting: Selecting,
    /// When it was received, in milliseconds since 1970.
    pub received: u64,
    /// How long it may be used.
    pub freshness: Freshness,
}

impl Stored {
    /// How old the answer is, in seconds (RFC 9111, 4.2.3). A clock that was set back adds nothing.
    pub fn age(&self, now: SystemTime) -> u64 {
        let here = millis_of(now).saturating_sub(self.received) / 1000;
        self.freshness.on_arrival.saturating_add(here)
    }

    /// For how many seconds longer it is fresh; negative once it is stale.
    pub fn ttl(&self, now: SystemTime) -> i64 {
        let end = i64::try_from(self.freshness.lifetime).unwrap_or(i64::MAX);
        end.saturating_sub(i64::try_from(self.age(now)).unwrap_or(i64::MAX))
    }
}

/// More fields than this are not read back from a store.
const MAX_FIELDS: usize = 1024;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn status_out<S: Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}

fn status_in<'de, D: Deserializer<'de>>(from: D) -> Result<StatusCode, D::Error> {
    StatusCode::from_u16(u16::deserialize(from)?).map_err(D::Error::custom)
}

fn fields_out<S: Serializer>(fields: &HeaderMap, to: S) -> Result<S::Ok, S::Error> {
    let value = |value: &HeaderValue| bytes::Bytes::copy_from_slice(value.as_bytes());
    to.collect_seq(fields.iter().map(|(name, content)| (name.as_str(), value(content))))
}

fn fields_in<'de, D: Deserializer<'de>>(from: D) -> Result<HeaderMap, D::Error> {
    let fields: Vec<(String, bytes::Bytes)> = Vec::deserialize(from)?;
    if fields.len() > MAX_FIELDS {
        return Err(D::Error::custom("more header fields than an answer may have"));
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(D::Error::custom)?;
        let value = HeaderValue::from_maybe_shared(value).map_err(D::Error::custom)?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn stored() -> Stored {
        let mut headers = HeaderMap::new();
        headers.append("a", HeaderValue::from_bytes(b"\xff1").unwrap());
        headers.append("a", "2".parse().unwrap());
        Stored {
            status: StatusCode::OK,
            headers,
            selecting: Selecting::of(&HeaderMap::new(), &["x".parse().unwrap()]),
            received: 10_000,
            freshness: Freshness { on_arrival: 5, lifetime: 60, ..Freshness::default() },
        }
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let text = serde_json::to_string(&stored()).unwrap();
        assert_eq!(serde_json::from_str::<Stored>(&text).unwrap(), stored());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let text = serde_json::to_string(&stored()).unwrap();
        for (from, to) in
            [("200", "99"), ("200", "1000"), ("[\"a\",[255,49]]", "[\"a b\",[1]]"), ("[255,49]", "[10]")]
        {
            assert!(text.contains(from), "{text}");
            assert!(serde_json::from_str::<Stored>(&text.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn age_and_ttl() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!((stored().age(at(11_999)), stored().ttl(at(11_999))), (6, 54));
        assert_eq!(stored().ttl(at(70_000)), -5);
        assert_eq!(stored().age(at(0)), 5);
    }
}
