//! Mode `http`: a shared cache by RFC 9111, whose answers are in a [`larder::Cache`].
//!
//! An entry is what is stored for one address: an answer for each variant (`Vary`). `larder-http` decides; here it is
//! looked up, asked for once however many want it, written, and invalidated.

mod entry;
mod load;
mod purge;
mod refreshes;
mod reply;
mod write;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, Response};
use http_body::Body as _;
use larder::{Cache, Key, cache::Fetched};
use larder_http::caching::{
    Exchange, Rules,
    cache_control::RequestControl,
    cache_status::{CacheStatus, Forward},
    invalidation,
    reuse::{Passed, Reuse, Stale, Unusable, reuse},
    storing::{Storing, storing},
};

use super::{Answered, Asked, pass::pass, unstorable::Unstorable};
use crate::{
    body::empty,
    counters::{Counters, Outcome},
    failure::Failure,
    notes::Notes,
    request::Target,
    upstream::Upstream,
};

pub use entry::{Entry, Variant};
use load::{Brought, Loading};
use refreshes::{Refreshes, Turn};

/// A route with a cache.
#[derive(Debug, Clone)]
pub struct Http(Arc<Shared>);

/// What all requests of a route share.
#[derive(Debug)]
struct Shared {
    upstream: Arc<Upstream>,
    cache: Cache<Entry>,
    settings: Settings,
    counters: Arc<Counters>,
    unstorable: Unstorable,
    refreshes: Refreshes,
}

/// What is configured for a route with a cache.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The proxy's name, for `Via` and `Cache-Status`.
    pub name: String,
    /// What RFC 9111 leaves open.
    pub rules: Rules,
    /// The largest body that is stored, in bytes.
    pub max_body: usize,
    /// For how many seconds a stale answer is kept for being confirmed.
    pub keep_stale: u64,
}

impl Http {
    /// A route to this upstream, whose answers are in this cache.
    pub fn new(
        upstream: Arc<Upstream>,
        cache: Cache<Entry>,
        settings: Settings,
        counters: Arc<Counters>,
    ) -> Self {
        let (unstorable, refreshes) = (Unstorable::default(), Refreshes::default());
        Self(Arc::new(Shared { upstream, cache, settings, counters, unstorable, refreshes }))
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn answer(&self, asked: Asked) -> Answered {
        let http = &self.0;
        let key = key(&http.upstream, &asked.target);
        Notes::key(&asked.parts.extensions, &key);
        if invalidation::is_unsafe(&asked.parts.method) {
            return write::answer(http, asked, &key).await;
        }
        // A body is part of what is asked, and not of the key.
        if !asked.body.is_end_stream() {
            return http.pass(asked, Forward::Bypass, "request body").await;
        }
        let entry = http.look_up(&key).await;
        http.decide(asked, key, entry).await
    }
}

/// Under which key an address is stored. Host and scheme are parts of it, and so is where the answer comes from.
fn key(upstream: &Upstream, target: &Target) -> Key {
    Key::new(upstream.name())
        .part(target.scheme.as_str())
        .part(target.authority.as_str())
        .part(target.path.as_str())
}

impl Shared {
    /// What is stored. A store that fails has nothing.
    async fn look_up(&self, key: &Key) -> Option<Fetched<Entry>> {
        match self.cache.get(key).await {
            Ok(found) => found,
            Err(error) => {
                self.counters.store_failures.up();
                tracing::debug!(%error, "a lookup failed; the upstream is asked");
                None
            }
        }
    }

    fn reuse(&self, asked: &Asked, entry: Option<&Entry>) -> Reuse {
        let stored = entry.into_iter().flat_map(Entry::stored);
        reuse(&asked.parts, stored, SystemTime::now(), &self.settings.rules)
    }

