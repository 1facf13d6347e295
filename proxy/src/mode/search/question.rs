//! What is asked, whichever engine it is asked of.

use larder_http::{
    request::{Life, NotKeyed, Request},
    search::{self, Admission, ReadKind, Targets, Why},
    solr,
};

use super::{Engine, Shared};

/// A read with a key.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The key.
    pub(super) digest: [u8; 32],
    /// What its answer depends on.
    pub(super) targets: Targets,
    /// It sees writes before they are visible to searches.
    pub(super) real_time: bool,
    /// How long its answer may be stored by what was asked.
    pub(super) life: Life,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Elasticsearch(ReadKind),
    Solr,
}

impl Question {
    /// Whether an answer may be stored.
    pub(super) fn storable(&self, status: u16, body: &[u8]) -> Result<Admission, Why> {
        match self.kind {
            Kind::Elasticsearch(kind) => search::storable(kind, status, body),
            Kind::Solr => solr::storable(status, body),
        }
    }
}

impl From<search::Keyed> for Question {
    fn from(keyed: search::Keyed) -> Self {
        let search::Keyed { digest, kind, targets, real_time, life, .. } = keyed;
        Self { digest, targets, real_time, life, kind: Kind::Elasticsearch(kind) }
    }
}

impl Shared {
    /// What a request asks, or why it passes.
    pub(super) fn question(&self, request: &Request<'_>) -> Result<Question, NotKeyed> {
        let rules = &self.settings.rules;
        match self.settings.engine {
            Engine::Elasticsearch | Engine::Verified => search::key(request, rules).map(Question::from),
            Engine::Solr => solr::key(request, rules).map(|keyed| {
                let solr::Keyed { digest, targets, real_time, life } = keyed;
                Question { digest, targets, real_time, life, kind: Kind::Solr }
            }),
        }
    }
}
