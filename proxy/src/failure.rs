//! Answers that no upstream has given: what went wrong, and as which status a client sees it.

use std::fmt;

use http::{HeaderValue, Response, StatusCode, header};

use crate::body::{Body, full};

/// Why a request has no answer of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The request is no HTTP, or contradicts itself.
    BadRequest(&'static str),
    /// No route is for it.
    NoRoute,
    /// A method that is not for proxies like this one.
    Method,
    /// The upstream cannot be reached.
    Unreachable,
    /// The upstream ended the connection, or sent what is no HTTP.
    BadAnswer,
    /// The upstream did not answer in time.
    Late,
    /// As many requests as may be are at the upstream.
    Busy,
    /// The client accepts nothing but what is stored, and it is not.
    NotStored,
}

impl Failure {
    /// The status that a client sees.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::NOT_IMPLEMENTED,
            Self::Unreachable | Self::BadAnswer => StatusCode::BAD_GATEWAY,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Late | Self::NotStored => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// A word or two, for `Cache-Status` and metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad request",
            Self::NoRoute => "no route",
            Self::Method => "method",
            Self::Unreachable => "upstream unreachable",
            Self::BadAnswer => "upstream bad answer",
            Self::Late => "upstream late",
            Self::Busy => "upstream busy",
            Self::NotStored => "not stored",
        }
    }

    /// The answer. A request that cannot be trusted ends its connection.
    pub(crate) fn response(self) -> Response<Body> {
        let mut response = Response::new(full(format!("larder-proxy: {self}\n")));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::BadRequest(_) | Self::Method) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(why) => write!(f, "the request is not valid: {why}"),
            Self::NoRoute => f.write_str("no route is configured for this host and path; see [routes]"),
            Self::Method => f.write_str("this method cannot be proxied here"),
            Self::Unreachable => {
                f.write_str("the upstream cannot be reached; is it running, and are its addresses right?")
            }
            Self::BadAnswer => {
                f.write_str("the upstream ended the connection, or its answer is not valid HTTP")
            }
            Self::Late => f.write_str("the upstream has not answered in time; see `answer` in [upstreams]"),
            Self::Busy => f.write_str(
                "too many requests are waiting for the upstream; see `max_requests` in [upstreams]",
            ),
            Self::NotStored => f.write_str("the request says only-if-cached, and no answer is stored"),
        }
    }
}

impl std::error::Error for Failure {}