    async fn decide(self: &Arc<Self>, asked: Asked, key: Key, entry: Option<Fetched<Entry>>) -> Answered {
        let found = self.reuse(&asked, entry.as_deref());
        match found {
            Reuse::Hit { place, stale, .. } => {
                let variant = entry.as_ref().and_then(|entry| entry.variant(place)).cloned();
                let Some(variant) = variant else { return Err(Failure::NotStored) };
                let cost = entry.as_ref().map_or(Duration::ZERO, Fetched::load_cost);
                Notes::saved(&asked.parts.extensions, cost);
                if stale == Some(Stale::WhileRevalidate) {
                    self.refresh_in_background(&asked, &key, entry, place);
                }
                let status = hit();
                let outcome = if stale.is_some() { Outcome::Stale } else { Outcome::Hit };
                Ok((self.reply(&asked, &variant, status), outcome))
            }
            Reuse::Unavailable => Err(Failure::NotStored),
            Reuse::Pass(why) => {
                let forward = if why == Passed::Method { Forward::Method } else { Forward::Bypass };
                let forward = if why == Passed::NoStore { Forward::Request } else { forward };
                self.pass(asked, forward, why.text()).await
            }
            Reuse::Miss { other_variants } => {
                let why = if other_variants { Forward::VaryMiss } else { Forward::UriMiss };
                self.fetch(asked, key, entry, None, why).await
            }
            Reuse::Revalidate { place, why, if_error } => {
                let why = match why {
                    Unusable::Asked => Forward::Request,
                    Unusable::Stale | Unusable::NoCache => Forward::Stale,
                };
                self.fetch(asked, key, entry, Some((place, if_error)), why).await
            }
        }
    }

    /// Asks the upstream, once for all who want the same.
    async fn fetch(
        self: &Arc<Self>,
        asked: Asked,
        key: Key,
        entry: Option<Fetched<Entry>>,
        old: Option<(usize, bool)>,
        why: Forward,
    ) -> Answered {
        if asked.parts.method == Method::HEAD {
            return write::head(self, asked, &key, entry, old.map(|(place, _)| place), why).await;
        }
        if old.is_none() && self.unstorable.has(&key) {
            return self.alone(asked, &key, why).await;
        }
        // Whoever asks for a confirmation is not answered with what another request has brought before.
        let must_be_own =
            RequestControl::of(&asked.parts.headers).no_cache && self.settings.rules.heed_clients;
        let loading = Loading::new(self, &asked, &key, entry.clone(), old, why);
        if must_be_own {
            return self.own(asked, &key, loading.fresh().await).await;
        }
        let (brought, shared) = if entry.is_none() {
            loading.joined().await
        } else {
            match self.refreshes.turn(&key) {
                Turn::Lead(lead) => {
                    // In a task of its own: others wait for it, whether or not this client stays.
                    let refreshing = tokio::spawn(async move {
                        let (brought, shared) = loading.fresh().await;
                        lead.land(shared.clone());
                        (brought, shared)
                    });
                    refreshing.await.unwrap_or((Some(Brought::Failed(Failure::BadAnswer)), None))
                }
                Turn::Follow(follow) => (None, follow.landed().await),
            }
        };
        match brought {
            Some(brought) => self.own(asked, &key, (Some(brought), shared)).await,
            None => self.join(asked, key, shared, why).await,
        }
    }

    /// The answer to the request that the upstream was asked for.
    async fn own(
        self: &Arc<Self>,
        asked: Asked,
        key: &Key,
        (brought, _): (Option<Brought>, Option<Fetched<Entry>>),
    ) -> Answered {
        match brought {
            Some(Brought::Stored { variant, status }) => {
                let outcome =
                    if status.forward_status == Some(304) { Outcome::Revalidated } else { Outcome::Miss };
                Ok((self.reply(&asked, &variant, status), outcome))
            }
            Some(Brought::Stale { variant, status }) => {
                Ok((self.reply(&asked, &variant, status), Outcome::Stale))
            }
            Some(Brought::Direct { answer, status, mark }) => {
                let mut answer = *answer;
                if mark {
                    self.unstorable.add(key);
                }
                status.append(&self.settings.name, answer.headers_mut());
                Ok((answer, Outcome::Miss))
            }
            Some(Brought::Failed(failure)) => Err(failure),
            // The load was joined although it should not have been, or was given up.
            None => self.alone(asked, key, Forward::UriMiss).await,
        }
    }

