//! Versions in this process's memory, beside the entries.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::super::stamps::Levels;
use crate::{
    backend::Backend,
    entry::{Scope, Stamp, Stamps},
    versions::{Standing, Versions, Watch},
};

/// How many lists of tags are remembered with the stamps of now. With that many they are forgotten, and remembered again when
/// they come again.
const LISTS: usize = 256;

/// The versions of an in-process backend, for one namespace.
#[derive(Debug)]
pub(crate) struct Here {
    levels: Levels,
    /// Whose places [`Stamps`] may know.
    identity: u64,
    /// The levels' own places, so that they are never forgotten, and their stamps as they are now, which all entries share.
    watch: Watch,
    current: Mutex<Stamps>,
    /// The same for entries that have tags, by the tags as they were given: a hit then finds the places of their versions where
    /// other hits have just been, and an entry is lighter.
    tagged: Mutex<HashMap<Box<[Scope]>, Stamps>>,
}

impl Here {
    pub(super) fn new(versions: &Versions, levels: Levels) -> Self {
        let records = levels.scopes().filter_map(|scope| Some(levels.record(&scope)?.owned()));
        let watch = versions.watch(records);
        let (current, tagged) = (Mutex::default(), Mutex::default());
        Self { levels, identity: versions.identity(), watch, current, tagged }
    }

    pub(super) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// How what was written under these stands. This is the hot path: a few loads and comparisons.
    #[inline]
    pub(crate) fn standing(&self, backend: &dyn Backend, stamps: &Stamps) -> Standing {
        match stamps.standing(self.identity) {
            Some(standing) => standing,
            None => self.look_up(backend, stamps),
        }
    }

    #[cold]
    fn look_up(&self, backend: &dyn Backend, stamps: &Stamps) -> Standing {
        let Some(versions) = backend.invalidation().here() else { return Standing::Dead };
        if !self.levels.are_all_in(stamps) {
            return Standing::Dead;
        }
        let mut records = Vec::with_capacity(stamps.len());
        for stamp in stamps.iter() {
            let Some(record) = self.levels.record(&stamp.scope) else { return Standing::Dead };
            records.push(record.owned());
        }
        let watch = versions.watch(records);
        stamps.set_watch(watch);
        // Another thread may have been faster, with the same places.
        stamps.standing(self.identity).unwrap_or(Standing::Dead)
    }

    /// The stamps for an entry whose value begins to be made now.
    pub(crate) fn current(&self, backend: &dyn Backend, versions: &Versions, tags: &[Scope]) -> Stamps {
        if tags.is_empty() {
            let mut current = lock(&self.current);
            let stamped = current.iter().map(|stamp| stamp.version);
            let stands =
                !current.is_empty() && self.watch.standing(self.identity, stamped) == Some(Standing::Stands);
            if !stands {
                *current = self.stamps(versions, self.levels.scopes());
            }
            return current.clone();
        }
        let mut tagged = lock(&self.tagged);
        if let Some(known) = tagged.get(tags)
            && self.standing(backend, known) == Standing::Stands
        {
            return known.clone();
        }
        let stamps = self.stamps(versions, self.levels.scopes().chain(tags.iter().cloned()));
        if tagged.len() >= LISTS {
            tagged.clear();
        }
        tagged.insert(tags.into(), stamps.clone());
        stamps
    }

    /// The stamps of these tags as of the time of the [mark](Versions::mark); `None` if one was invalidated since.
    pub(crate) fn since(&self, versions: &Versions, tags: &[Scope], mark: u64) -> Option<Stamps> {
        let stamps = self.stamps(versions, tags.iter().cloned());
        let is_older = stamps.iter().all(|stamp| !Versions::is_since(stamp.version, mark));
        is_older.then_some(stamps)
    }

    /// Gives it a new version: what was written under the old one is dead or, when `softly`, stale. `false` if the store was
    /// closed.
    pub(crate) fn invalidate(&self, versions: &Versions, scope: &Scope, softly: bool) -> bool {
        self.levels.record(scope).is_none_or(|record| versions.bump(record.owned(), softly))
    }

    fn stamps(&self, versions: &Versions, scopes: impl Iterator<Item = Scope>) -> Stamps {
        let stamps = scopes.filter_map(|scope| {
            let version = versions.get(&self.levels.record(&scope)?.owned());
            Some(Stamp { scope, version })
        });
        stamps.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
