//! What is known of the versions in a shared store, and what is being asked.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tokio::time::Instant;

use super::{answers::Answers, record::Version, state::State};
use crate::{
    clock::Timestamp,
    entry::Scope,
    error::{Error, ErrorKind, Operation},
    versions::Standing,
};

/// How many versions are remembered. Beyond it those are forgotten that were not in the last answer.
const ENOUGH: usize = 65_536;

/// How old what is known may be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Oldest {
    /// It speaks of a moment from here on; `None`: of any.
    pub(super) moment: Option<Instant>,
    /// Or nothing was heard since that it has changed, on a bus that is alive.
    pub(super) or_unchanged: bool,
}

impl Oldest {
    /// Whatever was said.
    pub(crate) const ANY: Self = Self { moment: None, or_unchanged: false };

    /// What speaks of a moment from here on.
    pub(crate) fn since(moment: Instant) -> Self {
        Self { moment: Some(moment), or_unchanged: false }
    }

    fn allows(self, answer: &Answer) -> bool {
        if answer.is_void {
            return false;
        }
        self.moment.is_none_or(|moment| answer.sent >= moment) || (self.or_unchanged && answer.is_followed)
    }
}

/// What a store has said of one version.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// `None`: it has none.
    pub(super) version: Option<Version>,
    /// Until when the store keeps it.
    pub(super) expires: Timestamp,
}

impl Known {
    /// How what was written under that number stands. Without a version, nothing does.
    pub(super) fn standing(&self, stamped: u64) -> Standing {
        self.version.as_ref().map_or(Standing::Dead, |version| version.standing(stamped))
    }
}

#[derive(Debug)]
struct Answer {
    known: Result<Known, Error>,
    /// When the question, or our own write, was sent: it speaks of that moment.
    sent: Instant,
    /// When it came: answers to questions that were sent before this are older news.
    came: Instant,
    /// Where asking has failed: what was known before, and as of when.
    before: Option<Box<(Known, Instant)>>,
    /// Whether a change since it was asked for would have been heard, and would have made this void.
    is_followed: bool,
    /// It was heard that this has changed: nothing is known. What was asked before this came is older news all the same.
    is_void: bool,
}

impl Answer {
    /// What was known last, and as of when; `heard` is until when changes of what is followed were heard.
    fn known_last(&self, heard: Option<Instant>) -> Option<(&Known, Instant)> {
        if self.is_void {
            return None;
        }
        match (&self.known, &self.before) {
            (Ok(known), _) if self.is_followed => {
                Some((known, heard.map_or(self.sent, |heard| heard.max(self.sent))))
            }
            (Ok(known), _) => Some((known, self.sent)),
            (Err(_), Some(before)) => Some((&before.0, before.1)),
            (Err(_), None) => None,
        }
    }
}

fn owed() -> Error {
    let message = "an invalidation has not reached the store yet";
    Error::new(ErrorKind::Unavailable, Operation::Get, message)
}

/// A question in progress.
#[derive(Debug, Clone, Copy)]
struct Asking {
    number: u64,
    since: Instant,
}

/// When a question was sent, how many notices had come by then, and in which era of the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) at: Instant,
    notices: u64,
    era: u64,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    answers: Answers<Answer>,
    /// What the next question asks for.
    wanted: HashSet<Scope>,
    asking: Option<Asking>,
    questions: u64,
    /// Versions that this process is writing. What is known meanwhile is from before; it is replaced when the write ends.
    writing: HashMap<Scope, usize>,
    /// What was to be invalidated and perhaps is not, since the store failed; and since when. Nothing is known of it until it
    /// has a new version.
    owed: HashMap<Scope, Instant>,
    /// How many notices came that versions were concerned by. An answer is followed if none came while it was on its way.
    notices: u64,
    /// Until when everything was heard, if anything is.
    heard: Option<Instant>,
    /// The tags of answers that are followed, by the hashes of the keys of their records.
    tags: HashMap<u64, Scope>,
    /// Of which era of the store all this is.
    era: u64,
}

impl Memory {
    /// Forgets what was said in another era than this. What is owed stays owed, and what is being asked is still awaited.
    pub(super) fn is_of(&mut self, era: u64) {
        if self.era != era {
            self.era = era;
            self.answers.clear();
            self.tags.clear();
            self.notices += 1;
        }
    }

