//! Versions in a shared store: each a small entry of its own, under `namespace!v:…`, read in one round trip for all who wait,
//! and remembered for a bounded time.
//!
//! A question runs in a task of its own, so that no caller who goes away takes it along, and one question is under way at a
//! time: what is wanted meanwhile leaves together in the next.

mod debts;
mod questions;
mod records;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use self::{debts::Debt, records::Made};
use super::{
    super::{
        budget::Budget,
        stamps::{Levels, any_tag},
    },
    memory::{Known, Memory, Oldest},
    state::State,
};
use crate::{
    backend::{Backend, Condition, Era, Notice, Pulse},
    clock::{Clock, Moment},
    entry::{Scope, Stamp, Stamps},
    error::{Error, ErrorKind, Operation, Result},
    ttl::Ttl,
    versions::Standing,
};

/// After this long a question in progress is taken for lost, if the store has no deadline that would end it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a soft invalidation is tried against others before it becomes a hard one.
const SOFT_TRIES: u32 = 16;

/// The versions of a shared store, for one namespace.
pub(crate) struct There {
    backend: Arc<dyn Backend>,
    levels: Levels,
    lag: Duration,
    patience: Duration,
    clock: Clock,
    memory: Mutex<Memory>,
    /// Of what is in the memory.
    state: Arc<State>,
    /// Something is known that was not.
    news: Notify,
    /// Whether a task is about to pay what is owed.
    paying: AtomicBool,
    /// Until when changes of versions were heard.
    pulse: Pulse,
    /// Which store the backend is at the moment, if that changes.
    era: Option<Era>,
}

impl There {
    pub(super) fn new(backend: Arc<dyn Backend>, levels: Levels, lag: Duration, clock: Clock) -> Self {
        let patience = backend.capabilities().deadline.map_or(PATIENCE, |limit| limit.saturating_mul(2));
        let era = backend.era();
        let memory = Memory::default();
        Self {
            backend,
            levels,
            lag,
            patience,
            clock,
            state: Arc::clone(memory.state()),
            memory: Mutex::new(memory),
            news: Notify::new(),
            paying: AtomicBool::new(false),
            pulse: Pulse::new(),
            era,
        }
    }

    pub(super) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// How old an answer may be for a read that begins at this time.
    pub(crate) fn oldest_for(&self, since: Instant) -> Oldest {
        // Whoever allows no lag asks.
        let or_unchanged = !self.lag.is_zero() && self.pulse.is_alive(Moment::of(since));
        Oldest { moment: since.checked_sub(self.lag), or_unchanged }
    }

    /// Whether what began at this time may not yet know of what others have invalidated when this caller arrived.
    pub(crate) fn is_within_lag(&self, began: Instant, arrived: Instant) -> bool {
        arrived.saturating_duration_since(began) <= self.lag
    }

    /// Something was heard of the store.
    pub(super) fn hear(&self, notice: Notice<'_>) {
        match notice {
            Notice::Changed(text) => {
                if let Some(hash) = self.levels.hash_of_record(text) {
                    let level = self.levels.with_record(text);
                    self.memory().changed(level, hash);
                }
            }
            Notice::Gap => self.memory().missed(),
            Notice::Alive(until) => {
                self.memory().heard(until);
                self.pulse.set(Some(until));
            }
        }
    }

    /// Has the next question ask for what [`mark`](Self::mark) needs, too.
    pub(crate) fn will_mark(&self) {
        self.memory().want(&any_tag());
    }

    /// How what was written under these stands, if nothing need be asked for that.
    #[inline]
    pub(crate) fn standing_now(&self, stamps: &Stamps, oldest: Oldest) -> Option<Standing> {
        self.standing_by(stamps, |memory, scope| memory.known(scope, oldest))
    }

    /// Whether what was written under these is known to stand, since it stood when it was looked at last, and nothing else has
    /// become known since: no lock, and one comparison for all of them. A copy of a store that is another one from time to
    /// time is always looked at.
    #[inline]
    pub(crate) fn still_stands(&self, stamps: &Stamps, now: Moment) -> bool {
        if self.era.is_some() || self.lag.is_zero() {
            return false;
        }
        let state = self.state.now();
        (self.pulse.is_alive(now) && stamps.stood_unless_heard(state)) || stamps.stood_at(state, now.nanos())
    }

    /// How what was written under these stands, if nothing need be asked for that. That it stands is remembered.
    pub(crate) fn standing_of_copy(&self, stamps: &Stamps, oldest: Oldest) -> Option<Standing> {
        let standing = self.standing_now(stamps, oldest)?;
        if standing == Standing::Stands {
            let memory = self.memory();
            let stood = stamps.iter().map(|stamp| memory.stood(&stamp.scope, stamp.version));
            let all = stood.reduce(|all, one| {
                let ((since, are_followed), (sent, is_followed)) = (all?, one?);
                Some((since.min(sent), are_followed && is_followed))
            });
            if let Some(Some((since, are_followed))) = all
                && let Some(until) = since.checked_add(self.lag)
            {
                stamps.stand(self.state.now(), Moment::of(until).nanos(), are_followed);
            }
        }
        Some(standing)
    }

