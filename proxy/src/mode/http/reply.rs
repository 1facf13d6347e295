//! From a stored answer to a client's: its age, its conditions, with or without a body.

use std::time::SystemTime;

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, DATE, ETAG, EXPIRES, LAST_MODIFIED, SET_COOKIE,
        VARY,
    },
};
use larder_http::caching::{
    cache_status::{CACHE_STATUS, CacheStatus},
    conditional::not_modified,
};

use super::{super::Asked, entry::Variant, selecting_headers};
use crate::body::{Body, empty, full};

/// What a 304 has of the stored fields (RFC 9110, 15.4.5).
const OF_A_304: [http::HeaderName; 9] =
    [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, LAST_MODIFIED, SET_COOKIE, VARY, CACHE_STATUS];

/// The answer to this request.
pub(super) fn reply(asked: &Asked, variant: &Variant, mut status: CacheStatus, name: &str) -> Response<Body> {
    let stored = &variant.stored;
    let now = SystemTime::now();
    status.ttl = Some(stored.ttl(now));
    let mut response = if not_modified(selecting_headers(asked), stored) {
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = part(&stored.headers);
        response
    } else {
        let body = if asked.parts.method == Method::HEAD { empty() } else { full(variant.body.clone()) };
        let mut response = Response::new(body);
        *response.status_mut() = stored.status;
        *response.headers_mut() = stored.headers.clone();
        if stored.status == StatusCode::NO_CONTENT {
            response.headers_mut().remove(CONTENT_LENGTH);
        } else {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(variant.body.len()));
        }
        response
    };
    response.headers_mut().insert(AGE, HeaderValue::from(stored.age(now)));
    status.append(name, response.headers_mut());
    response
}

fn part(stored: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in &OF_A_304 {
        for value in stored.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}
