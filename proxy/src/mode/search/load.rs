//! Asking the upstream for what may be stored, as the loader of a [`larder::Cache`]. The engine has taken the generations before
//! it calls the loader, and stores nothing whose generations were ended meanwhile.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH, WARNING},
    request::Parts,
    response,
};
use larder::Loaded;
use larder_http::{
    caching::fields,
    request::Life,
    search::{Keyed, storable},
};
use tokio::sync::oneshot;

use super::{
    Shared,
    entry::{Answer, Entry, Unstored, Whole},
    generations::Generations,
};
use crate::{
    body::{Body, Read, full, read},
    failure::Failure,
    forward,
    request::Target,
};

/// Without it, some clients refuse to work.
pub(super) const PRODUCT: HeaderName = HeaderName::from_static("x-elastic-product");

/// What the upstream has brought, for the request that it was asked for.
#[derive(Debug)]
pub(super) struct Brought {
    /// The answer, with all of its fields.
    pub(super) answer: Response<Body>,
    /// Its entity tag, if it may be stored; otherwise why not.
    pub(super) kept: Result<String, &'static str>,
}

/// Why there is nothing to store, in whose place something stale may be served.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The upstream gave no answer.
    Failed(Failure),
    /// It gave an answer that says that it cannot.
    Refused(Arc<Whole>),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Refused(whole) => write!(f, "the upstream answered {}", whole.status),
        }
    }
}

impl std::error::Error for Trouble {}

/// One request to the upstream, before it is made.
pub(super) struct Loading {
    pub(super) search: Arc<Shared>,
    pub(super) request: Parts,
    pub(super) target: Target,
    pub(super) body: Bytes,
    pub(super) keyed: Keyed,
    pub(super) generations: Generations,
}

impl Loading {
    /// Asks. What came goes to the one who asked, and as an entry to the store and to those who have waited.
    pub(super) async fn load(self, sender: oneshot::Sender<Brought>) -> Result<Loaded<Entry>, Trouble> {
        let settings = &self.search.settings;
        let longest = self.search.longest_now(&self.generations, self.keyed.real_time).await;
        let asked_at = SystemTime::now();
        let answer = self.ask().await.map_err(Trouble::Failed)?;
        let (mut parts, body) = answer.into_parts();
        fields::remove_hop_by_hop(&mut parts.headers);
        let body = match read(body, settings.max_body).await {
            Ok(Read::Whole(body)) if is_complete(&parts, &body) => body,
            Ok(Read::TooLarge(body)) => {
                send(sender, parts, body, Err("a large answer"));
                return Ok(Loaded::not_stored(Entry::Unstored(Unstored::Elsewhere)));
            }
            Ok(Read::Whole(_)) => return Err(Trouble::Failed(Failure::BadAnswer)),
            Err(error) => {
                tracing::debug!(%error, "an answer was not read to its end");
                return Err(Trouble::Failed(Failure::BadAnswer));
            }
        };
        match self.judge(&parts, &body, longest, asked_at) {
            Ok(answer) => {
                send(sender, parts, full(body), Ok(answer.etag.clone()));
                let life = answer.life;
                Ok(Loaded::new(Entry::Answer(answer)).ttl(life))
            }
            Err(why) => {
                let (status, headers) = (parts.status, parts.headers.clone());
                let whole = Whole { status, headers, body: body.clone(), why };
                send(sender, parts, full(body), Err(why));
                if matches!(status.as_u16(), 500 | 502 | 503 | 504) {
                    return Err(Trouble::Refused(Arc::new(whole)));
                }
                Ok(Loaded::not_stored(Entry::Unstored(Unstored::Whole(whole))))
            }
        }
    }

    async fn ask(&self) -> Result<Response<Body>, Failure> {
        let mut parts = self.request.clone();
        // What is stored is read, and has no coding; and a condition is answered here.
        for name in [ACCEPT_ENCODING, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            parts.headers.remove(name);
        }
        let name = &self.search.settings.name;
        let request = forward::request(&parts, &self.target, full(self.body.clone()), name)?;
        self.search.upstream.ask(request).await
    }

    /// What is stored of it, or why nothing is.
    fn judge(
        &self,
        parts: &response::Parts,
        body: &Bytes,
        longest: Option<Duration>,
        asked_at: SystemTime,
    ) -> Result<Answer, &'static str> {
        if parts.headers.contains_key(CONTENT_ENCODING) {
            return Err("a coded answer");
        }
        let admission =
            storable(self.keyed.kind, parts.status.as_u16(), body).map_err(larder_http::search::Why::text)?;
        let (life, ttl) = (&self.keyed.life, self.search.settings.ttl);
        answer_of(&parts.headers, body, admission.etag, life, ttl, longest, asked_at)
    }
}

/// What is stored of an answer that may be, or why it is not worth it. `longest` is what the refresh gap allows, none where the
/// store could not say.
pub(super) fn answer_of(
    headers: &HeaderMap,
    body: &Bytes,
    etag: String,
    life: &Life,
    ttl: Duration,
    longest: Option<Duration>,
    asked_at: SystemTime,
) -> Result<Answer, &'static str> {
    let longest = longest.ok_or("the store failed")?;
    let ttl = life.limit(ttl, asked_at);
    let life = ttl.min(longest);
    if life.is_zero() {
        return Err("its TTL is zero");
    }
    let field = |name: &HeaderName| headers.get(name).map(|value| value.as_bytes().to_vec().into());
    Ok(Answer {
        content_type: field(&CONTENT_TYPE),
        product: field(&PRODUCT),
        warnings: headers.get_all(WARNING).iter().map(|value| value.as_bytes().to_vec().into()).collect(),
        etag,
        // A part of a larger answer must not keep all of it in memory.
        body: Bytes::copy_from_slice(body),
        life,
        in_gap: longest < ttl,
    })
}

/// Whoever has asked may be gone.
fn send(
    sender: oneshot::Sender<Brought>,
    parts: response::Parts,
    body: Body,
    kept: Result<String, &'static str>,
) {
    let _ = sender.send(Brought { answer: Response::from_parts(parts, body), kept });
}

/// Whether the body has the length that the answer states.
fn is_complete(answer: &response::Parts, body: &Bytes) -> bool {
    let length = answer.headers.get(http::header::CONTENT_LENGTH);
    length.and_then(|length| length.to_str().ok()).is_none_or(|length| length.parse() == Ok(body.len()))
}
