//! Writes: the generations that they end, before they are forwarded and again after their answer or its loss.
//!
//! Before, since the answer may be lost, and the process with it. After, since a search that began in between has read old data
//! under the generation of the first time. A client that goes away stops neither.

use std::sync::Arc;

use http::{Method, header::CONTENT_ENCODING};
use larder_http::{
    caching::cache_status::{CacheStatus, Forward},
    search::{BulkScanner, Refresh, Targets, WriteKind, reindex_destination},
};

use super::{
    super::{Answered, Asked, pass::pass},
    Shared,
    gap::Mark,
    generations::Generations,
};
use crate::{body::full, counters::Outcome, failure::Failure};

/// What is written.
#[derive(Debug)]
pub(super) enum What {
    /// What the path says.
    Known { kind: WriteKind, targets: Targets, lingers: bool },
    /// What the action lines say, and this for those that say nothing.
    Bulk(Targets),
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
    async fn write(&self, asked: Asked, what: What) -> Answered {
        let (kind, lingers) = match &what {
            What::Known { kind, lingers, .. } => (*kind, *lingers),
            What::Bulk(_) => (WriteKind::Document, false),
        };
        let (asked, targets) = self.targets(asked, what).await?;
        let generations = Generations::of_write(&targets, &self.settings.names);
        // The path has been checked when it was classified.
        let refresh = Refresh::of(asked.target.path.query());
        let forward = method(&asked.parts.method);

        let in_flight = self.mark(&generations, Mark::InFlight).await;
        self.end(&generations, in_flight).await;

        let answered = pass(&self.upstream, asked, &self.settings.name).await;

        let done = answered.as_ref().is_ok_and(|answer| answer.status().is_success());
        let was_sent = !matches!(answered, Err(Failure::Unreachable | Failure::Busy));
        let visible = kind == WriteKind::Refresh || refresh == Refresh::BeforeAnswer;
        let mut marked = true;
        if lingers {
            marked &= self.mark(&generations, Mark::Lingering).await;
        }
        if was_sent && !(done && visible) {
            marked &= self.mark(&generations, Mark::AfterAnswer).await;
        }
        self.end(&generations, marked).await;
        self.unmark(&generations, was_sent && answered.is_err()).await;

        let mut answer = answered?;
        let mut status = CacheStatus::default();
        status.forward = Some(forward);
        status.detail = Some("a write");
        status.append(&self.settings.name, answer.headers_mut());
        Ok((answer, Outcome::Pass))
    }

    /// What is written. Only bodies that say so are read, and only so much of them as the route allows.
    async fn targets(&self, asked: Asked, what: What) -> Result<(Asked, Targets), Failure> {
        let default = match what {
            What::Known { kind: WriteKind::Reindex, .. } => None,
            What::Known { targets, .. } => return Ok((asked, targets)),
            What::Bulk(default) => Some(default),
        };
        if asked.parts.headers.contains_key(CONTENT_ENCODING) {
            return Ok((asked, Targets::everything()));
        }
        let (mut asked, body) = self.read_body(asked).await?;
        let Some(body) = body else { return Ok((asked, Targets::everything())) };
        let targets = match default {
            None => reindex_destination(&body),
            Some(default) => {
                let mut scanner = BulkScanner::new(default);
                scanner.feed(&body);
                scanner.finish()
            }
        };
        asked.body = full(body);
        Ok((asked, targets))
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
