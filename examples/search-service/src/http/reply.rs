//! An answer on its way out.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, header},
};

use super::encoding;
use crate::service::{JSON, Outcome};

/// The response for an answer: its bytes as they are.
pub(crate) fn reply(outcome: Outcome) -> Response<Body> {
    let Outcome { served, ids_took, answer_took } = outcome;
    let mut response = Response::new(Body::from(served.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = served.coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let timing = format!("ids;dur={}, answer;dur={}", millis(ids_took), millis(answer_took));
    for (name, value) in [("cache-status", served.cache_status), ("server-timing", timing)] {
        // Both are printable ASCII.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Whether whoever sent these headers can read a content coding.
pub(crate) fn reader(headers: &HeaderMap) -> impl Fn(&str) -> bool + Sync {
    |coding| encoding::accepts(headers, coding)
}

/// Milliseconds, to the microsecond.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64() * 1000.0)
}
