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
    updating::updating,
};
use crate::{body::full, counters::Outcome, failure::Failure, upstream::Again};

/// How long a write that continues after its answer is taken to last, and the longest `commitWithin` that is believed.
pub(super) const LINGERS: Duration = Duration::from_hours(1);

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
    /// Everything, and what names stand for.
    Names,
    /// What is read as it goes by.
    Upload(Arc<Upload>),
}

/// Answers a write.
pub(super) async fn answer(search: &Arc<Shared>, mut asked: Asked, what: What) -> Answered {
    // Also one by GET.
    asked.parts.extensions.insert(Again::Never);
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
        let mut seen = match &what {
            What::Known { lingers: true, .. } => Seen::Unknown,
            What::Known { kind: WriteKind::Refresh, .. } => Seen::BeforeAnswer,
            What::Solr { seen, .. } => *seen,
            _ if refresh == Refresh::BeforeAnswer => Seen::BeforeAnswer,
            _ => Seen::Later,
        };
        let forward = method(&asked.parts.method);
        let says_when = matches!(what, What::Solr { .. }) && seen != Seen::BeforeAnswer;
        let (mut asked, scope) = self.scope(asked, what).await?;
        let mut said = None;
        if says_when && asked.parts.headers.contains_key(CONTENT_ENCODING) {
            // What it says cannot be read.
            seen = Seen::Within(LINGERS);
        } else if says_when {
            let (body, saying) = updating(asked.body);
            asked.body = body;
            said = Some(saying);
        }
        let before = match &scope {
            Scope::Known(targets) => Generations::of_write(targets, self.names().await.names()),
            Scope::Names => Generations::everything_and_names(),
            Scope::Upload(_) => Generations::default(),
        };
        let marked = self.mark_in_flight(&before).await;
        self.end(&before, marked).await;

        let answered = pass(&self.upstream, asked, &self.settings.name).await;

        if let Some(within) = said.and_then(|said| said.within()) {
            let other = if let Seen::Within(other) = seen { other } else { Duration::ZERO };
            seen = Seen::Within(within.max(other).min(LINGERS));
        }
        let done = answered.as_ref().is_ok_and(|answer| answer.status().is_success());
        let was_sent = !matches!(answered, Err(Failure::Unreachable | Failure::Busy));
        let (before, mut after) = match &scope {
            Scope::Known(_) | Scope::Names => (before.clone(), before),
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
        if done && after.are_everything() && !matches!(scope, Scope::Names) {
            self.has_new_names();
        }

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
            What::Known { kind: WriteKind::Aliases | WriteKind::Index | WriteKind::Unknown, .. }
                if self.settings.alias_map.is_some() =>
            {
                return Ok((asked, Scope::Names));
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
                self.account.owed.add(tag);
            } else if self.account.is_superseded() {
                self.account.owed.add(tag);
            }
        }
    }

    /// Whether the store has failed at ending one of these, and still does.
    pub(super) async fn owes(&self, generations: &Generations) -> bool {
        if !self.account.owed.any(generations.tags()) {
            return false;
        }
        // What is made up for in a store that is used no more is not made up for.
        if self.account.is_superseded() || !self.account.owed.turn() {
            return true;
        }
        // All that are, since some are of generations that nobody asks for.
        let debts = self.account.owed.all();
        let owed = Generations::from(debts.iter().map(|debt| debt.tag.clone()).collect::<Vec<_>>());
        let mut left = false;
        let marked = self.mark(&owed, Mark::AfterAnswer).await;
        for debt in &debts {
            let tag = &*debt.tag;
            if marked && self.worked("end a generation", self.cache.invalidate_tag(tag).await).is_some() {
                tracing::info!(tag, "was invalidated after all");
                self.account.owed.remove(debt);
            } else {
                left = true;
            }
        }
        // Meanwhile others may have been made.
        left || self.account.owed.any(generations.tags())
    }
}
