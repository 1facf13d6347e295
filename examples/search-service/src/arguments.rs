//! What the program is told on its command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use larder::settings::ByteSize;

/// A search API over source code whose answers are cached.
///
/// Without options it searches the sources of the crates that it was built from, and keeps its answers in memory. Where
/// they are kept is a matter of configuration: LARDER_STORES__MAIN__BACKEND=redis LARDER_STORES__MAIN__URL=redis://…
#[derive(Debug, Parser)]
#[command(version, about, long_about)]
pub(crate) struct Arguments {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// A folder of Rust sources to search instead; each folder in it is an organisation
    #[arg(long, value_name = "DIR")]
    pub(crate) sources: Option<PathBuf>,

    /// How much is indexed: folders are left out, the largest first, until the rest is no more than this
    #[arg(long, value_name = "SIZE", default_value = "96 MiB")]
    pub(crate) limit: ByteSize,

    /// A configuration of the caches (TOML), over the program's own and under the environment's
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Measure what the cache is worth, print a table, and end
    #[arg(long)]
    pub(crate) compare: bool,

    /// How many times each query of the comparison is run
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(5..=100_000))]
    pub(crate) runs: u32,
}
