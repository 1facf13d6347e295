//! `[routes.NAME.search]`: what is cached of a search engine, for whom, and how late it may be.

use std::time::Duration;

use larder::settings::{ByteSize, Span};
use larder_http::{
    request::{Principals, Rules, RunningClock},
    search::Names,
};
use serde::{Deserialize, Serialize};

/// Whose answers are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// Everybody's. An engine may show each principal another part of an index.
    #[default]
    PerPrincipal,
    /// Nobody's: whoever may send requests to this route may see all answers.
    Shared,
    /// Requests with credentials are not answered from the cache.
    Bypass,
}

/// `[routes.NAME.search]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SearchSection {
    /// How long an answer is fresh when nothing of its indices is written through this proxy or one that shares its store.
    /// Default: 60 s.
    pub ttl: Span,
    /// Whose answers are kept apart. Default: `per-principal`.
    pub auth: Auth,
    /// Headers that say who asks, besides the usual ones. Default: none.
    pub principal_headers: Vec<String>,
    /// Whether a name may be an alias or a data stream, so that each answer depends on each write. With `false` an index
    /// depends on writes to itself alone; all proxies that share a store must say the same. Default: true.
    pub aliases: bool,
    /// For how long a map of aliases may be used that the upstream is asked for (`GET /_alias`, without credentials), so that
    /// an answer depends on writes to its own indices alone. Where it is not known, as without one. In mode
    /// `search-elasticsearch` only, and not with `aliases = false`. Default: none, which asks for no map.
    pub alias_map: Option<Span>,
    /// How often the upstream is asked for the sequence numbers of its indices (`GET /_stats`, without credentials), so that what is
    /// written past this proxy is noticed. At least 100 ms; in mode `search-elasticsearch` only, and not with `invalidation = false`.
    /// Default: none, which does not ask.
    pub poll: Option<Span>,
    /// How long after a write a search may not see it yet: the index setting of that name, or `maxTime` of Solr's
    /// `autoSoftCommit`. Default: 1 s, in mode `search-solr` 3 s.
    pub refresh_interval: Option<Span>,
    /// An answer is stored only if it took the engine this long, by its own `took` or `QTime` where it says so. With
    /// `admit_bytes` as well, one of the two is enough. Default: none.
    pub admit_took: Option<Span>,
    /// An answer is stored only if it is this large. Default: none.
    pub admit_bytes: Option<ByteSize>,
    /// For how long an answer to a question with `now` is stored. Default: none, which stores no such answer.
    pub now_ttl: Option<Span>,
    /// Whether `preference` only says where to search. Default: false.
    pub ignore_preference: bool,
    /// The largest body of a request that is looked at. A larger one passes. Default: 1 MiB.
    pub max_request: ByteSize,
    /// Whether writes invalidate. With `false`, answers may be as old as their TTL. Default: true.
    pub invalidation: bool,
}

impl Default for SearchSection {
    fn default() -> Self {
        Self {
            ttl: Span(Duration::from_mins(1)),
            auth: Auth::default(),
            principal_headers: Vec::new(),
            aliases: true,
            alias_map: None,
            poll: None,
            refresh_interval: None,
            admit_took: None,
            admit_bytes: None,
            now_ttl: None,
            ignore_preference: false,
            max_request: ByteSize(1 << 20),
            invalidation: true,
        }
    }
}

impl SearchSection {
    /// The rules by which keys are made. `scope` keeps those of one upstream apart from those of another.
    pub fn rules(&self, scope: &str) -> Rules {
        let mut rules = Rules {
            scope: scope.to_owned(),
            principals: match self.auth {
                Auth::PerPrincipal => Principals::Apart,
                Auth::Shared => Principals::Shared,
                Auth::Bypass => Principals::Bypass,
            },
            principal_headers: self.principal_headers.clone(),
            running_clock: self.now_ttl.map_or(RunningClock::Bypass, |ttl| RunningClock::Ttl(ttl.get())),
            ignore_preference: self.ignore_preference,
            ..Rules::default()
        };
        rules.limits.max_bytes = usize::try_from(self.max_request.get()).unwrap_or(usize::MAX);
        rules
    }

    /// What is known of names.
    pub fn names(&self) -> Names {
        if self.aliases { Names::Unknown } else { Names::NoAliases }
    }
}
