//! An entry as its reader wants it: decoded, or as it is.

use std::sync::Arc;

use super::{
    encoding::Encoding,
    fetched::{Fetched, Status},
};
use crate::{clock::Timestamp, entry::Entry, miss::Undecodable, value::Value};

/// What a read makes of an entry.
pub(crate) trait Reading<T>: Sized + Send {
    /// Makes it, at this time.
    fn of(
        encoding: &Arc<Encoding<T>>,
        entry: Entry,
        now: Timestamp,
    ) -> impl Future<Output = Result<Self, Undecodable>> + Send;

    /// What a loader has made.
    fn made(fetched: Fetched<T>) -> Self;

    fn entry(&self) -> &Entry;

    /// The value, if it was decoded.
    fn fetched(&self) -> Option<Fetched<T>>;

    fn with_status(self, status: Status) -> Self;
}

impl<T: Value> Reading<T> for Fetched<T> {
    async fn of(encoding: &Arc<Encoding<T>>, entry: Entry, now: Timestamp) -> Result<Self, Undecodable> {
        fetched(encoding, entry, Status::Hit, now).await
    }

    fn made(fetched: Self) -> Self {
        fetched
    }

    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn fetched(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }
}

/// An entry as it is.
#[derive(Debug)]
pub(crate) struct AsIs {
    pub(crate) entry: Entry,
    pub(crate) status: Status,
}

impl<T: Value> Reading<T> for AsIs {
    async fn of(_: &Arc<Encoding<T>>, entry: Entry, _: Timestamp) -> Result<Self, Undecodable> {
        Ok(Self { entry, status: Status::Hit })
    }

    fn made(fetched: Fetched<T>) -> Self {
        Self { entry: fetched.entry, status: fetched.status }
    }

    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn fetched(&self) -> Option<Fetched<T>> {
        None
    }

    fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }
}

/// Decodes an entry.
pub(crate) async fn fetched<T: Value>(
    encoding: &Arc<Encoding<T>>,
    entry: Entry,
    status: Status,
    at: Timestamp,
) -> Result<Fetched<T>, Undecodable> {
    let value = encoding.value(&entry).await?;
    Ok(Fetched { value, entry, status, at })
}
