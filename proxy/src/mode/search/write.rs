//! Writes: the generations that they end, before they are forwarded and again after their answer or its loss.
//!
//! Before, since the answer may be lost, and the process with it. After, since a search that began in between has read old data
//! under the generation of the first time. A client that goes away stops neither.

use std::{sync::Arc, time::Duration};

use http::{Method, header::CONTENT_ENCODING};
use larder_http::{
    caching::cache_status::{CacheStatus, Forward},
    search::{BulkScanner, Refresh, Targets, WriteKind, reindex_destination},
};

use super::{
    super::{Answered, Asked, pass::pass},
    Shared,
    bulk::{self, Upload},
    gap::Mark,
    generations::Generations,
};
use crate::{body::full, counters::Outcome, failure::Failure};

/// How long a write that continues after its answer is taken to last.
const LINGERS: Duration = Duration::from_hours(1);

/// What is written.
#[derive(Debug)]
pub(super) enum What {
    /// What the path says.
    Known { kind: WriteKind, targets: Targets, lingers: bool },
    /// What the action lines say, and this for those that say nothing.
    Bulk(Targets),
    /// A write to Solr.
    Solr { targets: Targets, seen: Seen },
}

/// When searches see a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// When its answer is there.
    BeforeAnswer,
    /// When the engine's interval is over.
    Later,
    /// After this at the latest.
    Within(Duration),
    /// After its answer it continues, for an unknown time.
    Unknown,
}

/// What a write is going to change.
enum Scope {
    /// These.
    Known(Targets),
    /// What is read as it goes by.
    Upload(Arc<Upload>),
}

/// Answers a write.
pub(super) async fn answer(search: &Arc<Shared>, asked: Asked, what: What) -> Answered {
    if !search.settings.invalidation {
        let forward = method(&asked.parts.method);
        return search.pass(asked, forward, "a write").await;
    }
    let search = Arc::clone(search);
    // In a task, since the client may go away.
    let written = tokio::spawn(async move { search.write(asked, what).await });
    written.await.unwrap_or(Err(Failure::BadAnswer))
}

fn method(method: &Method) -> Forward {
    if *method == Method::GET { Forward::Bypass } else { Forward::Method }
}

impl Shared {
    async fn write(self: &Arc<Self>, asked: Asked, what: What) -> Answered {
        // The path has been checked when it was classified.
        let refresh = Refresh::of(asked.target.path.query());
        let seen = match &what {
            What::Known { lingers: true, .. } => Seen::Unknown,
            What::Known { kind: WriteKind::Refresh, .. } => Seen::BeforeAnswer,
            What::Solr { seen, .. } => *seen,
            _ if refresh == Refresh::BeforeAnswer => Seen::BeforeAnswer,
            _ => Seen::Later,
        };
        let forward = method(&asked.parts.method);
        let (asked, scope) = self.scope(asked, what).await?;
        let before = match &scope {
            Scope::Known(targets) => Generations::of_write(targets, self.names().await.names()),
            Scope::Upload(_) => Generations::default(),
        };
        let marked = self.mark_in_flight(&before).await;
        self.end(&before, marked).await;

        let answered = pass(&self.upstream, asked, &self.settings.name).await;

        let done = answered.as_ref().is_ok_and(|answer| answer.status().is_success());
        let was_sent = !matches!(answered, Err(Failure::Unreachable | Failure::Busy));
        let (before, mut after) = match &scope {
            Scope::Known(_) => (before.clone(), before),
            Scope::Upload(upload) => upload.answered().await,
        };
        if let Scope::Known(targets) = &scope {
            // What an alias stands for may have been changed meanwhile.
            after.extend(Generations::of_write(targets, self.names().await.names()));
        }
        let mut marked = true;
        match seen {
            Seen::Unknown => marked &= self.mark(&after, Mark::Lingering(LINGERS)).await,
            Seen::Within(within) if was_sent => {
                marked &= self.mark(&after, Mark::Lingering(within.saturating_add(self.settings.gap))).await;
            }
            _ => {}
        }
        if was_sent && !(done && seen == Seen::BeforeAnswer) {
            marked &= self.mark(&after, Mark::AfterAnswer).await;
        }
        self.end(&after, marked).await;
        self.unmark(&before, was_sent && answered.is_err()).await;

        let mut answer = answered?;
        let mut status = CacheStatus::default();
        status.forward = Some(forward);
        status.detail = Some("a write");
        status.append(&self.settings.name, answer.headers_mut());
        Ok((answer, Outcome::Pass))
    }

    /// What is written. Of bodies that say so, no more is kept than the route allows.
    async fn scope(self: &Arc<Self>, asked: Asked, what: What) -> Result<(Asked, Scope), Failure> {
        let everything = || Scope::Known(Targets::everything());
        let default = match what {
            What::Known { kind: WriteKind::Reindex, .. } => None,
            // It may change what names stand for, on which a map of them depends.
            What::Known { kind: WriteKind::Aliases | WriteKind::Index, .. }
                if self.settings.alias_map.is_some() =>
            {
                return Ok((asked, everything()));
            }
            What::Known { targets, .. } | What::Solr { targets, .. } => {
                return Ok((asked, Scope::Known(targets)));
            }
            What::Bulk(default) => Some(default),
        };
        if asked.parts.headers.contains_key(CONTENT_ENCODING) {
            return Ok((asked, everything()));
        }
        let (mut asked, body) = self.read_body(asked).await?;
        match (default, body) {
            (None, None) => Ok((asked, everything())),
            (Some(default), None) => {
                let body = std::mem::replace(&mut asked.body, crate::body::empty());
                let (body, upload) = bulk::reading(self, body, default);
                asked.body = body;
                Ok((asked, Scope::Upload(upload)))
            }
            (default, Some(body)) => {
                let targets = match default {
                    None => reindex_destination(&body),
                    Some(default) => {
                        let mut scanner = BulkScanner::new(default);
                        scanner.feed(&body);
                        scanner.finish()
                    }
                };
                asked.body = full(body);
                Ok((asked, Scope::Known(targets)))
            }
        }
    }

    /// Ends these generations. What the store fails at is owed, and so is what could not be `marked`.
    pub(super) async fn end(&self, generations: &Generations, marked: bool) {
        for tag in generations.tags() {
            let ended = self.worked("end a generation", self.cache.invalidate_tag(tag).await);
            if ended.is_none() || !marked {
                tracing::warn!(tag, "could not be invalidated; it passes, uncached, until it is");
                self.owe_one(tag);
            }
        }
    }

    fn owe_one(&self, tag: &str) {
        let count = self.owed.add(std::iter::once(tag));
        self.counters.invalidations_owed.set(count as u64);
    }

    /// Whether the store has failed at ending one of these, and still does.
    pub(super) async fn owes(&self, generations: &Generations) -> bool {
        if !self.owed.any(generations.tags()) {
            return false;
        }
        if !self.owed.turn() {
            return true;
        }
        // All that are, since some are of generations that nobody asks for.
        let owed = Generations::from(self.owed.all());
        let mut left = false;
        let marked = self.mark(&owed, Mark::AfterAnswer).await;
        for tag in owed.tags() {
            if marked && self.worked("end a generation", self.cache.invalidate_tag(tag).await).is_some() {
                tracing::info!(tag, "was invalidated after all");
                self.counters.invalidations_owed.set(self.owed.remove(tag) as u64);
            } else {
                left = true;
            }
        }
        left
    }
}
