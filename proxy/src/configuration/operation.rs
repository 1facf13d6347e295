//! What is configured for those who run the proxy: the log, the certificate for clients, the health of upstreams, and what is
//! observed.

use std::time::Duration;

use larder::settings::Span;
use serde::{Deserialize, Serialize};

/// How a line of the access log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// An object for each line.
    #[default]
    Json,
    /// The combined format of web servers, with what the cache did and how long it took at the end.
    Combined,
}

/// `[proxy.access_log]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessLogSection {
    /// Default: `json`.
    pub format: LogFormat,
    /// The file, which is added to. Default: standard output.
    pub file: Option<String>,
    /// Whether query strings are written. They may hold what users look for. Default: false.
    pub query: bool,
    /// How many lines may wait for being written. More are dropped and counted. Default: 8192.
    pub queue: usize,
}

impl Default for AccessLogSection {
    fn default() -> Self {
        Self { format: LogFormat::default(), file: None, query: false, queue: 8192 }
    }
}

/// `[proxy.tls]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TlsSection {
    /// The certificate and those between it and its authority, as PEM.
    pub certificate_file: String,
    /// Its private key, as PEM.
    pub key_file: String,
}

/// `[upstreams.NAME.health]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthSection {
    /// What is asked for. Default: `/`.
    pub path: String,
    /// How long after one answer the next is asked for. Default: 5 s.
    pub interval: Span,
    /// How long an answer may take, the connection included. Default: 2 s.
    pub timeout: Span,
    /// After how many failures in a row an address is left out. Default: 2.
    pub failures: u32,
}

impl Default for HealthSection {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval: Span(Duration::from_secs(5)),
            timeout: Span(Duration::from_secs(2)),
            failures: 2,
        }
    }
}

/// Whose keys are observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObserveAs {
    /// Those of mode `http`.
    Http,
    /// Those of mode `search-elasticsearch`.
    SearchElasticsearch,
}

/// `[routes.NAME.observe]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObserveSection {
    /// The file, which is added to.
    pub file: String,
    /// The mode that is thought of. Default: `search-elasticsearch`.
    #[serde(rename = "as", default = "search")]
    pub mode: ObserveAs,
    /// How many lines may wait for being written. More are dropped and counted. Default: 8192.
    #[serde(default = "queue")]
    pub queue: usize,
}

fn search() -> ObserveAs {
    ObserveAs::SearchElasticsearch
}

fn queue() -> usize {
    8192
}
