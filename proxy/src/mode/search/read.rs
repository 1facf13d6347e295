//! A read with a key: from the cache, or from the upstream, which is asked once for all who want the same.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use larder::{Error, Fetched, Key, Status, Ttl};
use larder_http::{
    caching::cache_status::{CacheStatus, Forward},
    request::Principals,
};
use tokio::sync::oneshot;

use super::{
    super::{Answered, Asked},
    Shared,
    entry::{Answer, Entry, Unstored},
    generations::Generations,
    load::{Brought, Loading, OVER, Trouble},
    question::Question,
    reply,
};
use crate::{counters::Outcome, failure::Failure, notes::Notes};

/// What a load has brought: for all who have waited, and for the one who has asked.
type Loaded = (Result<Fetched<Entry>, Error>, Option<Brought>);

impl Shared {
    /// Answers a read that has a key.
    pub(super) async fn cached(self: &Arc<Self>, asked: Asked, body: Bytes, question: Question) -> Answered {
        let known = self.names().await;
        let generations = Generations::of_read(&question.targets, known.names());
        if self.owes(&generations).await {
            return self.pass(asked, Forward::Bypass, "an invalidation is owed").await;
        }
        let key = self.key("search", &asked, &question.digest);
        Notes::key(&asked.parts.extensions, &key);
        let loading = Loading {
            search: Arc::clone(self),
            request: asked.parts.clone(),
            target: asked.target.clone(),
            body,
            question,
            generations,
            old: None,
        };
        if self.unstorable.has(&key) {
            return self.apart(asked, &key, loading).await;
        }
        let mut loaded = self.load(&key, loading.clone()).await;
        if let Some(old) = loaded.0.as_ref().ok().and_then(to_confirm) {
            loaded = self.load(&key, Loading { old: Some(old), ..loading }).await;
            if loaded.0.is_err()
                && let Some(stale) = self.unconfirmed(&key).await
                && let Entry::Answer(answer) = &*stale
            {
                Notes::saved(&asked.parts.extensions, stale.load_cost());
                let (age, status) = (stale.age_seconds(), hit(&stale, answer));
                let answer = reply::stored(&asked, answer, age, status, &self.settings.name);
                return Ok((answer, Outcome::Stale));
            }
        }
        self.loaded(asked, &key, loaded).await
    }

    /// Looks, and asks the upstream, once for all who want the same. What is to be confirmed is not taken for an answer.
    async fn load(&self, key: &Key, loading: Loading) -> Loaded {
        let (sender, mut receiver) = oneshot::channel();
        let tags: Vec<String> = loading.generations.tags().map(str::to_owned).collect();
        let call = self.cache.at(key).tags(tags);
        let call = if loading.old.is_some() { call.fresh() } else { call };
        let loaded = call.get_or_load_with(move |_| loading.load(sender)).await;
        // A refresh in the background may still have the other end.
        (loaded, receiver.try_recv().ok())
    }

    /// What the upstream was to confirm, and has failed to, if it may be served all the same. It is looked up again: a write may have
    /// ended it meanwhile.
    async fn unconfirmed(&self, key: &Key) -> Option<Fetched<Entry>> {
        let fetched = self.worked("look up what was not confirmed", self.cache.get(key).await)??;
        let Entry::Answer(answer) = &*fetched else { return None };
        let until = answer.life.saturating_add(self.cache.policy().window_if_error());
        (!answer.in_gap && fetched.age() <= until).then_some(fetched)
    }

    /// A question whose answer could not be stored lately: nobody waits for anybody.
    async fn apart(&self, asked: Asked, key: &Key, loading: Loading) -> Answered {
        let (sender, mut receiver) = oneshot::channel();
        let loaded = loading.load(sender).await;
        match (receiver.try_recv().ok(), loaded) {
            (Some(brought), _) => {
                if brought.kept.is_ok() {
                    self.unstorable.remove(key);
                }
                let detail = brought.kept.as_ref().err().copied().unwrap_or("not stored lately");
                let status = missed(false, Some(detail));
                Ok((reply::brought(&asked, brought, status, &self.settings.name), Outcome::Miss))
            }
            (None, Err(Trouble::Failed(failure))) => Err(failure),
            (None, _) => Err(Failure::Late),
        }
    }

    async fn loaded(&self, asked: Asked, key: &Key, (loaded, brought): Loaded) -> Answered {
        match loaded {
            Ok(fetched) => self.fetched(asked, key, &fetched, brought).await,
            Err(error) => match (brought, error.load_error::<Trouble>()) {
                (Some(brought), _) => Ok(self.brought(&asked, brought, false)),
                (None, Some(Trouble::Failed(failure))) => Err(*failure),
                (None, Some(Trouble::Refused(whole))) if self.may_be_shared() => {
                    let status = missed(true, Some(whole.why));
                    Ok((reply::unstored(&asked, whole, status, &self.settings.name), Outcome::Joined))
                }
                (None, Some(Trouble::Refused(_))) => self.alone(asked, "not stored").await,
                (None, None) => {
                    tracing::warn!(%error, "a load came to nothing");
                    Err(Failure::Late)
                }
            },
        }
    }

