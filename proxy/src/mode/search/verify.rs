//! Mode `verify`: the engine answers each search, without the bodies of documents; those are kept, and put in where it has found
//! the same versions of the same documents in the same order.
//!
//! Bodies are kept for one question each, under the fingerprint of its hits. Nothing in an answer is older than the engine's own
//! answer to the request: a document that was changed has another version, and an index that was made anew has another identity.

mod ask;

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use larder::Loaded;
use larder_http::{
    caching::cache_status::{CacheStatus, Forward},
    search::{
        Endpoint, Identities, ReadKind, Targets, Verifiable, WriteKind, classify, hits, storable, verifiable,
    },
};
use tokio::sync::oneshot;

use self::ask::Whole;
use super::{
    super::{Answered, Asked},
    FOR_THE_UPSTREAM, Shared,
    entry::{Bodies, Entry, Unstored},
    generations::{EVERYTHING, Generations},
    load::{Brought, Trouble},
    reply, with_request, write,
};
use crate::counters::Outcome;

/// Answers a request.
pub(super) async fn answer(search: &Arc<Shared>, asked: Asked) -> Answered {
    let path = &asked.target.path;
    match classify(asked.parts.method.as_str(), path.path(), path.query()) {
        Endpoint::Read { kind: ReadKind::Search, .. } => search.verified(asked).await,
        Endpoint::Read { .. } | Endpoint::Msearch { .. } | Endpoint::Mget { .. } => {
            search.pass(asked, Forward::Bypass, "not verified").await
        }
        Endpoint::Pass { why } => search.pass(asked, Forward::Bypass, why.text()).await,
        // A document that is written has another version; but other routes may be in front of the same engine.
        Endpoint::Bulk { targets } => write::answer(search, asked, write::What::Bulk(targets)).await,
        Endpoint::Write {
            kind: kind @ (WriteKind::Document | WriteKind::ByQuery | WriteKind::Refresh),
            targets,
            lingers,
        } => write::answer(search, asked, write::What::Known { kind, targets, lingers }).await,
        // What somebody may see of a document, or how it is shown.
        Endpoint::Write { kind, lingers, .. } => {
            let targets = Targets::everything();
            write::answer(search, asked, write::What::Known { kind, targets, lingers }).await
        }
        _ => search.pass(asked, Forward::Bypass, "not for this version").await,
    }
}

/// A search, and where its bodies are kept.
struct Verified {
    search: Arc<Shared>,
    parts: http::request::Parts,
    target: crate::request::Target,
    what: Verifiable,
}

impl Shared {
    async fn verified(self: &Arc<Self>, asked: Asked) -> Answered {
        let headers = &asked.parts.headers;
        if headers.contains_key(CONTENT_ENCODING)
            || FOR_THE_UPSTREAM.iter().any(|name| headers.contains_key(name))
        {
            return self.pass(asked, Forward::Bypass, "a compressed request, a range or a condition").await;
        }
        let (mut asked, body) = match self.read_body(asked).await? {
            (asked, Some(body)) => (asked, body),
            (asked, None) => return self.pass(asked, Forward::Bypass, "a large request").await,
        };
        let digest = with_request(&asked, &body, |request| self.question(request)).map(|found| found.digest);
        asked.is_safe(&body);
        let digest = match digest {
            Ok(digest) => digest,
            Err(why) => return self.pass(asked, Forward::Bypass, why.text()).await,
        };
        let Some(what) = verifiable(asked.target.path.query(), &body, self.settings.rules.limits) else {
            return self.pass(asked, Forward::Bypass, "a search that cannot be verified").await;
        };
        if self.owes(&Generations::everything()).await {
            return self.pass(asked, Forward::Bypass, "an invalidation is owed").await;
        }
        let key = self.key("verify", &asked, &digest);
        if self.unstorable.has(&key) {
            return self.pass(asked, Forward::UriMiss, "not verified lately").await;
        }
        let (search, parts, target) = (Arc::clone(self), asked.parts.clone(), asked.target.clone());
        let verified = Verified { search, parts, target, what };
        let kept = self.worked("look bodies up", self.cache.get(&key).await).flatten();
        let Some(Entry::Bodies(bodies)) = kept.as_deref() else {
            let identities = verified.identities().await?;
            return self.with_bodies(asked, &key, verified, identities, Forward::UriMiss).await;
        };
        let without = verified.search_for(&verified.what.without_bodies).await?;
        // The identities are read after the search: an index that has the same one afterwards is the one that was searched.
        let identities = verified.identities().await?;
        match verified.put_in(&without, identities.as_ref(), bodies) {
            Some((body, etag)) => {
                let mut status = CacheStatus::default();
                status.forward = Some(Forward::Stale);
                status.forward_status = Some(200);
                status.detail = Some("verified");
                let answer = without.with(body);
                let brought = Brought { answer, kept: Ok(etag), confirmed: true };
                let answer = reply::brought(&asked, brought, status, &self.settings.name);
                Ok((answer, Outcome::Revalidated))
            }
            None => self.with_bodies(asked, &key, verified, identities, Forward::Stale).await,
        }
    }

