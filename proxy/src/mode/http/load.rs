//! Asking the upstream for what is to be stored, as the loader of a [`larder::Cache`]: what it brings is stored unless the
//! address was invalidated meanwhile.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{
    Response, StatusCode,
    header::{IF_MODIFIED_SINCE, IF_NONE_MATCH},
    request::Parts,
    response,
};
use larder::{
    Key, Loaded,
    cache::{Fetched, LoadContext},
};
use larder_http::caching::{
    Exchange, Stored,
    cache_status::{CacheStatus, Forward},
    conditional, fields,
    storing::{NotStored, Storing, storing},
    update::update,
};
use tokio::sync::oneshot;

use super::{
    super::Asked,
    Shared,
    entry::{Entry, Variant},
};
use crate::{
    body::{Body, Read, empty, read},
    failure::Failure,
    forward,
    request::Target,
};

/// What the upstream has brought, for the request that it was asked for.
#[derive(Debug)]
pub(super) enum Brought {
    /// An answer that is stored, or was and is confirmed.
    Stored { variant: Variant, status: CacheStatus },
    /// The upstream failed; this was stored.
    Stale { variant: Variant, status: CacheStatus },
    /// An answer that cannot be stored, with a body that streams, and whether the next one cannot be either.
    Direct { answer: Box<Response<Body>>, status: CacheStatus, mark: bool },
    /// None.
    Failed(Failure),
}

/// One request to the upstream, before it is made.
pub(super) struct Loading {
    http: Arc<Shared>,
    request: Parts,
    target: Target,
    key: Key,
    /// What was found.
    entry: Option<Fetched<Entry>>,
    /// Which of its variants is to be confirmed, and whether it may be served if the upstream fails.
    old: Option<(usize, bool)>,
    why: Forward,
}

/// What came of it: for the request itself, if the upstream was asked for it, and for those who have waited.
pub(super) type Outcome = (Option<Brought>, Option<Fetched<Entry>>);

impl Loading {
    pub(super) fn new(
        http: &Arc<Shared>,
        asked: &Asked,
        key: &Key,
        entry: Option<Fetched<Entry>>,
        old: Option<(usize, bool)>,
        why: Forward,
    ) -> Self {
        Self {
            http: Arc::clone(http),
            request: asked.parts.clone(),
            target: asked.target.clone(),
            key: key.clone(),
            entry,
            old,
            why,
        }
    }

    /// Asks, or waits for a request of the same address that is already under way.
    pub(super) async fn joined(self) -> Outcome {
        self.run(false).await
    }

    /// Asks, or waits for a request that begins after this call.
    pub(super) async fn fresh(self) -> Outcome {
        self.run(true).await
    }

    async fn run(self, fresh: bool) -> Outcome {
        let (sender, mut receiver) = oneshot::channel();
        let (cache, key) = (self.http.cache.clone(), self.key.clone());
        let counters = Arc::clone(&self.http.counters);
        let call = cache.at(&key);
        let call = if fresh { call.fresh() } else { call };
        let loader = move |context: LoadContext<Entry>| async move {
            Ok::<_, Infallible>(self.load(&context, sender).await)
        };
        let loaded = call.get_or_load_with(loader).await;
        let brought = receiver.try_recv().ok();
        match loaded {
            Ok(fetched) => (brought, Some(fetched)),
            Err(error) => {
                counters.store_failures.up();
                tracing::warn!(%error, "a load came to nothing");
                (brought.or(Some(Brought::Failed(Failure::Late))), None)
            }
        }
    }

    async fn load(self, context: &LoadContext<Entry>, sender: oneshot::Sender<Brought>) -> Loaded<Entry> {
        let before =
            context.old().or(self.entry.as_ref()).map(|entry| Entry::clone(entry)).unwrap_or_default();
        let old = self.old.and_then(|(place, if_error)| {
            let found = self.entry.as_ref()?.variant(place)?;
            Some((found.clone(), if_error))
        });
        let (brought, loaded) = self.ask(before, old).await;
        // Whoever has asked may be gone.
        let _ = sender.send(brought);
        loaded
    }