    /// The era of what is known, for what is asked or written now.
    pub(super) fn era(&self) -> u64 {
        self.era
    }

    /// What is known of this, if it speaks of a moment from `oldest` on. That asking has failed is told to those who came
    /// before the question was sent: for those who came later the store may be well again.
    pub(super) fn look_up(
        &self,
        scope: &Scope,
        oldest: Oldest,
        entered: Instant,
    ) -> Option<Result<Known, Error>> {
        let answer = self.answers.get(scope)?;
        if !oldest.allows(answer) {
            return None;
        }
        match &answer.known {
            Err(_) if entered > answer.sent => None,
            known => Some(known.clone()),
        }
    }

    /// What is known of this, if that is known and no older than this.
    pub(super) fn known(&self, scope: &Scope, oldest: Oldest) -> Option<&Known> {
        let answer = self.answers.get(scope)?;
        if !oldest.allows(answer) {
            return None;
        }
        answer.known.as_ref().ok()
    }

    /// Of which moment it is known that what was written under this number stands, if it does; and whether it will until something
    /// is heard.
    pub(super) fn stood(&self, scope: &Scope, stamped: u64) -> Option<(Instant, bool)> {
        let answer = self.answers.get(scope).filter(|answer| !answer.is_void)?;
        let known = answer.known.as_ref().ok()?;
        (known.standing(stamped) == Standing::Stands).then_some((answer.sent, answer.is_followed))
    }

    /// Names the state of all that is known.
    pub(super) fn state(&self) -> &Arc<State> {
        self.answers.state()
    }

    /// Whether asking for this has failed.
    pub(super) fn has_failed(&self, scope: &Scope) -> bool {
        self.answers.get(scope).is_some_and(|answer| answer.known.is_err() && !answer.is_void)
    }

    /// What was known of this last, whether or not asking again has failed, if it speaks of a moment from `oldest` on.
    pub(super) fn known_last(&self, scope: &Scope, oldest: Option<Instant>) -> Option<&Known> {
        let (known, sent) = self.answers.get(scope)?.known_last(self.heard)?;
        oldest.is_none_or(|oldest| sent >= oldest).then_some(known)
    }

    /// Whether this is known well enough.
    pub(super) fn knows(&self, scope: &Scope, oldest: Oldest) -> bool {
        self.known(scope, oldest).is_some()
    }

    pub(super) fn want(&mut self, scope: &Scope) {
        if !self.wanted.contains(scope) {
            self.wanted.insert(scope.clone());
        }
    }

