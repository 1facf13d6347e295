//! What is configured for a route in front of a search engine.

use std::time::Duration;

use larder_http::{request::Rules, search::Names};

use crate::{configuration::SearchSection, upstream::Upstream};

/// What a refresh itself may take, beyond the interval after which it begins.
const MARGIN: Duration = Duration::from_millis(500);

/// What is configured for a route in front of a search engine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The proxy's name, for `Via` and `Cache-Status`.
    pub name: String,
    /// How keys are made.
    pub rules: Rules,
    /// What is known of names of indices.
    pub names: Names,
    /// How long answers are fresh.
    pub ttl: Duration,
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
    pub fn new(name: &str, upstream: &Upstream, section: &SearchSection, max_body: usize) -> Self {
        let rules = section.rules(upstream.name());
        Self {
            name: name.to_owned(),
            names: section.names(),
            ttl: section.ttl.get(),
            max_body,
            max_request: rules.limits.max_bytes,
            rules,
            gap: section.refresh_interval.get().saturating_add(MARGIN),
            patience: upstream.patience(),
            invalidation: section.invalidation,
        }
    }
}
