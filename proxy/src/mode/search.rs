//! Modes `search-elasticsearch`, `search-solr` and `verify`: a cache in front of a search engine that knows reads from writes.
//!
//! `larder-http` says what a request is, its key, and what of an answer may be stored. An answer is written under the
//! generations that it depends on, which are tags: they are read before the upstream is asked, and a write ends them before it
//! is forwarded and again after its answer or its loss.

mod bulk;
mod entry;
mod gap;
mod generations;
mod holders;
mod in_flight;
mod load;
mod many;
mod mapping;
mod names;
mod owed;
mod poll;
mod purge;
mod question;
mod read;
mod reply;
mod settings;
mod solr;
mod updating;
mod verify;
mod write;

use std::{sync::Arc, time::SystemTime};

use http::header::{CONTENT_ENCODING, IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use larder::Cache;
use larder_http::{
    caching::cache_status::{CacheStatus, Forward},
    request::Request,
    search::{Endpoint, classify},
};

use super::{Answered, Asked, pass::pass, unstorable::Unstorable};
use crate::{
    body::{Read, read},
    counters::{Counters, Outcome},
    failure::Failure,
    upstream::Upstream,
};

pub use entry::Entry;
use gap::Gap;
use mapping::Mapping;
pub(crate) use owed::{Account, Debts, Owed};
pub(crate) use poll::PollHealth;
use poll::Polling;
pub use settings::{Engine, Settings};

/// A route in front of a search engine.
#[derive(Debug, Clone)]
pub struct Search(Arc<Shared>);

/// What all requests of a route share.
#[derive(Debug)]
struct Shared {
    upstream: Arc<Upstream>,
    cache: Cache<Entry>,
    settings: Settings,
    counters: Arc<Counters>,
    gap: Gap,
    account: Account,
    unstorable: Unstorable,
    mapping: Mapping,
    polling: Polling,
}

/// Fields by which a client asks for a part of an answer, or only under a condition: the upstream's business.
const FOR_THE_UPSTREAM: [http::HeaderName; 4] = [RANGE, IF_RANGE, IF_MATCH, IF_UNMODIFIED_SINCE];

impl Search {
    /// A route to this upstream, whose answers are in this cache, to which this is owed.
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        cache: Cache<Entry>,
        settings: Settings,
        counters: Arc<Counters>,
        account: Account,
    ) -> Self {
        let (gap, unstorable) = (Gap::default(), Unstorable::default());
        let (mapping, polling) = (Mapping::default(), Polling::default());
        Self(Arc::new(Shared {
            upstream,
            cache,
            settings,
            counters,
            gap,
            account,
            unstorable,
            mapping,
            polling,
        }))
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn answer(&self, asked: Asked) -> Answered {
        let search = &self.0;
        match search.settings.engine {
            Engine::Elasticsearch => {}
            Engine::Verified => return verify::answer(search, asked).await,
            Engine::Solr => return solr::answer(search, asked).await,
        }
        let path = &asked.target.path;
        match classify(asked.parts.method.as_str(), path.path(), path.query()) {
            Endpoint::Read { .. } => search.read(asked).await,
            Endpoint::Write { kind, targets, lingers } => {
                write::answer(search, asked, write::What::Known { kind, targets, lingers }).await
            }
            Endpoint::Bulk { targets } => write::answer(search, asked, write::What::Bulk(targets)).await,
            Endpoint::Pass { why } => search.pass(asked, Forward::Bypass, why.text()).await,
            Endpoint::Msearch { .. } => many::answer(search, asked, many::Shape::Msearch).await,
            Endpoint::Mget { .. } => many::answer(search, asked, many::Shape::Mget).await,
            _ => search.pass(asked, Forward::Bypass, "not for this version").await,
        }
    }
}

impl Shared {
    /// A request whose answer may be stored: its key, and then the cache.
    async fn read(self: &Arc<Self>, asked: Asked) -> Answered {
        let headers = &asked.parts.headers;
        if headers.contains_key(CONTENT_ENCODING) {
            return self.pass(asked, Forward::Bypass, "a compressed request").await;
        }
        if FOR_THE_UPSTREAM.iter().any(|name| headers.contains_key(name)) {
            return self.pass(asked, Forward::Bypass, "a range or a condition").await;
        }
        let (mut asked, body) = match self.read_body(asked).await? {
            (asked, Some(body)) => (asked, body),
            (asked, None) => return self.pass(asked, Forward::Bypass, "a large request").await,
        };
        let keyed = with_request(&asked, &body, |request| self.question(request));
        asked.is_safe(&body);
        match keyed {
            Ok(question) => self.cached(asked, body, question).await,
            Err(why) => self.pass(asked, Forward::Bypass, why.text()).await,
        }
    }

    /// Reads the body of a request, if it is not too large; otherwise it is in the request, with what was read.
    async fn read_body(&self, mut asked: Asked) -> Result<(Asked, Option<bytes::Bytes>), Failure> {
        let body = std::mem::replace(&mut asked.body, crate::body::empty());
        match read(body, self.settings.max_request).await {
            Ok(Read::Whole(body)) => Ok((asked, Some(body))),
            Ok(Read::TooLarge(body)) => {
                asked.body = body;
                Ok((asked, None))
            }
            Err(error) => {
                tracing::debug!(%error, "a request was not read to its end");
                Err(Failure::BadRequest("its body broke off"))
            }
        }
    }

    async fn pass(&self, asked: Asked, forward: Forward, detail: &'static str) -> Answered {
        let mut answer = pass(&self.upstream, asked, &self.settings.name).await?;
        let mut status = CacheStatus::default();
        status.forward = Some(forward);
        status.detail = Some(detail);
        status.append(&self.settings.name, answer.headers_mut());
        Ok((answer, Outcome::Pass))
    }
}

/// The fields of a request, apart from it.
fn owned_headers(asked: &Asked) -> Vec<(http::HeaderName, http::HeaderValue)> {
    asked.parts.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The request as keys are made of it.
fn with_request<R>(asked: &Asked, body: &[u8], make: impl FnOnce(&Request<'_>) -> R) -> R {
    let headers: Vec<(&str, &[u8])> =
        asked.parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    make(&Request {
        method: asked.parts.method.as_str(),
        path: asked.target.path.path(),
        query: asked.target.path.query(),
        headers: &headers,
        body,
        client_certificate: None,
        now: SystemTime::now(),
    })
}
