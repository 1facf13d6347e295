//! What a route does with its requests. Each mode is a module of its own, and knows nothing of the others;
//! what several of them need is beside them.

pub mod http;
pub mod pass;
pub mod search;
mod unstorable;

use ::http::{Response, request::Parts};

use crate::{body::Body, counters::Outcome, failure::Failure, request::Target};

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
        }
    }
}
