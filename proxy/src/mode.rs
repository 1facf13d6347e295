//! What a route does with its requests. Each mode is a module of its own, and knows nothing of the others;
//! what several of them need is beside them.

pub mod http;
pub mod observe;
pub mod pass;
pub mod purge;
pub mod search;
mod unstorable;

use std::{sync::Arc, time::Duration};

use ::http::{Response, request::Parts};
use bytes::Bytes;

use crate::{
    body::{Body, full},
    counters::Outcome,
    failure::Failure,
    request::Target,
    upstream::Again,
};
use purge::{Purged, What};

/// A request, and what it is for.
#[derive(Debug)]
pub struct Asked {
    /// What the client wrote.
    pub parts: Parts,
    /// What it is for.
    pub target: Target,
    /// Its body.
    pub body: Body,
}

impl Asked {
    /// It changes nothing, whatever its method, and its body is this.
    fn is_safe(&mut self, body: &Bytes) {
        self.body = full(body.clone());
        self.parts.extensions.insert(Again::Safe(body.clone()));
    }
}

/// What became of a request.
pub type Answered = Result<(Response<Body>, Outcome), Failure>;

/// The mode of a route.
#[derive(Debug)]
#[non_exhaustive]
pub enum Mode {
    /// A shared cache by RFC 9111.
    Http(http::Http),
    /// Everything goes to the upstream.
    Pass(pass::Pass),
    /// A cache in front of Elasticsearch, OpenSearch or Solr.
    Search(search::Search),
    /// Everything goes to the upstream, and what a cache would see is written down.
    Observe(observe::Observe),
}

impl Mode {
    /// Answers a request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn answer(&self, asked: Asked) -> Answered {
        match self {
            Self::Http(mode) => mode.answer(asked).await,
            Self::Pass(mode) => mode.answer(asked).await,
            Self::Search(mode) => mode.answer(asked).await,
            Self::Observe(mode) => mode.answer(asked).await,
        }
    }

    /// Removes what is stored; none where such a thing is not stored by this mode.
    pub async fn purge(&self, what: &What) -> Option<Purged> {
        match self {
            Self::Http(mode) => mode.purge(what).await,
            Self::Search(mode) => mode.purge(what).await,
            Self::Pass(_) | Self::Observe(_) => None,
        }
    }

    /// Begins to ask the upstream now and then, where that is configured. Has to be called within a runtime of tokio.
    pub(crate) fn watch(&self) {
        if let Self::Search(mode) = self {
            mode.watch();
        }
    }

    /// Whether what is asked for now and then can be had.
    pub(crate) fn poll_health(&self) -> Option<search::PollHealth> {
        if let Self::Search(mode) = self { mode.poll_health() } else { None }
    }

    /// What is owed to its cache.
    pub(crate) fn owed(&self) -> Option<&Arc<search::Owed>> {
        if let Self::Search(mode) = self { Some(mode.owed()) } else { None }
    }

    /// Waits until what was written down is there, or for this long. It blocks.
    pub fn flush(&self, patience: Duration) {
        if let Self::Observe(mode) = self {
            mode.flush(patience);
        }
    }
}
