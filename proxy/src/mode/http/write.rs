//! Requests that change what is stored without being stored: unsafe methods, which invalidate, and `HEAD`, which may
//! describe what is stored.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Response;
use larder::{Key, cache::Fetched};
use larder_http::caching::{
    Exchange,
    cache_status::{CacheStatus, Forward},
    groups::{CACHE_GROUP_INVALIDATION, groups},
    invalidation::{also_invalid, invalidates},
    update::{Head, head as described},
};

use super::{
    super::{Answered, Asked, pass::pass},
    Shared,
    entry::{Entry, Variant, group_tag},
    key,
};
use crate::{counters::Outcome, failure::Failure, request::Target};

/// Passes a request that may change something, and invalidates what its answer makes invalid (RFC 9111, 4.4).
pub(super) async fn answer(http: &Arc<Shared>, asked: Asked, own: &Key) -> Answered {
    let (method, target) = (asked.parts.method.clone(), asked.target.clone());
    let answer = pass(&http.upstream, asked, &http.settings.name).await;
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            // It may have been done all the same.
            if !matches!(failure, Failure::Unreachable | Failure::Busy | Failure::BadRequest(_)) {
                http.invalidate(own).await;
            }
            return Err(failure);
        }
    };
    if invalidates(&method, answer.status()) {
        http.invalidate(own).await;
        let (scheme, authority) = (target.scheme.as_str(), target.authority.as_str());
        for path in also_invalid(scheme, authority, target.path.as_str(), answer.headers()) {
            if let Ok(path) = path.parse() {
                http.invalidate(&key(&http.upstream, &Target { path, ..target.clone() })).await;
            }
        }
        for group in groups(answer.headers(), &CACHE_GROUP_INVALIDATION) {
            http.invalidate_group(&target, &group).await;
        }
    }
    let mut status = CacheStatus::default();
    status.forward = Some(Forward::Method);
    status.append(&http.settings.name, answer.headers_mut());
    Ok((answer, Outcome::Pass))
}

impl Shared {
    async fn invalidate(&self, key: &Key) {
        if let Err(error) = self.cache.delete(key).await {
            self.counters.store_failures.up();
            tracing::warn!(%error, key = key.text(), "could not be invalidated; it may be served until it is stale");
        }
    }

    async fn invalidate_group(&self, target: &Target, group: &str) {
        let Some(tag) = group_tag(target, group) else { return };
        if let Err(error) = self.cache.invalidate_tag(&tag).await {
            self.counters.store_failures.up();
            tracing::warn!(%error, tag, "could not be invalidated; it may be served until it is stale");
        }
    }
}

/// Passes a `HEAD`, and lets its answer describe what is stored (RFC 9111, 4.3.5).
pub(super) async fn head(
    http: &Arc<Shared>,
    asked: Asked,
    key: &Key,
    entry: Option<Fetched<Entry>>,
    place: Option<usize>,
    why: Forward,
) -> Answered {
    let (request, target, asked_at) = (asked.parts.clone(), asked.target.clone(), SystemTime::now());
    let answer = pass(&http.upstream, asked, &http.settings.name).await?;
    let (answer, body) = answer.into_parts();
    if let Some((entry, place)) = entry.as_ref().zip(place)
        && let Some(variant) = entry.variant(place)
    {
        let exchange =
            Exchange { request: &request, answer: &answer, asked: asked_at, answered: SystemTime::now() };
        match described(&variant.stored, variant.body.len(), &exchange, &http.settings.rules) {
            Head::Nothing => {}
            Head::Changed => http.invalidate(key).await,
            Head::Same(stored) => {
                let new = Variant { stored: *stored, body: variant.body.clone() };
                http.replace(key, &target, entry, entry.with(new, http.settings.max_body)).await;
            }
        }
    }
    let mut answer = Response::from_parts(answer, body);
    let mut status = CacheStatus::default();
    status.forward = Some(why);
    status.append(&http.settings.name, answer.headers_mut());
    Ok((answer, Outcome::Miss))
}

impl Shared {
    /// Writes an entry if the old one is still there. What cannot be written is revalidated another time.
    async fn replace(&self, key: &Key, target: &Target, old: &Fetched<Entry>, new: Entry) {
        let keep = Duration::from_secs(new.keep(self.settings.keep_stale, SystemTime::now()));
        let call = self.cache.at(key).ttl(keep).tags(new.tags(target));
        if let Err(error) = call.compare_and_set(old, new).await {
            self.counters.store_failures.up();
            tracing::debug!(%error, "what a HEAD says could not be stored");
        }
    }
}
