//! A client like any other: it knows nothing of a cache.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::Failed;

/// Asks one address.
pub(crate) struct Client {
    address: SocketAddr,
    http: legacy::Client<HttpConnector, Full<Bytes>>,
}

/// What came.
pub(crate) struct Answer {
    status: u16,
    body: Bytes,
    /// `Cache-Status`.
    pub(crate) cache: String,
    /// Until all of it was there.
    pub(crate) took: Duration,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, http: legacy::Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer, Failed> {
        let kind = if path.contains("_bulk") { "application/x-ndjson" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(CONTENT_TYPE, kind)
            .body(Full::new(body.to_owned().into()))?;
        let begun = Instant::now();
        let (parts, body) = self.http.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let cache = parts.headers.get("cache-status").and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: parts.status.as_u16(),
            body,
            cache: cache.unwrap_or_default().to_owned(),
            took: begun.elapsed(),
        })
    }
}

impl Answer {
    /// An error that shows the answer, if its status is another one.
    pub(crate) fn expect(self, status: u16) -> Result<Self, Failed> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body);
        Err(format!("answered {}, not {status}: {body:.300}", self.status).into())
    }
}
