//! What a deployment may decide about caching, where the RFCs leave it open.

use http::HeaderName;

/// What a deployment may decide. The default stores nothing without explicit freshness or a validator.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rules {
    /// The targeted fields (RFC 9213) that are for this cache, the most specific first. Default: `CDN-Cache-Control`.
    pub targets: Vec<HeaderName>,
    /// Whether an answer without explicit freshness is fresh for this fraction of the time since its `Last-Modified`
    /// (RFC 9111, 4.2.2), such as 0.1, for a day at most. Default: none.
    pub heuristic: Option<f64>,
    /// Whether `Cache-Control` and `Pragma` of a request count. A client that may not make the cache ask the upstream
    /// takes them away. Default: true.
    pub heed_clients: bool,
    /// For how many seconds after its lifetime a stored answer may be served when the upstream fails, where the answer
    /// itself says nothing and forbids nothing. Default: 0.
    pub stale_if_error: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            targets: vec![HeaderName::from_static("cdn-cache-control")],
            heuristic: None,
            heed_clients: true,
            stale_if_error: 0,
        }
    }
}