    async fn fetched(
        &self,
        asked: Asked,
        key: &Key,
        fetched: &Fetched<Entry>,
        brought: Option<Brought>,
    ) -> Answered {
        let status = fetched.status();
        if let (Status::Loaded | Status::LoadedNotStored, Some(brought)) = (status, brought) {
            // Whoever waits for this could not be given it, and asks again: the next ones do not wait.
            let shared = matches!(&**fetched, Entry::Unstored(Unstored::Whole(_))) && self.may_be_shared();
            if matches!(&**fetched, Entry::Unstored(_)) && !shared {
                self.unstorable.add(key);
            }
            return Ok(self.brought(&asked, brought, status == Status::Loaded));
        }
        match &**fetched {
            Entry::Answer(answer) => {
                let (cache_status, outcome) = match status {
                    Status::Hit if fetched.age() > answer.life => return self.alone(asked, "over").await,
                    Status::Stale if answer.in_gap => return self.alone(asked, "over").await,
                    Status::Joined if answer.in_gap && self.is_too_old(fetched) => {
                        return self.alone(asked, "asked in the refresh gap").await;
                    }
                    Status::Hit => (hit(fetched, answer), Outcome::Hit),
                    Status::Stale => (hit(fetched, answer), Outcome::Stale),
                    _ => (missed(true, None), Outcome::Joined),
                };
                Notes::saved(&asked.parts.extensions, fetched.load_cost());
                let age = fetched.age_seconds();
                Ok((reply::stored(&asked, answer, age, cache_status, &self.settings.name), outcome))
            }
            Entry::Unstored(Unstored::Whole(whole))
                if self.may_be_shared() && !(whole.why == OVER && self.is_too_old(fetched)) =>
            {
                let status = missed(true, Some(whole.why));
                Ok((reply::unstored(&asked, whole, status, &self.settings.name), Outcome::Joined))
            }
            Entry::Unstored(_) => self.alone(asked, "not stored").await,
            // It is under a key of its own; whoever sees it here has a store that mixes them up.
            Entry::Mark(_) | Entry::Bodies(_) | Entry::Names(_) | Entry::Numbers { .. } => {
                self.alone(asked, "not an answer").await
            }
        }
    }

    /// Under which key an answer is stored. The host is a part of it, since an upstream may go by it; not its port, which is the
    /// proxy's own.
    pub(super) fn key(&self, kind: &'static str, asked: &Asked, digest: &[u8; 32]) -> Key {
        Key::new(kind).part(self.upstream.name()).part(asked.target.authority.host()).part(&digest[..])
    }

    /// Whether an answer of the refresh gap took so long that who joined it may have come after the gap.
    pub(super) fn is_too_old(&self, fetched: &Fetched<Entry>) -> bool {
        fetched.load_cost() > self.settings.gap
    }

    /// Whether what is not stored may be given to others who asked for the same: where who asks is not in the key, it is one
    /// principal's own business, such as a 403.
    pub(super) fn may_be_shared(&self) -> bool {
        self.settings.rules.principals != Principals::Shared
    }

    fn brought(
        &self,
        asked: &Asked,
        brought: Brought,
        stored: bool,
    ) -> (http::Response<crate::body::Body>, Outcome) {
        let mut status = missed(false, brought.kept.as_ref().err().copied());
        status.stored = stored && brought.kept.is_ok();
        let mut outcome = Outcome::Miss;
        if brought.confirmed {
            status.forward = Some(Forward::Stale);
            status.forward_status = Some(304);
            outcome = Outcome::Revalidated;
        }
        (reply::brought(asked, brought, status, &self.settings.name), outcome)
    }

    /// Straight to the upstream.
    pub(super) async fn alone(&self, asked: Asked, why: &'static str) -> Answered {
        self.pass(asked, Forward::UriMiss, why).await.map(|(answer, _)| (answer, Outcome::Miss))
    }
}

/// An answer that is over, and that the upstream may confirm.
fn to_confirm(fetched: &Fetched<Entry>) -> Option<Answer> {
    match &**fetched {
        Entry::Answer(answer)
            if fetched.status() == Status::Hit
                && fetched.age() > answer.life
                && answer.validator.is_some() =>
        {
            Some(answer.clone())
        }
        _ => None,
    }
}

fn missed(collapsed: bool, detail: Option<&'static str>) -> CacheStatus {
    let mut status = CacheStatus::default();
    status.forward = Some(Forward::UriMiss);
    status.collapsed = collapsed;
    status.detail = detail;
    status
}

fn hit(fetched: &Fetched<Entry>, answer: &Answer) -> CacheStatus {
    let left = match fetched.remaining() {
        Ttl::After(left) if fetched.status() == Status::Hit => left,
        _ => Duration::ZERO,
    };
    let mut status = CacheStatus::default();
    status.hit = true;
    // Some are kept for longer, to be confirmed.
    let left = left.min(answer.life.saturating_sub(fetched.age()));
    status.ttl = i64::try_from(left.as_secs()).ok();
    status
}