    /// The same where the store has failed to answer for one of them: by what it had said since `heard`.
    pub(crate) fn standing_failing(&self, stamps: &Stamps, heard: Option<Instant>) -> Option<Standing> {
        if !stamps.iter().any(|stamp| self.memory().has_failed(&stamp.scope)) {
            return None;
        }
        self.standing_by(stamps, |memory, scope| memory.known_last(scope, heard))
    }

    #[inline]
    fn standing_by(
        &self,
        stamps: &Stamps,
        known: impl for<'m> Fn(&'m Memory, &Scope) -> Option<&'m Known>,
    ) -> Option<Standing> {
        if !self.levels.are_all_in(stamps) {
            return Some(Standing::Dead);
        }
        let memory = self.memory();
        let mut worst = Standing::Stands;
        for stamp in stamps.iter().filter(|stamp| self.levels.has(&stamp.scope)) {
            let known = known(&memory, &stamp.scope)?;
            worst = worst.max(known.standing(stamp.version));
        }
        Some(if stamps.iter().all(|stamp| self.levels.has(&stamp.scope)) { worst } else { Standing::Dead })
    }

    /// How what was written under these stands; one answer each. All that is not known is asked for together.
    pub(crate) async fn standings(
        self: &Arc<Self>,
        written: &[&Stamps],
        oldest: Oldest,
        budget: Budget,
    ) -> Vec<Result<Standing>> {
        let entered = Instant::now();
        let standings = |memory: &Memory, failed: Option<&Error>| -> Vec<Result<Standing>> {
            written.iter().map(|stamps| self.standing(memory, stamps, (oldest, entered), failed)).collect()
        };
        let living =
            || written.iter().filter(|stamps| self.levels.are_all_in(stamps)).flat_map(|it| it.iter());
        {
            let memory = self.memory();
            if living().all(|stamp| memory.knows(&stamp.scope, oldest)) {
                return standings(&memory, None);
            }
        }
        let scopes: Vec<Scope> = living().map(|stamp| stamp.scope.clone()).collect();
        match self.learn(&scopes, (oldest, entered), budget, |memory| standings(memory, None)).await {
            Ok(standings) => standings,
            Err(failed) => standings(&self.memory(), Some(&failed)),
        }
    }

    /// How what was written under these stands, by what is known; else why nothing is.
    fn standing(
        &self,
        memory: &Memory,
        stamps: &Stamps,
        (oldest, entered): (Oldest, Instant),
        failed: Option<&Error>,
    ) -> Result<Standing> {
        // A level or a tag that this namespace cannot have is as good as an older version.
        if !self.levels.are_all_in(stamps) || !stamps.iter().all(|stamp| self.levels.has(&stamp.scope)) {
            return Ok(Standing::Dead);
        }
        let mut worst = Standing::Stands;
        for stamp in stamps.iter() {
            let known = match memory.look_up(&stamp.scope, oldest, entered) {
                Some(known) => known?,
                None => return Err(failed.cloned().unwrap_or_else(unknown)),
            };
            worst = worst.max(known.standing(stamp.version));
        }
        Ok(worst)
    }

    /// The stamps for an entry whose value begins to be made now, and which is kept for this long. Versions that do not exist
    /// yet are made.
    pub(crate) async fn current(
        self: &Arc<Self>,
        tags: &[Scope],
        kept: Ttl,
        budget: Budget,
    ) -> Result<Stamps> {
        let scopes: Vec<Scope> = self.levels.scopes().chain(tags.iter().cloned()).collect();
        self.stamps(scopes, kept, self.oldest_for(Instant::now()), budget).await
    }

    /// A mark in the invalidations of tags, for [`since`](Self::since). Taken before a loader begins that may name tags
    /// itself.
    pub(crate) async fn mark(self: &Arc<Self>, kept: Ttl, budget: Budget) -> Result<u64> {
        // One that is remembered may be older than now: then more counts as invalidated since, and nothing less.
        let any = self.stamps(vec![any_tag()], kept, self.oldest_for(Instant::now()), budget).await?;
        Ok(any.first().map_or(0, |stamp| stamp.version))
    }

    /// The stamps of tags that a loader has named, as of the time of the mark; `None` if a tag was invalidated since.
    ///
    /// Who invalidates gives a new version to [`any_tag`] first, then to the tag. Here the
    /// tags are read first, then that. If it is unchanged, whatever is invalidated later changes a version that was
    /// read here; and whatever was invalidated earlier was so before the loader began.
    pub(crate) async fn since(
        self: &Arc<Self>,
        tags: &[Scope],
        kept: Ttl,
        mark: u64,
        budget: Budget,
    ) -> Result<Option<Stamps>> {
        // Nothing that is remembered will do.
        let stamps = self.stamps(tags.to_vec(), kept, Oldest::since(Instant::now()), budget).await?;
        let entered = Instant::now();
        let read = |memory: &Memory| memory.look_up(&any_tag(), Oldest::since(entered), entered);
        let any = self.learn(&[any_tag()], (Oldest::since(entered), entered), budget, read).await?;
        let any = any.unwrap_or_else(|| Err(unknown()))?;
        Ok(any.version.is_some_and(|version| version.now == mark).then_some(stamps))
    }

    /// Sees to it that what an entry was written under is kept for as long as the entry, which is given a longer TTL.
    pub(crate) async fn keep(self: &Arc<Self>, stamps: &Stamps, kept: Ttl, budget: Budget) -> Result<()> {
        let scopes: Vec<Scope> = stamps.iter().map(|stamp| stamp.scope.clone()).collect();
        self.stamps(scopes, kept, self.oldest_for(Instant::now()), budget).await.map(drop)
    }

    /// Gives something a new version. When this returns, every entry written under the old one is dead, or stale when
    /// `softly`: for this process at once, for others at most the lag later. If it fails, or is given up, it is owed: nothing
    /// that was written under the old version is served by this process before the store has been reached.
    pub(crate) async fn invalidate(
        self: &Arc<Self>,
        scope: &Scope,
        softly: bool,
        budget: Budget,
    ) -> Result<()> {
        let debt = Debt::new(self, scope);
        self.give_new(scope, softly, budget).await?;
        debt.settle();
        Ok(())
    }

    async fn give_new(self: &Arc<Self>, scope: &Scope, softly: bool, budget: Budget) -> Result<()> {
        if matches!(scope, Scope::Tag(tag) if !tag.is_empty()) {
            // First: see `since`.
            self.replace(&any_tag(), budget).await?;
        }
        // What is owed has to go altogether, and would only be stale.
        let softly = softly && !self.memory().owed().contains_key(scope);
        if softly && self.backend.capabilities().compare_and_set {
            for _ in 0..SOFT_TRIES {
                if self.follow(scope, budget).await? {
                    return Ok(());
                }
            }
        }
        self.replace(scope, budget).await
    }

    /// The versions of these as stamps; those that the store has not get one, those that would end too soon live longer.
    async fn stamps(
        self: &Arc<Self>,
        scopes: Vec<Scope>,
        kept: Ttl,
        mut oldest: Oldest,
        budget: Budget,
    ) -> Result<Stamps> {
        // Somebody else may make a version while we wait for it, and bytes may be there that are no version.
        let mut tries = 0;
        while tries < 4 {
            let entered = Instant::now();
            let needed = kept.expires(self.clock.now());
            // What is known is read when it is: a write that is given up makes it unknown at any other moment.
            let read = |memory: &Memory| -> Result<Found> {
                let mut found = Found::default();
                for scope in &scopes {
                    let known = memory.look_up(scope, oldest, entered).unwrap_or_else(|| Err(unknown()))?;
                    match &known.version {
                        None => found.missing.push(scope.clone()),
                        Some(_) if known.expires < needed => found.short.push(scope.clone()),
                        Some(_) => {}
                    }
                    found.versions.push(known.version.map(|version| version.now));
                }
                Ok(found)
            };
            let Found { versions, missing, short } =
                self.learn(&scopes, (oldest, entered), budget, read).await??;
            if !short.is_empty() {
                self.renew(&short, kept, budget).await?;
            }
            if missing.is_empty() {
                let stamps = scopes.into_iter().zip(versions);
                return Ok(stamps
                    .filter_map(|(scope, version)| Some(Stamp { scope, version: version? }))
                    .collect());
            }
            // Twice refused, and still there is none: there are bytes that are no version. Waiting for somebody else who makes it is
            // no try: to write over what he has just made would kill what was written under it.
            let condition = if tries < 2 { Condition::Absent } else { Condition::Always };
            match self.make(missing, (kept, oldest), condition, budget).await? {
                Made::Left => {}
                Made::Done => tries += 1,
                Made::Refused => {
                    tries += 1;
                    // There is something, then. The answer to a question that was sent before may say that there is nothing.
                    oldest = Oldest::since(Instant::now());
                }
            }
        }
        Err(Error::new(
            ErrorKind::Other,
            Operation::Set,
            "the store keeps losing the version of a tag or namespace; is it out of memory, or does it evict at once?",
        ))
    }

    /// What is known of the store as it is now: what another one has said is forgotten.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing in here can panic half-way through a change.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(era) = &self.era {
            memory.is_of(era.number());
        }
        memory
    }
}

/// The versions of some scopes, in their order, and which of them have none or one that ends too soon.
#[derive(Debug, Default)]
struct Found {
    versions: Vec<Option<u64>>,
    missing: Vec<Scope>,
    short: Vec<Scope>,
}

impl std::fmt::Debug for There {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("There").field("lag", &self.lag).finish_non_exhaustive()
    }
}

fn unknown() -> Error {
    Error::new(ErrorKind::Unavailable, Operation::Get, "the version of a tag or namespace is not known")
}

fn late() -> Error {
    Error::new(
        ErrorKind::Timeout,
        Operation::Get,
        "the versions of tags and namespaces did not arrive in time",
    )
}