    async fn ask(&self, before: Entry, old: Option<(Variant, bool)>) -> (Brought, Loaded<Entry>) {
        let mut parts = self.request.clone();
        if let Some((old, _)) = old.as_ref().filter(|(old, _)| conditional::can_be_validated(&old.stored)) {
            conditional::validate(&mut parts.headers, &old.stored);
        } else {
            // The whole answer is wanted; the client's conditions are evaluated on it.
            parts.headers.remove(IF_NONE_MATCH);
            parts.headers.remove(IF_MODIFIED_SINCE);
        }
        let asked = SystemTime::now();
        let answer = match forward::request(&parts, &self.target, empty(), &self.http.settings.name) {
            Ok(request) => self.http.upstream.ask(request).await,
            Err(failure) => Err(failure),
        };
        let if_error = old.as_ref().filter(|(_, if_error)| *if_error).map(|(old, _)| old);
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return failed(failure, &before, if_error),
        };
        let (mut answer, body) = answer.into_parts();
        let answered = SystemTime::now();
        if let Some(stale) = if_error.filter(|_| is_failure(answer.status)) {
            let mut status = self.status(Some(answer.status));
            status.detail = Some("stale-if-error");
            let brought = Brought::Stale { variant: stale.clone(), status };
            return (brought, Loaded::not_stored(before.failed(Failure::BadAnswer)));
        }
        let exchange = Exchange { request: &self.request, answer: &answer, asked, answered };
        let rules = &self.http.settings.rules;
        if answer.status == StatusCode::NOT_MODIFIED
            && let Some((old, _)) = &old
        {
            let body = old.body.clone();
            return match update(&old.stored, &exchange, rules) {
                Storing::Store(stored) => {
                    self.stored(&before, Variant { stored: *stored, body }, Some(answer.status))
                }
                Storing::DoNotStore(why) => {
                    // It is right, and may not be kept: the client has it, and nobody else.
                    let mut status = self.status(Some(answer.status));
                    status.detail = Some(why.text());
                    let variant = old.clone();
                    let entry = self.dropped(&before);
                    (Brought::Stored { variant, status }, entry)
                }
            };
        }
        let stored = storing(&exchange, rules);
        fields::remove_hop_by_hop(&mut answer.headers);
        match stored {
            Storing::Store(stored) => self.keep(&before, *stored, answer, body, if_error).await,
            Storing::DoNotStore(why) => {
                let mut status = self.status(None);
                status.detail = Some(why.text());
                let brought = direct(answer, body, status, is_of_the_address(why));
                (brought, self.dropped(&before))
            }
        }
    }

    /// Reads the body, if it is not too large.
    async fn keep(
        &self,
        before: &Entry,
        stored: Stored,
        answer: response::Parts,
        body: Body,
        if_error: Option<&Variant>,
    ) -> (Brought, Loaded<Entry>) {
        match read(body, self.http.settings.max_body).await {
            Ok(Read::Whole(body)) => self.stored(before, Variant { stored, body }, None),
            Ok(Read::TooLarge(body)) => {
                let mut status = self.status(None);
                status.detail = Some("too large");
                (direct(answer, body, status, true), self.dropped(before))
            }
            Err(error) => {
                tracing::debug!(%error, "a body was not read to its end");
                failed(Failure::BadAnswer, before, if_error)
            }
        }
    }

    fn stored(
        &self,
        before: &Entry,
        variant: Variant,
        forward_status: Option<StatusCode>,
    ) -> (Brought, Loaded<Entry>) {
        let settings = &self.http.settings;
        let mut status = self.status(forward_status);
        status.stored = true;
        let entry = before.with(variant.clone(), settings.max_body);
        (Brought::Stored { variant, status }, self.loaded(entry))
    }

    fn loaded(&self, entry: Entry) -> Loaded<Entry> {
        let keep = Duration::from_secs(entry.keep(self.http.settings.keep_stale, SystemTime::now()));
        let tags = entry.tags(&self.target);
        tags.into_iter().fold(Loaded::new(entry).ttl(keep), Loaded::tag)
    }

    /// What the upstream has answered cannot be stored: what was to be confirmed is no longer right.
    fn dropped(&self, before: &Entry) -> Loaded<Entry> {
        match self.old {
            Some((place, _)) if before.variant(place).is_some() => {
                let left = before.without(place);
                if left.is_empty() {
                    Loaded::new(left).ttl(Duration::from_secs(1))
                } else {
                    self.loaded(left)
                }
            }
            _ => Loaded::not_stored(Entry::default()),
        }
    }

    fn status(&self, forward_status: Option<StatusCode>) -> CacheStatus {
        let mut status = CacheStatus::default();
        status.forward = Some(self.why);
        status.forward_status = forward_status.map(|status| status.as_u16());
        status
    }
}

fn failed(failure: Failure, before: &Entry, if_error: Option<&Variant>) -> (Brought, Loaded<Entry>) {
    let brought = match if_error {
        Some(variant) => {
            let mut status = CacheStatus::default();
            status.hit = true;
            status.detail = Some(failure.word());
            Brought::Stale { variant: variant.clone(), status }
        }
        None => Brought::Failed(failure),
    };
    (brought, Loaded::not_stored(before.failed(failure)))
}

fn direct(answer: response::Parts, body: Body, status: CacheStatus, mark: bool) -> Brought {
    Brought::Direct { answer: Box::new(Response::from_parts(answer, body)), status, mark }
}

/// Whether an answer is not stored for a reason that holds for other requests of the same address as well.
fn is_of_the_address(why: NotStored) -> bool {
    !matches!(
        why,
        NotStored::Authorization
            | NotStored::AskedNotTo
            | NotStored::Method
            | NotStored::Range
            | NotStored::Status
    )
}

/// The statuses in whose place a stale answer may be served (RFC 5861, 4).
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