    /// Whether nothing is to be asked for.
    pub(super) fn wants_nothing(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The number of a question that is to be asked now, if one is: something is wanted, and no question is in progress, or
    /// one that nobody can still hope for.
    pub(super) fn ask(&mut self, now: Instant, patience: std::time::Duration) -> Option<u64> {
        let is_asking =
            self.asking.is_some_and(|asking| now.saturating_duration_since(asking.since) < patience);
        if self.wanted.is_empty() || is_asking {
            return None;
        }
        self.questions += 1;
        self.asking = Some(Asking { number: self.questions, since: now });
        Some(self.questions)
    }

    /// What this question, which is sent now, asks for; nothing when it is over.
    pub(super) fn take_wanted(&mut self, number: u64, now: Instant) -> Vec<Scope> {
        match &mut self.asking {
            Some(asking) if asking.number == number => asking.since = now,
            _ => return Vec::new(),
        }
        let wanted: Vec<Scope> = std::mem::take(&mut self.wanted).into_iter().collect();
        if wanted.is_empty() {
            self.asking = None;
        }
        wanted
    }

    /// The question was given up.
    pub(super) fn give_up(&mut self, number: u64) {
        if self.asking.is_some_and(|asking| asking.number == number) {
            self.asking = None;
        }
    }

    pub(super) fn answered(
        &mut self,
        answers: impl IntoIterator<Item = (Scope, Result<Known, Error>)>,
        Sent { at: sent, notices, era }: Sent,
        came: Instant,
    ) {
        // Another store's.
        if era != self.era {
            return;
        }
        if self.answers.len() >= ENOUGH {
            self.answers.retain(|answer| answer.came >= sent);
        }
        let is_followed = self.heard.is_some() && notices == self.notices;
        for (scope, mut known) in answers {
            let is_owed = self.owed.contains_key(&scope);
            if known.is_ok() && is_owed {
                known = Err(owed());
            }
            let older = self.answers.get(&scope);
            if older.is_none_or(|older| older.came <= sent || older.known.is_err()) {
                let before = older
                    .filter(|_| known.is_err() && !is_owed)
                    .and_then(|older| older.known_last(self.heard));
                let before = before.map(|(known, sent)| Box::new((known.clone(), sent)));
                self.answers.insert(scope, Answer { known, sent, came, before, is_followed, is_void: false });
            }
        }
    }

    /// A question that is sent now.
    pub(super) fn sent(&self, at: Instant) -> Sent {
        Sent { at, notices: self.notices, era: self.era }
    }

    /// Under the key of this hash is the record of this tag.
    pub(super) fn follow(&mut self, hash: u64, tag: &Scope) {
        if self.tags.len() >= ENOUGH {
            self.follow_nothing();
        }
        let Some(other) = self.tags.insert(hash, tag.clone()).filter(|other| other != tag) else { return };
        // Only one of two can be found again.
        self.answers.change(&other, |answer| answer.is_followed = false);
    }

    /// Something was heard of a version: of this level, or of whatever tag has its record under the key of this hash.
    pub(super) fn changed(&mut self, level: Option<Scope>, hash: u64) {
        self.notices += 1;
        let tag = self.tags.remove(&hash);
        for scope in level.into_iter().chain(tag) {
            self.answers.change(&scope, |answer| answer.is_void = true);
        }
    }

    /// Something may have been missed.
    pub(super) fn missed(&mut self) {
        self.notices += 1;
        self.follow_nothing();
    }

    fn follow_nothing(&mut self) {
        self.tags.clear();
        self.answers.each(|answer| answer.is_followed = false);
    }

    /// Everything was heard until then.
    pub(super) fn heard(&mut self, until: Instant) {
        self.heard = self.heard.max(Some(until));
    }

    pub(super) fn begin_writing(&mut self, scope: &Scope) {
        *self.writing.entry(scope.clone()).or_default() += 1;
    }

    /// A write of ours has ended; what is known afterwards, if that is known.
    pub(super) fn end_writing(
        &mut self,
        scope: &Scope,
        written: Option<Known>,
        (sent, era): (Instant, u64),
        came: Instant,
    ) {
        // What was written to another store is not in this one.
        let written = written.filter(|_| era == self.era);
        if let Some(writers) = self.writing.get_mut(scope) {
            *writers -= 1;
            if *writers == 0 {
                self.writing.remove(scope);
            }
        }
        // A debt that arose while this was being written may be about what was written under it.
        let is_owed = match self.owed.get(scope) {
            Some(since) if written.is_some() && *since <= sent => {
                self.owed.remove(scope);
                false
            }
            since => since.is_some(),
        };
        match written.filter(|_| !is_owed) {
            Some(known) => {
                self.answers.insert(
                    scope.clone(),
                    Answer { known: Ok(known), sent, came, before: None, is_followed: false, is_void: false },
                );
            }
            // It may have taken place all the same.
            None => self.answers.remove(scope),
        }
    }

    pub(super) fn is_being_written(&self, scope: &Scope) -> bool {
        self.writing.contains_key(scope)
    }

    /// A version now lives longer.
    pub(super) fn renewed(&mut self, scope: &Scope, expires: Timestamp) {
        self.answers.change(scope, |answer| {
            if let Ok(known) = &mut answer.known {
                known.expires = expires;
            }
        });
    }

    /// This was to be invalidated, and perhaps is not.
    pub(super) fn owe(&mut self, scope: &Scope) {
        self.owed.insert(scope.clone(), Instant::now());
        self.answers.remove(scope);
    }

    /// Only this is owed any more: it includes everything else.
    pub(super) fn owe_only(&mut self, scope: &Scope) {
        self.owed.clear();
        self.owe(scope);
    }

    /// What is owed.
    pub(super) fn owed(&self) -> &HashMap<Scope, Instant> {
        &self.owed
    }

    /// Nothing is known of this any more.
    pub(super) fn forget(&mut self, scope: &Scope) {
        self.answers.remove(scope);
    }
}

#[cfg(all(test, larder_loom))]
mod models;
