//! Asking the upstream for what may be stored, as the loader of a [`larder::Cache`]. The engine has taken the generations before
//! it calls the loader, and stores nothing whose generations were ended meanwhile.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, WARNING,
    },
    request::Parts,
    response,
};
use larder::Loaded;
use larder_http::{caching::fields, request::Life};
use tokio::sync::oneshot;

use super::{
    Engine, Shared,
    entry::{Answer, Entry, PRODUCT, Unstored, Whole},
    generations::Generations,
    question::Question,
};
use crate::{
    body::{Body, Read, full, read},
    failure::Failure,
    forward,
    request::Target,
    upstream::Again,
};

/// What the upstream has brought, for the request that it was asked for.
#[derive(Debug)]
pub(super) struct Brought {
    /// The answer, with all of its fields.
    pub(super) answer: Response<Body>,
    /// Its entity tag, if it may be stored; otherwise why not.
    pub(super) kept: Result<String, &'static str>,
    /// The upstream has confirmed what was stored.
    pub(super) confirmed: bool,
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

/// For how long an answer is kept that the upstream may confirm.
const CONFIRMED: Duration = Duration::from_hours(1);

/// One request to the upstream, before it is made.
#[derive(Clone)]
pub(super) struct Loading {
    pub(super) search: Arc<Shared>,
    pub(super) request: Parts,
    pub(super) target: Target,
    pub(super) body: Bytes,
    pub(super) question: Question,
    pub(super) generations: Generations,
    /// What was stored, and is to be confirmed by its validator.
    pub(super) old: Option<Answer>,
}

impl Loading {
    /// Asks. What came goes to the one who asked, and as an entry to the store and to those who have waited.
    pub(super) async fn load(self, sender: oneshot::Sender<Brought>) -> Result<Loaded<Entry>, Trouble> {
        let settings = &self.search.settings;
        let since = Instant::now();
        let longest = self.search.longest_now(&self.generations, self.question.real_time).await;
        // The engine has read the generations; what they were made of may have changed before that.
        let known = self.search.names().await;
        let stands = self.generations.are_of_any()
            || Generations::of_read(&self.question.targets, known.names()) == self.generations;
        let asked_at = SystemTime::now();
        let waited = Instant::now();
        let answer = self.ask().await.map_err(Trouble::Failed)?;
        let (mut parts, body) = answer.into_parts();
        fields::remove_hop_by_hop(&mut parts.headers);
        let (body, confirmed) = match &self.old {
            Some(old) if parts.status == StatusCode::NOT_MODIFIED => {
                parts.status = StatusCode::OK;
                parts.headers = old.headers();
                parts.headers.extend(
                    old.validator
                        .iter()
                        .filter_map(|tag| HeaderValue::from_bytes(tag).ok().map(|tag| (ETAG, tag))),
                );
                (old.body.clone(), true)
            }
            _ => match read(body, settings.max_body).await {
                Ok(Read::Whole(body)) if is_complete(&parts, &body) => (body, false),
                Ok(Read::TooLarge(body)) => {
                    send(sender, parts, body, Err("a large answer"), false);
                    return Ok(Loaded::not_stored(Entry::Unstored(Unstored::Elsewhere)));
                }
                Ok(Read::Whole(_)) => return Err(Trouble::Failed(Failure::BadAnswer)),
                Err(error) => {
                    tracing::debug!(%error, "an answer was not read to its end");
                    return Err(Trouble::Failed(Failure::BadAnswer));
                }
            },
        };
        let took = if confirmed { Duration::MAX } else { waited.elapsed() };
        let judged = if stands {
            self.judge(&parts, &body, longest, (asked_at, since.elapsed(), took))
        } else {
            Err("aliases have changed")
        };
        match judged {
            Ok(answer) => {
                send(sender, parts, full(body), Ok(answer.etag.clone()), confirmed);
                let kept = if answer.validator.is_some() { CONFIRMED } else { Duration::ZERO };
                let life = answer.life.saturating_add(kept);
                Ok(Loaded::new(Entry::Answer(answer)).ttl(life))
            }
            Err(why) => {
                let (status, headers) = (parts.status, parts.headers.clone());
                let whole = Whole { status, headers, body: body.clone(), why };
                send(sender, parts, full(body), Err(why), confirmed);
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
        if let Some(tag) =
            self.old.as_ref().and_then(|old| HeaderValue::from_bytes(old.validator.as_ref()?).ok())
        {
            parts.headers.insert(IF_NONE_MATCH, tag);
        }
        let name = &self.search.settings.name;
        let mut request = forward::request(&parts, &self.target, full(self.body.clone()), name)?;
        request.extensions_mut().insert(Again::Safe(self.body.clone()));
        self.search.upstream.ask(request).await
    }

    /// What is stored of it, or why nothing is.
    fn judge(
        &self,
        parts: &response::Parts,
        body: &Bytes,
        longest: Option<Duration>,
        (asked_at, age, took): (SystemTime, Duration, Duration),
    ) -> Result<Answer, &'static str> {
        if parts.headers.contains_key(CONTENT_ENCODING) {
            return Err("a coded answer");
        }
        let status = parts.status.as_u16();
        let admission = self.question.storable(status, body).map_err(larder_http::search::Why::text)?;
        let settings = &self.search.settings;
        if took != Duration::MAX && !settings.admits(&admission, took) {
            return Err("it cost too little");
        }
        let question = &self.question;
        let lives = Lives { life: &question.life, ttl: settings.ttl, longest, asked_at, age };
        let mut answer = answer_of(&parts.headers, body, admission.etag, &lives)?;
        // Solr's own caching is for GET, and its tag says which state of one index an answer is of: not what time it is, nor what
        // other collections say.
        let is_of_one_state = question.life == Life::default() && question.targets.are_names();
        if settings.engine == Engine::Solr && self.request.method == Method::GET && is_of_one_state {
            let tag = parts.headers.get(ETAG);
            answer.validator = tag.map(|tag| Bytes::copy_from_slice(tag.as_bytes()));
        }
        Ok(answer)
    }
}

/// Why an answer is not stored that has taken longer than it may live.
pub(super) const OVER: &str = "it is over already";

/// What limits the life of an answer.
pub(super) struct Lives<'a> {
    /// What was asked.
    pub(super) life: &'a Life,
    /// The route's.
    pub(super) ttl: Duration,
    /// What the refresh gap allows; none where the store could not say.
    pub(super) longest: Option<Duration>,
    /// When the upstream was asked.
    pub(super) asked_at: SystemTime,
    /// How long ago the marks of the gap were read, which was before that: what they and the clock allow counts from there.
    pub(super) age: Duration,
}

/// What is stored of an answer that may be, or why it is not worth it.
pub(super) fn answer_of(
    headers: &HeaderMap,
    body: &Bytes,
    etag: String,
    lives: &Lives<'_>,
) -> Result<Answer, &'static str> {
    let longest = lives.longest.ok_or("the store failed")?.saturating_sub(lives.age);
    let ttl = lives.ttl.saturating_add(lives.age);
    let ttl = lives.life.limit(ttl, lives.asked_at).saturating_sub(lives.age);
    let life = ttl.min(longest);
    if life.is_zero() {
        return Err(if lives.ttl.is_zero() { "its TTL is zero" } else { OVER });
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
        validator: None,
    })
}

/// Whoever has asked may be gone.
fn send(
    sender: oneshot::Sender<Brought>,
    parts: response::Parts,
    body: Body,
    kept: Result<String, &'static str>,
    confirmed: bool,
) {
    let _ = sender.send(Brought { answer: Response::from_parts(parts, body), kept, confirmed });
}

/// Whether the body has the length that the answer states.
pub(super) fn is_complete(answer: &response::Parts, body: &Bytes) -> bool {
    let length = answer.headers.get(CONTENT_LENGTH);
    length.and_then(|length| length.to_str().ok()).is_none_or(|length| length.parse() == Ok(body.len()))
}
