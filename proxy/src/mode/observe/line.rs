//! One line of what was observed. The format is documented in `docs/proxy/operation.md`: other programs read it.

use std::time::{Duration, SystemTime};

use larder_http::search::Targets;
use serde::Serialize;

use super::Asked;
use crate::notes;

/// What a request is to a cache.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Its answer may be stored.
    Read,
    /// It may change answers.
    Write,
    /// Neither.
    Pass,
}

/// What is known of a request.
#[derive(Debug)]
pub(super) struct Line {
    at: SystemTime,
    method: String,
    pub(super) kind: Kind,
    pub(super) key: Option<u64>,
    /// The keys of the items of a request of many.
    pub(super) items: Vec<u64>,
    targets: Vec<String>,
    everything: bool,
    pub(super) why: Option<&'static str>,
    pub(super) status: u16,
    pub(super) request_bytes: usize,
    /// For how many seconds the answer says that it is fresh.
    pub(super) ttl: Option<u64>,
}

#[derive(Serialize)]
struct Written<'a> {
    time: String,
    /// Keys of one process can be compared with one another, and with those of no other.
    run: String,
    kind: Kind,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    targets: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    everything: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    status: u16,
    request_bytes: usize,
    bytes: u64,
    upstream_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
}

impl Line {
    /// More items of one request are not written.
    pub(super) const MOST: usize = 256;
    /// More names of one request are not written: then it is about everything.
    const NAMES: usize = 16;

    pub(super) fn new(method: &str) -> Self {
        Self {
            at: SystemTime::now(),
            method: method.chars().take(32).collect(),
            kind: Kind::Read,
            key: None,
            items: Vec::new(),
            targets: Vec::new(),
            everything: false,
            why: None,
            status: 0,
            request_bytes: 0,
            ttl: None,
        }
    }

    /// What it is about.
    pub(super) fn targets(&mut self, targets: &Targets) {
        self.targets = targets.names().take(Self::NAMES).map(str::to_owned).collect();
        self.everything = !targets.are_names() || targets.names().count() > Self::NAMES;
    }

    /// It is not for a cache.
    pub(super) fn passes(&mut self, why: &'static str, asked: Asked) -> Asked {
        self.not_stored(why);
        asked
    }

    /// It is not for a cache.
    pub(super) fn not_stored(&mut self, why: &'static str) {
        self.kind = Kind::Pass;
        self.why = Some(why);
    }

    /// As it is written, with what is known in the end.
    pub(super) fn text(&self, bytes: u64, upstream: Duration) -> String {
        let hex = |key: &u64| format!("{key:016x}");
        let written = Written {
            time: humantime::format_rfc3339_millis(self.at).to_string(),
            run: hex(&notes::hash(b"run")),
            kind: self.kind,
            method: &self.method,
            key: self.key.as_ref().map(hex),
            items: self.items.iter().map(hex).collect(),
            targets: &self.targets,
            everything: self.everything,
            why: self.why,
            status: self.status,
            request_bytes: self.request_bytes,
            bytes,
            upstream_ms: (upstream.as_secs_f64() * 1e6).round() / 1e3,
            ttl: self.ttl,
        };
        serde_json::to_string(&written).unwrap_or_default()
    }
}
