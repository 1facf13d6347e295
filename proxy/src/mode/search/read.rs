//! A read with a key: from the cache, or from the upstream, which is asked once for all who want the same.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use larder::{Fetched, Key, Status, Ttl};
use larder_http::{
    caching::cache_status::{CacheStatus, Forward},
    request::Principals,
    search::Keyed,
};
use tokio::sync::oneshot;

use super::{
    super::{Answered, Asked},
    Shared,
    entry::{Answer, Entry, Unstored},
    generations::Generations,
    load::{Brought, Loading, Trouble},
    reply,
};
use crate::{counters::Outcome, failure::Failure, notes::Notes};

impl Shared {
    /// Answers a read that has a key.
    pub(super) async fn cached(self: &Arc<Self>, asked: Asked, body: Bytes, keyed: Keyed) -> Answered {
        let generations = Generations::of_read(&keyed.targets, &self.settings.names);
        if self.owes(&generations).await {
            return self.pass(asked, Forward::Bypass, "an invalidation is owed").await;
        }
        let key = self.key(&asked, &keyed);
        Notes::key(&asked.parts.extensions, &key);
        let (sender, mut receiver) = oneshot::channel();
        let tags: Vec<String> = generations.tags().map(str::to_owned).collect();
        let loading = Loading {
            search: Arc::clone(self),
            request: asked.parts.clone(),
            target: asked.target.clone(),
            body,
            keyed,
            generations,
        };
        let call = self.cache.at(&key).tags(tags);
        let loaded = call.get_or_load_with(move |_| loading.load(sender)).await;
        // A refresh in the background may still have the other end.
        let brought = receiver.try_recv().ok();
        match loaded {
            Ok(fetched) => self.fetched(asked, &fetched, brought).await,
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

    async fn fetched(&self, asked: Asked, fetched: &Fetched<Entry>, brought: Option<Brought>) -> Answered {
        let status = fetched.status();
        if let (Status::Loaded | Status::LoadedNotStored, Some(brought)) = (status, brought) {
            return Ok(self.brought(&asked, brought, status == Status::Loaded));
        }
        match &**fetched {
            Entry::Answer(answer) => {
                let (cache_status, outcome) = match status {
                    Status::Hit if fetched.age() > answer.life => return self.alone(asked, "over").await,
                    Status::Stale if answer.in_gap => return self.alone(asked, "over").await,
                    Status::Hit => (hit(fetched, answer), Outcome::Hit),
                    Status::Stale => (hit(fetched, answer), Outcome::Stale),
                    _ => (missed(true, None), Outcome::Joined),
                };
                Notes::saved(&asked.parts.extensions, fetched.load_cost());
                let age = fetched.age_seconds();
                Ok((reply::stored(&asked, answer, age, cache_status, &self.settings.name), outcome))
            }
            Entry::Unstored(Unstored::Whole(whole)) if self.may_be_shared() => {
                let status = missed(true, Some(whole.why));
                Ok((reply::unstored(&asked, whole, status, &self.settings.name), Outcome::Joined))
            }
            Entry::Unstored(_) => self.alone(asked, "not stored").await,
            // It is under a key of its own; whoever sees it here has a store that mixes them up.
            Entry::Mark(_) => self.alone(asked, "not an answer").await,
        }
    }

    /// Under which key an answer is stored. The host is a part of it, since an upstream may go by it; not its port, which is the
    /// proxy's own.
    pub(super) fn key(&self, asked: &Asked, keyed: &Keyed) -> Key {
        Key::new("search")
            .part(self.upstream.name())
            .part(asked.target.authority.host())
            .part(&keyed.digest[..])
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
        (reply::brought(asked, brought, status, &self.settings.name), Outcome::Miss)
    }

    /// Straight to the upstream.
    async fn alone(&self, asked: Asked, why: &'static str) -> Answered {
        self.pass(asked, Forward::UriMiss, why).await.map(|(answer, _)| (answer, Outcome::Miss))
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
    status.ttl = i64::try_from(left.min(answer.life).as_secs()).ok();
    status
}
