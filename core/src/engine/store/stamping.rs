//! The versions that entries are written under and checked against, wherever they live.
//!
//! What asks a store for them is boxed: it is rare, and without that every call on a store in memory would carry room for it.

use tokio::time::Instant;

use super::super::{
    budget::Budget,
    register::{Each, Register},
};
use super::Store;
use crate::{
    backend::{Backend, GetOptions},
    entry::{Entry, Scope, Stamps},
    error::{Error, ErrorKind, Operation, Result},
    key::StoreKey,
    ttl::Ttl,
    versions::Standing,
};

pub(super) fn no_versions() -> Error {
    Error::new(
        ErrorKind::Protocol,
        Operation::Get,
        "the backend kept versions in memory before, and no longer offers them",
    )
}

impl Store {
    /// How what was written under these stands, for a caller who arrived at this time.
    pub(crate) async fn standing(
        &self,
        key: &StoreKey<'_>,
        stamps: &Stamps,
        since: Instant,
        budget: Budget,
    ) -> Result<Standing> {
        match &self.register {
            Register::Here(here) => Ok(here.standing(&*self.backend, stamps)),
            Register::There(parts) => {
                let there = parts.of(parts.part(key));
                let standings = Box::pin(there.standings(&[stamps], there.oldest_for(since), budget)).await;
                standings.into_iter().next().unwrap_or(Ok(Standing::Dead))
            }
        }
    }

    /// The number of the part of the store that has this key.
    #[inline]
    pub(crate) fn part(&self, key: &StoreKey<'_>) -> usize {
        match &self.register {
            Register::Here(_) => 0,
            Register::There(parts) => parts.part(key),
        }
    }

    /// The stamps for an entry whose value begins to be made now, and which is kept for this long.
    pub(crate) async fn stamps(
        &self,
        key: &StoreKey<'_>,
        tags: &[Scope],
        kept: Ttl,
        budget: Budget,
    ) -> Result<Stamps> {
        let stamps = self.stamps_each([*key], tags, kept, budget).await;
        stamps.of(self.part(key)).cloned().unwrap_or_else(|| Err(no_versions()))
    }

    /// The same for entries of several keys: for each part of the store that has some of them.
    pub(crate) async fn stamps_each<'k>(
        &self,
        keys: impl IntoIterator<Item = StoreKey<'k>>,
        tags: &[Scope],
        kept: Ttl,
        budget: Budget,
    ) -> Each<Result<Stamps>> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(here), Some(versions)) => {
                Each::one(Ok(here.current(&*self.backend, versions, tags)))
            }
            (Register::There(parts), _) => {
                let of_keys = parts.of_keys(keys);
                let stamps = Box::pin(parts.current(&of_keys, tags, kept, budget)).await;
                stamps.iter().for_each(|(_, stamps)| self.count(stamps));
                stamps
            }
            (Register::Here(_), None) => Each::one(Err(no_versions())),
        }
    }

    /// Whether versions are had without asking.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.register, Register::Here(_))
    }

    /// Has the next question for versions ask for what [`marks`](Self::marks) needs, too.
    pub(crate) fn will_mark<'k>(&self, keys: impl IntoIterator<Item = StoreKey<'k>>) {
        if let Register::There(parts) = &self.register {
            parts.of_keys(keys).into_iter().for_each(|part| parts.of(part).will_mark());
        }
    }

    /// Marks for [`stamps_since`](Self::stamps_since), taken before a loader begins that may name tags: for each part of the
    /// store that has some of these keys, and has not failed.
    pub(crate) async fn marks<'k>(
        &self,
        keys: impl IntoIterator<Item = StoreKey<'k>>,
        kept: Ttl,
        budget: Budget,
    ) -> Each<u64> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(_), Some(versions)) => Each::one(versions.mark()),
            (Register::There(parts), _) => {
                let of_keys = parts.of_keys(keys);
                let marks = Box::pin(parts.marks(&of_keys, kept, budget)).await;
                marks.iter().for_each(|(_, mark)| self.count(mark));
                marks.split().0
            }
            (Register::Here(_), None) => Each::none(),
        }
    }

    /// The stamps of tags that a loader has named; `None` if one was invalidated since the mark.
    pub(crate) async fn stamps_since(
        &self,
        key: &StoreKey<'_>,
        tags: &[Scope],
        kept: Ttl,
        mark: u64,
        budget: Budget,
    ) -> Result<Option<Stamps>> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(here), Some(versions)) => Ok(here.since(versions, tags, mark)),
            (Register::There(parts), _) => {
                self.counted(Box::pin(parts.of(parts.part(key)).since(tags, kept, mark, budget)).await)
            }
            (Register::Here(_), None) => Err(no_versions()),
        }
    }

    /// Sees to it that what an entry was written under is kept for as long as the entry, which is given a longer TTL. If that
    /// fails, the entry ends sooner, and nothing is served that should not be.
    pub(crate) async fn keep_stamps(&self, key: &StoreKey<'_>, entry: &Entry, kept: Ttl, budget: Budget) {
        if let Register::There(parts) = &self.register {
            let there = parts.of(parts.part(key));
            let _ = self.counted(Box::pin(there.keep(&entry.meta().stamps, kept, budget)).await);
        }
    }

    /// Gives a scope a new version: what was written under the old one is dead or, when `softly`, stale.
    pub(crate) async fn invalidate(
        &self,
        scope: &Scope,
        softly: bool,
        operation: Operation,
        budget: Budget,
    ) -> Result<()> {
        let result = match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(here), Some(versions)) => {
                // Only the store knows whether it is still in use.
                let open = match self.register.levels().record(scope) {
                    Some(record) => {
                        let options = GetOptions::new().with_until(budget.until());
                        self.backend.get(&record.store_key(), &options).await.map(drop)
                    }
                    None => Ok(()),
                };
                let closed = || Error::new(ErrorKind::Closed, operation, "the store was closed");
                open.and_then(|()| here.invalidate(versions, scope, softly).then_some(()).ok_or_else(closed))
            }
            (Register::There(parts), _) => Box::pin(parts.invalidate(scope, softly, budget)).await,
            (Register::Here(_), None) => Err(no_versions()),
        };
        self.counted(result.map_err(|error| error.during(operation)))
    }
}
