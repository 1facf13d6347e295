//! The sections as they are written: `[proxy]`, `[upstreams.NAME]`, `[routes.NAME]`.

use std::{net::SocketAddr, time::Duration};

use larder::settings::{ByteSize, Secret, Span};
use serde::{Deserialize, Serialize};

use super::{AccessLogSection, HealthSection, ObserveSection, SearchSection, TlsSection};

/// `[proxy]`: where it listens, and what it accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ProxySection {
    /// The address for clients. Default: `127.0.0.1:9280`.
    pub listen: SocketAddr,
    /// The address for those who run the proxy. Default: none.
    pub admin: Option<SocketAddr>,
    /// What a request has to bring that changes something there, as `Authorization: Bearer …`. Default: none, and such
    /// requests are refused.
    pub admin_token: Option<Secret>,
    /// Its name in `Cache-Status` and `Via`. Default: `larder`.
    pub name: String,
    /// How many clients may be connected. Others wait until one of them goes. Default: 10 000.
    pub max_connections: usize,
    /// How long a client may take for the head of a request, and stay connected between two. Default: 30 s.
    pub header_timeout: Span,
    /// How many header fields a request may have. Default: 100.
    pub max_headers: usize,
    /// How large the head of a request may be. Default: 64 KiB.
    pub max_header_bytes: ByteSize,
    /// How long nothing may come of a request's body, and a client may read nothing of an answer. Default: 30 s.
    pub body_timeout: Span,
    /// How long requests may still take after `SIGTERM`. Default: 10 s.
    pub shutdown: Span,
    /// Whether a client that sends `X-Larder-Explain: 1` gets the reason. A route may say otherwise. Default: false.
    pub explain: bool,
    /// `[proxy.access_log]`: a line for each request. Default: none.
    pub access_log: Option<AccessLogSection>,
    /// `[proxy.tls]`: the certificate for clients. Default: none, and clients speak plain HTTP.
    pub tls: Option<TlsSection>,
}

impl Default for ProxySection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9280)),
            admin: None,
            admin_token: None,
            name: "larder".to_owned(),
            max_connections: 10_000,
            header_timeout: Span(Duration::from_secs(30)),
            max_headers: 100,
            max_header_bytes: ByteSize(64 * 1024),
            body_timeout: Span(Duration::from_secs(30)),
            shutdown: Span(Duration::from_secs(10)),
            explain: false,
            access_log: None,
            tls: None,
        }
    }
}

/// `[upstreams.NAME]`: a server, or several that are the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UpstreamSection {
    /// URLs without a path, all with `http` or all with `https`. A connection is made to one after the other; one that
    /// cannot be reached is passed over.
    pub addresses: Vec<String>,
    /// How long a connection may take, for each address. Default: 1 s.
    #[serde(default = "seconds::<1>")]
    pub connect: Span,
    /// How long the head of an answer may take. Default: 55 s, below the `load_limit` of a cache.
    #[serde(default = "seconds::<55>")]
    pub answer: Span,
    /// How long nothing may come of an answer's body. Default: 30 s.
    #[serde(default = "seconds::<30>")]
    pub idle: Span,
    /// How many requests may be at the upstream at once. Default: 512.
    #[serde(default = "count::<512>")]
    pub max_requests: usize,
    /// How long a request waits to be one of them. Default: 1 s.
    #[serde(default = "seconds::<1>")]
    pub wait: Span,
    /// How many connections are kept while nobody needs them. Default: 64.
    #[serde(default = "count::<64>")]
    pub max_idle: usize,
    /// The `Host` that the upstream sees. Default: what the client sent.
    #[serde(default)]
    pub host: Option<String>,
    /// With `https`: the certificates of the authorities that may vouch for it, as PEM, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// `[upstreams.NAME.health]`: asks each address whether it is well. Default: none.
    #[serde(default)]
    pub health: Option<HealthSection>,
}

fn seconds<const N: u64>() -> Span {
    Span(Duration::from_secs(N))
}

fn count<const N: usize>() -> usize {
    N
}

/// What a route does with its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModeName {
    /// A shared cache by RFC 9111.
    #[default]
    Http,
    /// Passes everything, and stores nothing.
    Pass,
    /// A cache in front of Elasticsearch or OpenSearch, which knows reads from writes.
    SearchElasticsearch,
    /// A cache in front of Solr, which knows reads from writes.
    SearchSolr,
    /// In front of Elasticsearch or OpenSearch: the engine is asked for versions each time, and bodies of documents are kept.
    Verify,
    /// Passes everything, stores nothing, and writes down what a cache would see.
    Observe,
}

impl ModeName {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Pass => "pass",
            Self::SearchElasticsearch => "search-elasticsearch",
            Self::SearchSolr => "search-solr",
            Self::Verify => "verify",
            Self::Observe => "observe",
        }
    }
}

/// `[routes.NAME]`: which requests, where to, and what is cached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RouteSection {
    /// The host that requests name, without a port. Default: any.
    #[serde(default)]
    pub host: Option<String>,
    /// What their path begins with: `/a` is for `/a` and what is below it. Default: `/`.
    #[serde(default = "root")]
    pub path: String,
    /// The upstream, by its name.
    pub upstream: String,
    /// What is done with them. Default: `http`.
    #[serde(default)]
    pub mode: ModeName,
    /// The cache, by its name. Default: `http`; `search` in front of search engines.
    #[serde(default)]
    pub cache: Option<String>,
    /// The largest body that is stored. A larger one streams through. Default: 8 MiB.
    #[serde(default = "mebibytes::<8>")]
    pub max_body: ByteSize,
    /// How long a stale answer is kept for being confirmed by the upstream. Default: 1 h.
    #[serde(default = "seconds::<3600>")]
    pub keep_stale: Span,
    /// Whether `Cache-Control` of requests counts. Default: true.
    #[serde(default = "yes")]
    pub heed_clients: bool,
    /// An answer without a lifetime has this fraction of the time since its `Last-Modified`, up to a day. Default: none.
    #[serde(default)]
    pub heuristic: Option<f64>,
    /// For how long a stale answer is served when the upstream fails and the answer says nothing of it. Default: 0 s.
    #[serde(default = "seconds::<0>")]
    pub stale_if_error: Span,
    /// Fields that go before `Cache-Control` (RFC 9213). Default: `CDN-Cache-Control`.
    #[serde(default = "targets")]
    pub targets: Vec<String>,
    /// `[routes.NAME.search]`: what counts in front of search engines alone.
    #[serde(default)]
    pub search: SearchSection,
    /// `[routes.NAME.observe]`: what counts in mode `observe` alone.
    #[serde(default)]
    pub observe: Option<ObserveSection>,
    /// Over `explain` in `[proxy]`.
    #[serde(default)]
    pub explain: Option<bool>,
}

impl RouteSection {
    /// The name of its cache.
    pub fn cache_name(&self) -> &str {
        match (&self.cache, self.mode) {
            (Some(name), _) => name,
            (None, ModeName::SearchElasticsearch | ModeName::SearchSolr | ModeName::Verify) => "search",
            (None, _) => "http",
        }
    }
}

fn root() -> String {
    "/".to_owned()
}

fn mebibytes<const N: u64>() -> ByteSize {
    ByteSize(N << 20)
}

fn yes() -> bool {
    true
}

fn targets() -> Vec<String> {
    vec!["CDN-Cache-Control".to_owned()]
}
