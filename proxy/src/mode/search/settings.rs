//! What is configured for a route in front of a search engine.

use std::{sync::Arc, time::Duration};

use larder_http::{
    request::{Rules, RunningClock},
    search::{Admission, Names},
};

use crate::{configuration::SearchSection, upstream::Upstream};

/// What a refresh itself may take, beyond the interval after which it begins.
const MARGIN: Duration = Duration::from_millis(500);

/// Which engine a route is in front of, and how its answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// Elasticsearch or OpenSearch.
    Elasticsearch,
    /// The same; answers are checked each time.
    Verified,
    /// Solr.
    Solr,
}

impl Engine {
    /// How long a write may not be visible to searches, where nothing else is configured: Elasticsearch's `refresh_interval`,
    /// and the `autoSoftCommit` of Solr's own set of configuration.
    fn interval(self) -> Duration {
        match self {
            Self::Elasticsearch | Self::Verified => Duration::from_secs(1),
            Self::Solr => Duration::from_secs(3),
        }
    }
}

/// What is configured for a route in front of a search engine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which engine it is.
    pub engine: Engine,
    /// The proxy's name, for `Via` and `Cache-Status`.
    pub name: String,
    /// How keys are made.
    pub rules: Rules,
    /// What is known of names of indices.
    pub names: Arc<Names>,
    /// How long a map of aliases may be used, if the upstream is to be asked for it.
    pub alias_map: Option<Duration>,
    /// How often the upstream is asked for sequence numbers, if it is.
    pub poll: Option<Duration>,
    /// How long answers are fresh.
    pub ttl: Duration,
    /// Stored is only what took the upstream this long.
    pub admit_took: Option<Duration>,
    /// Stored is only what is this large, in bytes.
    pub admit_bytes: Option<u64>,
    /// The largest answer that is stored, in bytes.
    pub max_body: usize,
    /// The largest request that is looked at, in bytes.
    pub max_request: usize,
    /// How long a search may not see a write that was answered.
    pub gap: Duration,
    /// How long a write may be at the upstream.
    pub patience: Duration,
    /// Whether writes invalidate.
    pub invalidation: bool,
}

impl Settings {
    /// From the configuration of a route.
    pub fn new(
        name: &str,
        engine: Engine,
        upstream: &Upstream,
        section: &SearchSection,
        max_body: usize,
    ) -> Self {
        let mut rules = section.rules(upstream.name());
        if engine == Engine::Verified {
            // The engine is asked each time, so that it does not matter when an answer changes.
            rules.running_clock = RunningClock::Ttl(section.ttl.get());
        }
        let interval = section.refresh_interval.map_or(engine.interval(), larder::settings::Span::get);
        Self {
            name: name.to_owned(),
            engine,
            names: Arc::new(section.names()),
            alias_map: section.alias_map.map(larder::settings::Span::get),
            poll: section.poll.map(larder::settings::Span::get),
            ttl: section.ttl.get(),
            admit_took: section.admit_took.map(larder::settings::Span::get),
            admit_bytes: section.admit_bytes.map(larder::settings::ByteSize::get),
            max_body,
            max_request: rules.limits.max_bytes,
            rules,
            gap: interval.saturating_add(MARGIN),
            patience: upstream.patience(),
            invalidation: section.invalidation,
        }
    }

    /// Whether an answer is worth storing by what it cost. `took` is how long the proxy has waited for it, which counts where the
    /// engine does not say.
    pub(super) fn admits(&self, admission: &Admission, took: Duration) -> bool {
        let long = self.admit_took.map(|least| admission.took.unwrap_or(took) >= least);
        let large = self.admit_bytes.map(|least| admission.bytes as u64 >= least);
        match (long, large) {
            (None, None) => true,
            (long, large) => long == Some(true) || large == Some(true),
        }
    }
}
