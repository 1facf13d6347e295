//! Writing, removing, and giving another TTL.

use tokio::time::Instant;

use super::super::{Few, events::Event, own};
use super::{Store, no_answer, one_each};
use crate::{
    backend::{Backend, Condition, DeleteItem, DeleteOptions, SetItem, SetOptions, TouchOptions, Written},
    entry::{Entry, Lifetime},
    error::{ErrorKind, Operation, Result},
    key::StoreKey,
    ttl::Ttl,
};

/// One new entry.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) key: StoreKey<'a>,
    pub(crate) entry: Entry,
    pub(crate) kept: Ttl,
    pub(crate) condition: Condition,
}

/// That this entry was written. Whether its bytes can be read back is seen when they are.
pub(crate) fn stored(entry: &Entry) -> Event<'static> {
    if entry.encoded().is_some() {
        own::wrote(entry.meta().revision);
    }
    Event::Stored { bytes: entry.encoded().map(|body| (body.raw_len, body.bytes.len() as u64)) }
}

impl Store {
    /// Writes entries, counting; one answer each. Where a value is too large for the store and the write had no condition,
    /// what it should have replaced is gone: it would be served as if it were current.
    pub(crate) async fn write_many(
        &self,
        writes: &[Write<'_>],
        until: Option<Instant>,
    ) -> Few<Result<Written>> {
        let options = |write: &Write<'_>| SetOptions::new(write.kept).when(write.condition).with_until(until);
        let written = match writes {
            [] => return Few::new(),
            [write] => Few::from_buf([self.backend.set(&write.key, &write.entry, &options(write)).await]),
            writes => {
                let items: Vec<SetItem<'_>> = writes
                    .iter()
                    .map(|write| SetItem::new(write.key, write.entry.clone(), options(write)))
                    .collect();
                one_each(self.backend.set_many(&items).await.into(), items.len(), Operation::Set)
            }
        };
        let mut lies = Vec::new();
        for (write, written) in writes.iter().zip(&written) {
            let is_too_large = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::TooLarge);
            if is_too_large && write.condition == Condition::Always {
                lies.push((write.key, Condition::Always));
            }
        }
        if !lies.is_empty() {
            for removed in self.remove_many(&lies, until).await {
                // Reported: the old value may still be there.
                let _ = self.counted(removed);
            }
        }
        let mut results = Few::with_capacity(written.len());
        for (write, written) in writes.iter().zip(written) {
            if matches!(written, Ok(Written::Yes(_))) && !write.entry.is_lease() {
                self.events.happened(&stored(&write.entry));
            }
            results.push(self.counted(written));
        }
        results
    }

    /// Writes one entry.
    pub(crate) async fn write(&self, write: Write<'_>, until: Option<Instant>) -> Result<Written> {
        let written = self.write_many(&[write], until).await.pop();
        written.unwrap_or_else(|| Err(no_answer(0, 1, Operation::Set)))
    }

    /// Removes entries under conditions; one answer each. Nothing is counted.
    pub(crate) async fn remove_many(
        &self,
        keys: &[(StoreKey<'_>, Condition)],
        until: Option<Instant>,
    ) -> Few<Result<bool>> {
        let options = |condition| DeleteOptions::new().when(condition).with_until(until);
        match keys {
            [] => Few::new(),
            [(key, condition)] => Few::from_buf([self.backend.delete(key, &options(*condition)).await]),
            keys => {
                let items: Vec<DeleteItem<'_>> =
                    keys.iter().map(|(key, condition)| DeleteItem::new(*key, options(*condition))).collect();
                one_each(self.backend.delete_many(&items).await.into(), items.len(), Operation::Delete)
            }
        }
    }

    /// Gives a live entry another TTL, if the condition holds.
    pub(crate) async fn touch(
        &self,
        key: &StoreKey<'_>,
        (lifetime, kept): (Lifetime, Ttl),
        condition: Condition,
        until: Option<Instant>,
    ) -> Result<bool> {
        let options = TouchOptions::new(lifetime, kept).when(condition).with_until(until);
        let touched = self.backend.touch(key, &options).await;
        self.counted(touched)
    }
}
