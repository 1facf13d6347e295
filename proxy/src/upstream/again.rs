//! Requests that may be sent a second time, where a connection that was kept has died when it was used (RFC 9110, 9.2.2; RFC 9112,
//! 9.3.1): those that change nothing.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header::CONNECTION};
use http_body::Body as _;

use crate::body::{Body, empty, full};

/// Whether a request may be sent twice, where its method does not say so.
#[derive(Debug, Clone)]
pub(crate) enum Again {
    /// It changes nothing, and this is its body.
    Safe(Bytes),
    /// It changes something.
    Never,
}

/// The same request once more, if it may be sent twice. Its connection is not kept, so that it is a new one.
pub(super) fn again(request: &mut Request<Body>) -> Option<Request<Body>> {
    let is_empty_get =
        matches!(*request.method(), Method::GET | Method::HEAD) && request.body().is_end_stream();
    let body = match request.extensions_mut().remove::<Again>() {
        Some(Again::Safe(body)) => full(body),
        None if is_empty_get => empty(),
        Some(Again::Never) | None => return None,
    };
    let mut again = Request::new(body);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    again.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(again)
}
