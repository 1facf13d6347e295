//! The versions that entries are written under and checked against, wherever they live.

use tokio::time::Instant;

use super::super::{budget::Budget, register::Register};
use super::Store;
use crate::{
    backend::{Backend, GetOptions},
    entry::{Entry, Scope, Stamps},
    error::{Error, ErrorKind, Operation, Result},
    ttl::Ttl,
    versions::Standing,
};

pub(super) fn no_versions() -> Error {
    Error::new(ErrorKind::Protocol, Operation::Get, "the backend has given its versions away")
}

impl Store {
    /// How what was written under these stands, for a caller who arrived at this time.
    pub(crate) async fn standing(&self, stamps: &Stamps, since: Instant, budget: Budget) -> Result<Standing> {
        match &self.register {
            Register::Here(here) => Ok(here.standing(&*self.backend, stamps)),
            Register::There(there) => {
                let standings = there.standings(&[stamps], there.oldest_for(since), budget).await;
                standings.into_iter().next().unwrap_or(Ok(Standing::Dead))
            }
        }
    }

    /// The stamps for entries whose values begin to be made now, and which are kept for this long.
    pub(crate) async fn stamps(&self, tags: &[Scope], kept: Ttl, budget: Budget) -> Result<Stamps> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(here), Some(versions)) => Ok(here.current(&*self.backend, versions, tags)),
            (Register::There(there), _) => self.counted(there.current(tags, kept, budget).await),
            (Register::Here(_), None) => Err(no_versions()),
        }
    }

    /// Whether versions are had without asking.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.register, Register::Here(_))
    }

    /// Has the next question for versions ask for what [`mark`](Self::mark) needs, too.
    pub(crate) fn will_mark(&self) {
        if let Register::There(there) = &self.register {
            there.will_mark();
        }
    }

    /// A mark for [`stamps_since`](Self::stamps_since), taken before a loader begins that may name tags.
    pub(crate) async fn mark(&self, kept: Ttl, budget: Budget) -> Result<u64> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(_), Some(versions)) => Ok(versions.mark()),
            (Register::There(there), _) => self.counted(there.mark(kept, budget).await),
            (Register::Here(_), None) => Err(no_versions()),
        }
    }

    /// The stamps of tags that a loader has named; `None` if one was invalidated since the mark.
    pub(crate) async fn stamps_since(
        &self,
        tags: &[Scope],
        kept: Ttl,
        mark: u64,
        budget: Budget,
    ) -> Result<Option<Stamps>> {
        match (&self.register, self.backend.invalidation().here()) {
            (Register::Here(here), Some(versions)) => Ok(here.since(versions, tags, mark)),
            (Register::There(there), _) => self.counted(there.since(tags, kept, mark, budget).await),
            (Register::Here(_), None) => Err(no_versions()),
        }
    }

    /// Sees to it that what an entry was written under is kept for as long as the entry, which is given a longer TTL. If that
    /// fails, the entry ends sooner, and nothing is served that should not be.
    pub(crate) async fn keep_stamps(&self, entry: &Entry, kept: Ttl, budget: Budget) {
        if let Register::There(there) = &self.register {
            let _ = self.counted(there.keep(&entry.meta().stamps, kept, budget).await);
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
            (Register::There(there), _) => there.invalidate(scope, softly, budget).await,
            (Register::Here(_), None) => Err(no_versions()),
        };
        self.counted(result.map_err(|error| error.during(operation)))
    }
}