    /// Asks for the bodies as well, and keeps them. The identities were read before: an index that is made anew meanwhile has
    /// another one when it is asked for the next time.
    async fn with_bodies(
        self: &Arc<Self>,
        asked: Asked,
        key: &larder::Key,
        verified: Verified,
        identities: Option<Identities>,
        why: Forward,
    ) -> Answered {
        let Some(identities) = identities else {
            self.unstorable.add(key);
            return self.pass(asked, why, "its indices do not say which they are").await;
        };
        let (sender, mut receiver) = oneshot::channel();
        let loader = move |_| async move { verified.load(&identities, sender).await };
        let call = self.cache.at(key).tag(EVERYTHING).ttl(self.settings.ttl).fresh();
        let loaded = call.get_or_load_with(loader).await;
        let Ok(brought) = receiver.try_recv() else {
            // What another request has brought is not this one's answer; and what cannot be kept is asked for as it was sent.
            return match loaded {
                Err(error) => match error.load_error::<Trouble>() {
                    Some(Trouble::Failed(failure)) => Err(*failure),
                    _ => self.pass(asked, why, "not verified").await,
                },
                Ok(fetched) => {
                    // It will be so the next time, too.
                    if matches!(&*fetched, Entry::Unstored(_)) {
                        self.unstorable.add(key);
                    }
                    self.pass(asked, why, "not verified").await
                }
            };
        };
        let mut status = CacheStatus::default();
        status.forward = Some(why);
        status.detail = (why == Forward::Stale).then_some("changed");
        status.stored = loaded.is_ok_and(|fetched| fetched.status() == larder::Status::Loaded);
        Ok((reply::brought(&asked, brought, status, &self.settings.name), Outcome::Miss))
    }
}

impl Verified {
    /// The answer with what is kept in it, and its entity tag, if it is about the same versions.
    fn put_in(
        &self,
        without: &Whole,
        identities: Option<&Identities>,
        bodies: &Bodies,
    ) -> Option<(Bytes, String)> {
        storable(ReadKind::Search, without.status(), &without.body).ok()?;
        let found = hits(&without.body)?;
        if !found.is_empty() && found.fingerprint(identities?)? != bodies.fingerprint {
            return None;
        }
        let kept = bodies.bodies.iter().map(|body| body.as_deref());
        let body: Bytes = found.with(kept, self.what.versions).into();
        let etag = storable(ReadKind::Search, 200, &body).ok()?.etag;
        Some((body, etag))
    }

    /// Asks with bodies. What came goes to the one who asked, without what it did not ask for.
    async fn load(
        self,
        identities: &Identities,
        sender: oneshot::Sender<Brought>,
    ) -> Result<Loaded<Entry>, Trouble> {
        let with = self.search_for(&self.what.with_bodies).await.map_err(Trouble::Failed)?;
        let keep = || {
            storable(ReadKind::Search, with.status(), &with.body).ok()?;
            let found = hits(&with.body)?;
            let fingerprint = found.fingerprint(identities)?;
            let bodies: Vec<Option<Bytes>> =
                found.bodies().map(|body| body.map(Bytes::copy_from_slice)).collect();
            let answer: Bytes = found.with(found.bodies(), self.what.versions).into();
            let etag = storable(ReadKind::Search, 200, &answer).ok()?.etag;
            Some((Bodies { fingerprint, bodies }, answer, etag))
        };
        let Some((bodies, answer, etag)) = keep() else {
            // As an entry it is of no use; whoever asked asks as it was sent. What failed may be better the next time.
            let is_whole =
                with.is_too_large() || storable(ReadKind::Search, with.status(), &with.body).is_ok();
            return Ok(Loaded::not_stored(if is_whole {
                Entry::Unstored(Unstored::Elsewhere)
            } else {
                Entry::Bodies(Bodies { fingerprint: [0; 32], bodies: Vec::new() })
            }));
        };
        let brought = Brought { answer: with.with(answer), kept: Ok(etag), confirmed: false };
        let _ = sender.send(brought);
        Ok(Loaded::new(Entry::Bodies(bodies)))
    }
}
