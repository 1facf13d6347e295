//! How a client is connected.

use std::net::IpAddr;

use http::uri::Scheme;

/// How a client is connected.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Its address, where there is one.
    pub(crate) address: Option<IpAddr>,
    /// `https` where it has a connection by TLS.
    pub(crate) scheme: Scheme,
}

impl Default for Client {
    fn default() -> Self {
        Self { address: None, scheme: Scheme::HTTP }
    }
}
