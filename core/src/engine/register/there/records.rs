//! Writing versions: new ones, following ones, and those that are to live longer.

use std::sync::Arc;

use tokio::time::Instant;

use super::super::{
    super::budget::Budget,
    memory::{Known, Oldest},
    record::{self, Version},
};
use super::{There, late};
use crate::{
    backend::{Backend, Condition, GetOptions, Lookup, SetItem, SetOptions, TouchItem, TouchOptions},
    entry::{Lifetime, Scope},
    error::Result,
    random,
    ttl::Ttl,
};

/// Versions that are being written.
pub(super) struct Writing<'a> {
    pub(super) there: &'a There,
    pub(super) scopes: Vec<(Scope, Option<Known>)>,
    pub(super) sent: Instant,
    /// In which era of the store.
    pub(super) era: u64,
}

impl Writing<'_> {
    fn written(&mut self, scope: &Scope, known: Known) {
        if let Some((_, place)) = self.scopes.iter_mut().find(|(written, _)| written == scope) {
            *place = Some(known);
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let came = Instant::now();
        {
            let mut memory = self.there.memory();
            for (scope, known) in self.scopes.drain(..) {
                memory.end_writing(&scope, known, (self.sent, self.era), came);
            }
        }
        self.there.news.notify_waiters();
    }
}

/// What became of versions that were to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Nothing: somebody else in this process makes them, or has.
    Left,
    /// They were made.
    Done,
    /// Something was there already.
    Refused,
}

impl There {
    pub(super) async fn replace(self: &Arc<Self>, scope: &Scope, budget: Budget) -> Result<()> {
        // Once nobody writes under it any more, the new version may go as well: without one, the entries
        // of the old one are dead all the same.
        let version = Version::new(random::unique());
        self.write(scope, &version, Condition::Always, budget).await.map(drop)
    }

    /// Lets a new version follow the one that is there. `false` if that has changed meanwhile.
    pub(super) async fn follow(self: &Arc<Self>, scope: &Scope, budget: Budget) -> Result<bool> {
        let Some(record) = self.levels.record(scope) else { return Ok(true) };
        let options = GetOptions::new().with_until(budget.until());
        let next = random::unique();
        let (version, condition) = match self.backend.get(&record.store_key(), &options).await? {
            Lookup::Hit(entry) => match Version::of(&entry) {
                Some(version) => (version.softly_followed_by(next), Condition::Unchanged(entry.token())),
                None => (Version::new(next), Condition::Unchanged(entry.token())),
            },
            // What was written under a version that is not there is dead already.
            Lookup::Miss(_) => (Version::new(next), Condition::Absent),
        };
        self.write(scope, &version, condition, budget).await
    }

    /// Writes one version, and remembers it.
    pub(super) async fn write(
        self: &Arc<Self>,
        scope: &Scope,
        version: &Version,
        condition: Condition,
        budget: Budget,
    ) -> Result<bool> {
        let Some(record) = self.levels.record(scope) else { return Ok(true) };
        let life = Ttl::After(record::MIN_LIFE);
        let now = self.clock.now();
        let options = SetOptions::new(life).when(condition).with_until(budget.until());
        let mut writing = self.begin_writing(vec![scope.clone()]);
        let written = self.backend.set(&record.store_key(), &version.record(now, life), &options).await?;
        if written.took_place() {
            writing.written(scope, Known { version: Some(version.clone()), expires: life.expires(now) });
        }
        Ok(written.took_place())
    }

    /// Makes versions of things that have none. What another caller of this process is making, or has made meanwhile, is left
    /// to it.
    pub(super) async fn make(
        self: &Arc<Self>,
        missing: Vec<Scope>,
        (kept, oldest): (Ttl, Oldest),
        condition: Condition,
        budget: Budget,
    ) -> Result<Made> {
        let news = self.news.notified();
        let missing: Vec<Scope> = {
            let mut memory = self.memory();
            let is_made =
                |scope: &Scope| memory.known(scope, oldest).is_some_and(|known| known.version.is_some());
            if missing.iter().any(is_made) {
                return Ok(Made::Left);
            }
            // One lock for the question and the beginning: else two could begin, one after the other.
            let free: Vec<Scope> =
                missing.into_iter().filter(|scope| !memory.is_being_written(scope)).collect();
            free.iter().for_each(|scope| memory.begin_writing(scope));
            free
        };
        if missing.is_empty() {
            return budget.bound(news).await.map(|()| Made::Left).ok_or_else(late);
        }
        let mut writing = self.writing(missing.clone());
        let (now, life) = (self.clock.now(), record::life(kept));
        let records: Vec<_> =
            missing.iter().filter_map(|scope| Some((scope, self.levels.record(scope)?))).collect();
        let versions: Vec<Version> = records.iter().map(|_| Version::new(random::unique())).collect();
        let options = SetOptions::new(life).when(condition).with_until(budget.until());
        let items: Vec<SetItem<'_>> = records
            .iter()
            .zip(&versions)
            .map(|((_, record), version)| {
                SetItem::new(record.store_key(), version.record(now, life), options)
            })
            .collect();
        let (mut made, mut failed) = (Made::Done, None);
        for (((scope, _), version), written) in
            records.iter().zip(versions).zip(self.backend.set_many(&items).await)
        {
            match written {
                Ok(written) if written.took_place() => {
                    writing.written(scope, Known { version: Some(version), expires: life.expires(now) });
                }
                // Somebody else was faster, or there are bytes that are no version.
                Ok(_) => made = Made::Refused,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(made), Err)
    }

    pub(super) async fn renew(self: &Arc<Self>, short: &[Scope], kept: Ttl, budget: Budget) -> Result<()> {
        let life = record::life(kept);
        let expires = life.expires(self.clock.now());
        let options = TouchOptions::new(Lifetime::until(expires), life).with_until(budget.until());
        let records: Vec<_> =
            short.iter().filter_map(|scope| Some((scope, self.levels.record(scope)?))).collect();
        let items: Vec<TouchItem<'_>> =
            records.iter().map(|(_, record)| TouchItem::new(record.store_key(), options)).collect();
        let touched = self.backend.touch_many(&items).await;
        let mut memory = self.memory();
        for ((scope, _), touched) in records.iter().zip(touched) {
            if touched? {
                memory.renewed(scope, expires);
            } else {
                // If it has just gone, the entry that is about to be written will be dead, which is safe.
                memory.forget(scope);
            }
        }
        Ok(())
    }

    pub(super) fn begin_writing(&self, scopes: Vec<Scope>) -> Writing<'_> {
        {
            let mut memory = self.memory();
            scopes.iter().for_each(|scope| memory.begin_writing(scope));
        }
        self.writing(scopes)
    }

    /// What has to be ended of scopes whose writing has begun.
    fn writing(&self, scopes: Vec<Scope>) -> Writing<'_> {
        let scopes = scopes.into_iter().map(|scope| (scope, None)).collect();
        Writing { there: self, scopes, sent: Instant::now(), era: self.memory().era() }
    }
}
