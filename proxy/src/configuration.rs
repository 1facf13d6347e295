//! What is configured: the program's own sections beside Larder's, read from the same layers.

mod checked;
#[allow(unreachable_pub, reason = "the sections are this crate's own")]
mod operation;
#[allow(unreachable_pub, reason = "the sections are this crate's own")]
mod search;
#[allow(unreachable_pub, reason = "the sections are this crate's own")]
mod sections;

use std::{collections::BTreeMap, net::SocketAddr, path::Path};

use larder::{Larder, LarderBuilder, Registry};

pub use checked::Wrong;
pub(crate) use checked::{Address, Checked, Scheme};
pub(crate) use operation::{
    AccessLogSection, HealthSection, LogFormat, ObserveAs, ObserveSection, TlsSection,
};
pub(crate) use search::SearchSection;
pub(crate) use sections::{ModeName, ProxySection, RouteSection, UpstreamSection};

/// The sections, checked.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// `[proxy]`.
    pub(crate) proxy: ProxySection,
    /// `[upstreams.NAME]`.
    pub(crate) upstreams: BTreeMap<String, UpstreamSection>,
    /// `[routes.NAME]`.
    pub(crate) routes: BTreeMap<String, RouteSection>,
}

/// What was read: Larder with its caches, and the proxy's own sections.
pub type Loaded = (Larder, Configuration);

impl Configuration {
    /// Reads the configuration: `file`, or the one that Larder finds, and the layers above it. `change` may set values over
    /// all others. Nothing is connected to.
    ///
    /// # Errors
    /// What is wrong, with the place that it comes from.
    pub fn load(
        file: Option<&Path>,
        change: impl FnOnce(LarderBuilder) -> LarderBuilder,
    ) -> larder::Result<Loaded> {
        let registry = Registry::with_defaults()
            .register_section::<ProxySection>("proxy")
            .register_section::<BTreeMap<String, UpstreamSection>>("upstreams")
            .register_section::<BTreeMap<String, RouteSection>>("routes");
        let mut builder = Larder::builder().registry(registry);
        if let Some(file) = file {
            builder = builder.file(file);
        }
        let larder = change(builder).build()?;
        let configuration = Self {
            proxy: larder.section::<ProxySection>("proxy").map(|found| (*found).clone()).unwrap_or_default(),
            upstreams: larder.section("upstreams").map(|found| BTreeMap::clone(&found)).unwrap_or_default(),
            routes: larder.section("routes").map(|found| BTreeMap::clone(&found)).unwrap_or_default(),
        };
        Ok((larder, configuration))
    }

    /// The address for clients.
    pub fn listen(&self) -> SocketAddr {
        self.proxy.listen
    }

    /// Whether clients speak TLS.
    pub fn has_tls(&self) -> bool {
        self.proxy.tls.is_some()
    }

    /// The address for those who run the proxy, if there is one.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.proxy.admin
    }
}
