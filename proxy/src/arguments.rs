//! What may be said when the program is started.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use larder::LarderBuilder;

/// A caching HTTP proxy.
#[derive(Debug, Parser)]
#[command(name = "larder-proxy", version)]
pub(crate) struct Arguments {
    /// The configuration file. Without it: larder.toml, or what LARDER_CONFIG names, if there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The upstream, such as http://127.0.0.1:9200, for all requests; instead of [upstreams] and [routes].
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// What --upstream does with requests: search-elasticsearch, search-solr, verify,
    /// http or pass.
    #[arg(long, value_name = "MODE", default_value = "search-elasticsearch")]
    pub(crate) mode: String,
    /// Where clients connect to; over `listen` in [proxy].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where operators find health, metrics and a page; over `admin` in [proxy].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,
    /// Reads and checks the configuration, shows it, and ends.
    #[arg(long)]
    pub(crate) check: bool,
}

impl Arguments {
    /// Puts what was said over the configuration.
    pub(crate) fn over(&self, mut builder: LarderBuilder) -> LarderBuilder {
        if let Some(upstream) = &self.upstream {
            builder = builder
                .set("upstreams.default.addresses", [upstream.as_str()])
                .set("routes.default.upstream", "default")
                .set("routes.default.mode", self.mode.as_str());
        }
        for (key, address) in [("proxy.listen", self.listen), ("proxy.admin", self.admin)] {
            if let Some(address) = address {
                builder = builder.set(key, address.to_string());
            }
        }
        builder
    }
}
