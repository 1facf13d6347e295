//! Mode `observe`: everything goes to the upstream, nothing is stored, and for each request a line says what a cache would have seen:
//! its key, its size, and how long the upstream took. From that it can be said beforehand what a cache would be worth.

mod line;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Response, header::CONTENT_ENCODING};
use http_body::Body as _;
use larder::Key;
use larder_http::{
    caching::{
        Exchange, Rules,
        cache_status::{CacheStatus, Forward},
        invalidation,
        storing::{Storing, storing},
    },
    request::{self, Request},
    search::{Endpoint, Many, classify, key, mget, msearch},
};

use self::line::{Kind, Line};
use super::{Answered, Asked, pass::pass};
use crate::{
    body::{Read, full, read, streaming},
    counters::Outcome,
    failure::Failure,
    lines::Lines,
    notes::{self, Notes},
    request::Target,
    sent::Sent,
    upstream::Upstream,
};

/// Whose keys are written down.
#[derive(Debug)]
pub enum As {
    /// Those of a cache by RFC 9111.
    Http(Box<Rules>),
    /// Those of a cache in front of a search engine.
    Search(Box<request::Rules>),
}

/// A route that is observed.
#[derive(Debug)]
pub struct Observe {
    upstream: Arc<Upstream>,
    name: String,
    mode: As,
    lines: Arc<Lines>,
}

impl Observe {
    /// To this upstream. `name` is the proxy's.
    pub fn new(upstream: Arc<Upstream>, name: &str, mode: As, lines: Lines) -> Self {
        Self { upstream, name: name.to_owned(), mode, lines: Arc::new(lines) }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn answer(&self, asked: Asked) -> Answered {
        let mut line = Line::new(asked.parts.method.as_str());
        let notes = asked.parts.extensions.get::<Notes>().cloned().unwrap_or_default();
        let (asked, asked_at) = match &self.mode {
            As::Http(_) => (http(asked, &mut line), SystemTime::now()),
            As::Search(rules) => (search(asked, rules, &mut line).await?, SystemTime::now()),
        };
        let request = asked.parts.clone();
        let mut answer = match pass(&self.upstream, asked, &self.name).await {
            Ok(answer) => answer,
            Err(failure) => {
                line.why = Some(failure.word());
                line.kind = Kind::Pass;
                self.lines.write(line.text(0, notes.upstream()));
                return Err(failure);
            }
        };
        line.status = answer.status().as_u16();
        if let (As::Http(rules), Kind::Read) = (&self.mode, line.kind) {
            let (parts, body) = answer.into_parts();
            let exchange =
                Exchange { request: &request, answer: &parts, asked: asked_at, answered: SystemTime::now() };
            match storing(&exchange, rules) {
                Storing::Store(stored) => line.ttl = u64::try_from(stored.ttl(SystemTime::now())).ok(),
                Storing::DoNotStore(why) => line.why = Some(why.text()),
            }
            answer = Response::from_parts(parts, body);
        }
        let mut status = CacheStatus::default();
        status.forward = Some(Forward::Bypass);
        status.detail = Some("observed");
        status.append(&self.name, answer.headers_mut());
        let lines = Arc::clone(&self.lines);
        let answer = answer.map(|body| {
            streaming(Sent::new(body, move |bytes| lines.write(line.text(bytes, notes.upstream()))))
        });
        Ok((answer, Outcome::Pass))
    }

    /// Waits until the lines so far are written, or for this long. It blocks.
    pub fn flush(&self, patience: Duration) {
        self.lines.flush(patience);
    }
}

fn http(asked: Asked, line: &mut Line) -> Asked {
    let Target { scheme, authority, path } = &asked.target;
    if invalidation::is_unsafe(&asked.parts.method) {
        line.kind = Kind::Write;
    }
    let key = Key::new("http").part(scheme.as_str()).part(authority.as_str()).part(path.as_str());
    line.key = Some(notes::hash(key.text().as_bytes()));
    if !asked.body.is_end_stream() && matches!(line.kind, Kind::Read) {
        line.kind = Kind::Pass;
        line.why = Some("request body");
    }
    Notes::key(&asked.parts.extensions, &key);
    asked
}

/// Classifies a request as mode `search-elasticsearch` does. Its body is read if it is not too large.
async fn search(mut asked: Asked, rules: &request::Rules, line: &mut Line) -> Result<Asked, Failure> {
    let (path, method) = (asked.target.path.clone(), asked.parts.method.clone());
    let endpoint = classify(method.as_str(), path.path(), path.query());
    match &endpoint {
        Endpoint::Write { targets, .. } | Endpoint::Bulk { targets } => {
            line.kind = Kind::Write;
            line.targets(targets);
            return Ok(asked);
        }
        Endpoint::Pass { why } => return Ok(line.passes(why.text(), asked)),
        _ if asked.parts.headers.contains_key(CONTENT_ENCODING) => {
            return Ok(line.passes("a compressed request", asked));
        }
        _ => {}
    }
    let body = std::mem::replace(&mut asked.body, crate::body::empty());
    let body = match read(body, rules.limits.max_bytes).await {
        Ok(Read::Whole(body)) => body,
        Ok(Read::TooLarge(body)) => {
            asked.body = body;
            return Ok(line.passes("a large request", asked));
        }
        Err(error) => {
            tracing::debug!(%error, "a request was not read to its end");
            return Err(Failure::BadRequest("its body broke off"));
        }
    };
    line.request_bytes = body.len();
    keys(&asked, &body, &endpoint, rules, line);
    asked.body = full(body);
    Ok(asked)
}

fn keys(asked: &Asked, body: &Bytes, endpoint: &Endpoint, rules: &request::Rules, line: &mut Line) {
    let headers: Vec<(&str, &[u8])> =
        asked.parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = Request {
        method: asked.parts.method.as_str(),
        path: asked.target.path.path(),
        query: asked.target.path.query(),
        headers: &headers,
        body,
        client_certificate: None,
        now: SystemTime::now(),
    };
    let host = asked.target.authority.host();
    let hash = |digest: &[u8]| {
        let key = Key::new("search").part(host).part(digest);
        (notes::hash(key.text().as_bytes()), key)
    };
    let mut many = |found: Result<Many<'_>, request::NotKeyed>| match found {
        Ok(found) => {
            let keys = found.items.iter().filter_map(|item| item.key.as_ref().ok());
            line.items = keys.take(Line::MOST).map(|keyed| hash(&keyed.digest).0).collect();
        }
        Err(why) => line.not_stored(why.text()),
    };
    match endpoint {
        Endpoint::Msearch { .. } => many(msearch(&request, rules)),
        Endpoint::Mget { .. } => many(mget(&request, rules)),
        _ => match key(&request, rules) {
            Ok(keyed) => {
                let (hash, key) = hash(&keyed.digest);
                line.key = Some(hash);
                line.targets(&keyed.targets);
                Notes::key(&asked.parts.extensions, &key);
            }
            Err(why) => line.not_stored(why.text()),
        },
    }
}