    /// The answer to a request that has waited for another's.
    async fn join(
        self: &Arc<Self>,
        asked: Asked,
        key: Key,
        shared: Option<Fetched<Entry>>,
        why: Forward,
    ) -> Answered {
        let Some(entry) = shared else { return self.alone(asked, &key, why).await };
        if let Reuse::Hit { place, .. } = self.reuse(&asked, Some(&entry))
            && let Some(variant) = entry.variant(place)
        {
            let mut status = CacheStatus::default();
            status.forward = Some(why);
            status.collapsed = true;
            return Ok((self.reply(&asked, variant, status), Outcome::Joined));
        }
        match entry.failure() {
            Some(failure) => {
                let found = self.reuse(&asked, Some(&entry));
                if let Reuse::Revalidate { place, if_error: true, .. } = found
                    && let Some(variant) = entry.variant(place)
                {
                    let mut status = hit();
                    status.detail = Some(failure.word());
                    return Ok((self.reply(&asked, variant, status), Outcome::Stale));
                }
                Err(failure)
            }
            // What came is for others: another variant, or nothing that may be stored.
            None if entry.is_empty() => self.alone(asked, &key, why).await,
            None => {
                let loading = Loading::new(self, &asked, &key, Some(entry), None, why);
                let loaded = loading.fresh().await;
                self.own(asked, &key, loaded).await
            }
        }
    }

    /// Straight to the upstream: what cannot be stored is not waited for.
    async fn alone(&self, asked: Asked, key: &Key, why: Forward) -> Answered {
        let asked_at = SystemTime::now();
        let request = asked.parts.clone();
        let answer = pass(&self.upstream, asked, &self.settings.name).await?;
        let (answer, body) = answer.into_parts();
        let exchange =
            Exchange { request: &request, answer: &answer, asked: asked_at, answered: SystemTime::now() };
        let mut status = CacheStatus::default();
        status.forward = Some(why);
        match storing(&exchange, &self.settings.rules) {
            // From now on it may be waited for.
            Storing::Store(_) => self.unstorable.remove(key),
            Storing::DoNotStore(why) => status.detail = Some(why.text()),
        }
        let mut answer = Response::from_parts(answer, body);
        status.append(&self.settings.name, answer.headers_mut());
        Ok((answer, Outcome::Miss))
    }

    async fn pass(&self, asked: Asked, forward: Forward, detail: &'static str) -> Answered {
        let mut answer = pass(&self.upstream, asked, &self.settings.name).await?;
        let mut status = CacheStatus::default();
        status.forward = Some(forward);
        status.detail = Some(detail);
        status.append(&self.settings.name, answer.headers_mut());
        Ok((answer, Outcome::Pass))
    }

    fn refresh_in_background(
        self: &Arc<Self>,
        asked: &Asked,
        key: &Key,
        entry: Option<Fetched<Entry>>,
        place: usize,
    ) {
        let Turn::Lead(lead) = self.refreshes.turn(key) else { return };
        let mut parts = asked.parts.clone();
        parts.method = Method::GET;
        let asked = Asked { parts, target: asked.target.clone(), body: empty() };
        let loading = Loading::new(self, &asked, key, entry, Some((place, true)), Forward::Stale);
        tokio::spawn(async move {
            let (_, shared) = loading.fresh().await;
            lead.land(shared);
        });
    }

    fn reply(&self, asked: &Asked, variant: &Variant, status: CacheStatus) -> Response<crate::body::Body> {
        reply::reply(asked, variant, status, &self.settings.name)
    }
}

fn hit() -> CacheStatus {
    let mut status = CacheStatus::default();
    status.hit = true;
    status
}

/// The fields that a stored answer is chosen by are the client's, not those of the upstream's request.
fn selecting_headers(asked: &Asked) -> &HeaderMap {
    &asked.parts.headers
}
