//! What the answer says that the cache did, read back from its `Cache-Status`, so that no mode has to say it twice; and the same for
//! people.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue};
use larder_http::caching::cache_status::CACHE_STATUS;

use crate::counters::Outcome;

/// What this proxy's member of `Cache-Status` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    pub(crate) forward: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) stored: bool,
    pub(crate) ttl: Option<i64>,
}

impl Told {
    /// Of an answer: what stands there last is this proxy's own.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get_all(CACHE_STATUS).iter().next_back();
        value.and_then(|value| value.to_str().ok()).map(Self::read).unwrap_or_default()
    }

    fn read(value: &str) -> Self {
        let mut told = Self::default();
        // The first is the name.
        for parameter in parameters(value).skip(1) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            let value = || quoted.map_or_else(|| value.to_owned(), |quoted| quoted.replace("\\\"", "\""));
            match name {
                "fwd" => told.forward = Some(value()),
                "detail" => told.detail = Some(value()),
                "stored" => told.stored = true,
                "ttl" => told.ttl = value().parse().ok(),
                _ => {}
            }
        }
        told
    }

    /// Why nothing was stored, in a few words; none if it was, or if it was there already.
    pub(crate) fn unstored(&self, outcome: Outcome) -> Option<&str> {
        match outcome {
            Outcome::Miss if !self.stored => Some(self.detail.as_deref().unwrap_or("not stored")),
            Outcome::Pass => Some(match (self.detail.as_deref(), self.forward.as_deref()) {
                (Some(detail), _) => detail,
                (None, Some("method")) => "a method that changes something",
                (None, _) => "a route that passes everything",
            }),
            _ => None,
        }
    }

    /// Why the request was a hit, a miss or a pass.
    pub(crate) fn why(&self, outcome: Outcome) -> String {
        let detail = self.detail.as_deref();
        let mut why = match outcome {
            Outcome::Hit => "an answer is stored, and fresh".to_owned(),
            Outcome::Stale => "an answer is stored, and stale; it may be served meanwhile".to_owned(),
            Outcome::Revalidated => "a stale answer is stored, and the upstream has confirmed it".to_owned(),
            Outcome::Joined => "another request for the same was under way; its answer is shared".to_owned(),
            Outcome::Miss => match self.forward.as_deref() {
                Some("vary-miss") => "what is stored is for requests with other fields (Vary)",
                Some("request") => "the client asked for a newer answer than the stored one",
                Some("stale") => "what is stored is stale",
                _ => "nothing is stored for this question",
            }
            .to_owned(),
            Outcome::Pass => match self.forward.as_deref() {
                Some("method") => "its method may change something, so the upstream has to see it",
                Some("request") => "the client does not want an answer from a cache",
                _ => "not for the cache",
            }
            .to_owned(),
            Outcome::Failed => "the proxy has answered with an error of its own".to_owned(),
        };
        if let Some(detail) = detail {
            let _ = write!(why, ": {detail}");
        }
        match outcome {
            Outcome::Miss | Outcome::Revalidated if self.stored => why.push_str("; now it is stored"),
            Outcome::Miss => why.push_str("; it was not stored"),
            _ => {}
        }
        why
    }

    /// The value of `X-Larder-Explain`. `parts` are names and values of what else there is to say. What no field can hold is left
    /// out.
    pub(crate) fn explanation(&self, outcome: Outcome, parts: &[(&str, &str)]) -> Option<HeaderValue> {
        let mut value = outcome.name().to_owned();
        let why = self.why(outcome);
        for (name, part) in [("why", &*why)].iter().chain(parts) {
            let shown: String = part.chars().map(|c| if is_plain(c) { c } else { '?' }).collect();
            let _ = write!(value, "; {name}=\"{shown}\"");
        }
        if let Some(ttl) = self.ttl {
            let _ = write!(value, "; ttl={ttl}");
        }
        HeaderValue::try_from(value).ok()
    }
}

fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && c != '"' && c != '\\'
}

/// The parts between semicolons that stand in no string.
fn parameters(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |c| {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = quoted,
                '"' => quoted = !quoted,
                _ => {}
            }
            c == ';' && !quoted
        })
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use larder_http::caching::cache_status::{CacheStatus, Forward};

    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        for name in ["larder", "a; \"hit\"; b"] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_STATUS, HeaderValue::from_static("other;hit;detail=theirs"));
            let mut status = CacheStatus::default();
            status.forward = Some(Forward::UriMiss);
            status.detail = Some("a; large \"answer\"");
            status.ttl = Some(-3);
            status.append(name, &mut headers);
            let told = Told::of(&headers);
            let expected = Told {
                forward: Some("uri-miss".to_owned()),
                detail: Some("a; large \"answer\"".to_owned()),
                stored: false,
                ttl: Some(-3),
            };
            assert_eq!(told, expected, "{name}");
        }
        assert_eq!(Told::of(&HeaderMap::new()), Told::default());
    }

    #[test]
    fn why() {
        let told = Told::read("larder;fwd=uri-miss;detail=\"a large answer\"");
        assert_eq!(
            told.why(Outcome::Miss),
            "nothing is stored for this question: a large answer; it was not stored"
        );
        assert_eq!(told.unstored(Outcome::Miss), Some("a large answer"));
        assert_eq!(Told::read("larder;fwd=uri-miss;stored").unstored(Outcome::Miss), None);
        assert_eq!(
            Told::read("larder;fwd=method").unstored(Outcome::Pass),
            Some("a method that changes something")
        );
    }

    #[test]
    fn nothing_breaks_out_of_an_explanation() {
        let told = Told { detail: Some("a\"; b\r\nx: \u{e9}".to_owned()), ..Told::default() };
        let value = told.explanation(Outcome::Pass, &[("route", "r\"")]).unwrap();
        assert_eq!(value, "pass; why=\"not for the cache: a?; b??x: ?\"; route=\"r?\"");
    }
}
