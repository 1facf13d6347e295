//! The end of an operation that takes too long, for the layers that bound operations.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::alarm::{Alarm, by};
use crate::{
    backend::Capabilities,
    entry::Entry,
    error::{Error, ErrorKind, Operation, Result},
};

/// How long operations may take.
#[derive(Debug)]
pub(super) struct Limit {
    time: Duration,
    alarm: Arc<Alarm>,
}

impl Limit {
    pub(super) fn new(time: Duration) -> Self {
        Self { time, alarm: Arc::default() }
    }

    /// What a store can do whose operations are ended by this.
    pub(super) fn on(&self, inner: Capabilities) -> Capabilities {
        inner.with_deadline(Some(inner.deadline.map_or(self.time, |limit| limit.min(self.time))))
    }

    /// An operation that begins now, for a caller that waits no longer than until then.
    pub(super) async fn one<T>(
        &self,
        operation: Operation,
        (now, until): (Instant, Option<Instant>),
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.bound(now, until, work).await.unwrap_or_else(|| Err(self.late(operation)))
    }

    /// The same with this many answers.
    pub(super) async fn many<T>(
        &self,
        operation: Operation,
        (count, now, until): (usize, Instant, Option<Instant>),
        work: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        if let Some(results) = self.bound(now, until, work).await {
            return results;
        }
        let late = self.late(operation);
        (0..count).map(|_| Err(late.clone())).collect()
    }

    async fn bound<T>(
        &self,
        now: Instant,
        until: Option<Instant>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        match now.checked_add(self.time).into_iter().chain(until).min() {
            Some(end) => by(&self.alarm, end, work).await,
            None => Some(work.await),
        }
    }

    fn late(&self, operation: Operation) -> Error {
        let message = format!("no answer within the deadline of {:?}", self.time);
        Error::new(ErrorKind::Timeout, operation, message)
    }
}

/// Encodes the value ahead of time if this store is going to need its bytes: that is the caller's time, not the store's.
pub(super) async fn encode(entry: &Entry, store: &Capabilities) -> Result<()> {
    if store.shared && store.keeps {
        entry.body().await?;
    }
    Ok(())
}
