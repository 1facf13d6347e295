//! From what is stored to a client's answer: what belongs to the answer is replayed, what belongs to the request is the current
//! request's.

use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, ETAG, SET_COOKIE},
};
use larder_http::caching::{cache_status::CacheStatus, conditional::names_tag, fields};

use super::{
    super::Asked,
    entry::{Answer, Whole},
    load::Brought,
};
use crate::body::{Body, empty, full};

/// Given back as the request has it.
const OPAQUE_ID: HeaderName = HeaderName::from_static("x-opaque-id");

/// A stored answer. `age` is how old it is, in seconds.
pub(super) fn stored(
    asked: &Asked,
    answer: &Answer,
    age: u64,
    status: CacheStatus,
    name: &str,
) -> Response<Body> {
    let mut response = Response::new(full(answer.body.clone()));
    *response.headers_mut() = answer.headers();
    let headers = response.headers_mut();
    headers.insert(AGE, HeaderValue::from(age));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    finish(asked, response, Some(&answer.etag), status, name)
}

/// An answer that was put together of several.
pub(super) fn put_together(
    asked: &Asked,
    mut response: Response<Body>,
    etag: &str,
    status: CacheStatus,
    name: &str,
) -> Response<Body> {
    for name in [SET_COOKIE, ETAG] {
        response.headers_mut().remove(name);
    }
    finish(asked, response, Some(etag), status, name)
}

/// What was brought for this very request.
pub(super) fn brought(asked: &Asked, brought: Brought, status: CacheStatus, name: &str) -> Response<Body> {
    let Brought { answer, kept, .. } = brought;
    finish(asked, answer, kept.as_deref().ok(), status, name)
}

/// What was brought for another request and is not stored. Whose session it was is not said.
pub(super) fn unstored(asked: &Asked, whole: &Whole, status: CacheStatus, name: &str) -> Response<Body> {
    let mut response = Response::new(full(whole.body.clone()));
    *response.status_mut() = whole.status;
    *response.headers_mut() = whole.headers.clone();
    response.headers_mut().remove(SET_COOKIE);
    finish(asked, response, None, status, name)
}

fn finish(
    asked: &Asked,
    mut response: Response<Body>,
    etag: Option<&str>,
    status: CacheStatus,
    name: &str,
) -> Response<Body> {
    if let Some(etag) = etag {
        if names_tag(&asked.parts.headers, etag.as_bytes()) {
            *response.body_mut() = empty();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        if let Ok(etag) = HeaderValue::from_str(etag) {
            response.headers_mut().insert(ETAG, etag);
        }
        // Nobody behind this proxy sees a write; whoever keeps an answer there has to ask.
        if !response.headers().contains_key(CACHE_CONTROL) {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
    }
    response.headers_mut().remove(&OPAQUE_ID);
    if let Some(id) = asked.parts.headers.get(&OPAQUE_ID) {
        response.headers_mut().insert(OPAQUE_ID, id.clone());
    }
    fields::remove_hop_by_hop(response.headers_mut());
    status.append(name, response.headers_mut());
    response
}
