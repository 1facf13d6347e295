//! The page for people, and what it shows.

use std::hash::{BuildHasher as _, RandomState};

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::typed;
use crate::{body::Body, counters::Outcome, service::Proxy, statistics::Snapshot};

/// All of it: no other file, and nothing from elsewhere.
const PAGE: &str = include_str!("page.html");
/// Where the page has the number that says which script may run.
const NONCE: &str = "NONCE";

/// The page. Nothing runs on it but its own script, whatever is shown.
pub(super) fn page() -> Response<Body> {
    let nonce = format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2));
    let mut answer = typed(StatusCode::OK, "text/html; charset=utf-8", PAGE.replace(NONCE, &nonce));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

#[derive(Serialize)]
struct Shown {
    version: &'static str,
    outcomes: Vec<(&'static str, u64)>,
    connections: u64,
    store_failures: u64,
    upstream_failures: u64,
    invalidations_owed: u64,
    lines_dropped: u64,
    upstreams: Vec<Place>,
    #[serde(flatten)]
    snapshot: Snapshot,
}

#[derive(Serialize)]
struct Place {
    upstream: String,
    address: String,
    well: bool,
    why: Option<String>,
}

/// What the page shows, as JSON.
pub(super) fn statistics(proxy: &Proxy) -> Response<Body> {
    let counters = proxy.counters();
    let running = proxy.running();
    let mut upstreams = Vec::new();
    for (name, upstream) in &running.upstreams {
        upstreams.extend(upstream.healths().into_iter().map(|health| Place {
            upstream: name.clone(),
            address: health.address,
            well: health.is_well,
            why: health.why,
        }));
    }
    let shown = Shown {
        version: env!("CARGO_PKG_VERSION"),
        outcomes: Outcome::all().map(|outcome| (outcome.name(), counters.of(outcome))).collect(),
        connections: counters.connections.get(),
        store_failures: counters.store_failures.get(),
        upstream_failures: counters.upstream_failures.get(),
        invalidations_owed: counters.invalidations_owed.get(),
        lines_dropped: counters.lines_dropped.get(),
        upstreams,
        snapshot: proxy.statistics().snapshot(),
    };
    typed(StatusCode::OK, "application/json", serde_json::to_vec(&shown).unwrap_or_default())
}
