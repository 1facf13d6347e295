//! The [`Backend`] itself: what each operation is in lookups and changes.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Result,
    backend::{
        Capabilities, Condition, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem, SetOptions,
        TouchItem, TouchOptions, Written,
    },
    envelope::{Envelope, lifetime_block},
    error::Operation,
    key::StoreKey,
};
use redb::Database;

use crate::{
    config::RedbConfig,
    file::{File, blocking},
    rows::{self, Change, Place},
    writer::{AT_ONCE, Writer},
};

/// How far the system's clock may lag behind where it is read coarsely: one tick of the kernel's timer.
const TICK: Duration = Duration::from_millis(10);

/// A store in one file.
///
/// Constructing opens nothing. The file is opened by the first operation, and while that fails, because another
/// process has it open or its folder is not there, operations fail with [`ErrorKind::Unavailable`] and try again.
///
/// A write is answered when it is on the disk: writes that come together share one wait for it. Expired entries are
/// never returned, and are removed by later writes, two at most for each.
///
/// Operations need a runtime of Tokio's and run on its blocking threads. They take as long as the disk does, so give
/// the store a [`Deadline`](larder_core::layer::Deadline).
pub struct RedbBackend {
    file: Arc<File>,
    writer: Writer,
    clock: Clock,
}

impl RedbBackend {
    /// A store with these settings. Lives go by this clock, so it must be the one that the caches on the store have.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the name of the setting that is wrong.
    pub fn new(config: RedbConfig, clock: Clock) -> Result<Self> {
        config.check()?;
        let file = Arc::new(File::new(config));
        let writer = Writer::new(Arc::clone(&file), clock.clone());
        Ok(Self { file, writer, clock })
    }

    /// The database, opened if it is not: to look at it, or to keep a table of one's own beside
    /// [`ENTRIES`](crate::ENTRIES). Blocks for as long as the disk does.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] and the like when the file cannot be opened.
    pub fn database(&self) -> Result<Arc<Database>> {
        self.file.open(Operation::Connect)
    }

    async fn look_up(&self, keys: &[StoreKey<'_>]) -> Result<Vec<Lookup>> {
        let places: Vec<Place> = keys.iter().map(Place::of).collect();
        let (file, now) = (Arc::clone(&self.file), self.clock.now());
        let read = move || file.with(Operation::Get, |database| rows::look_up(database, &places, now));
        blocking(Operation::Get, read).await
    }

    /// What writing this entry means, or why it cannot be written.
    async fn put(&self, key: &StoreKey<'_>, entry: &Entry, condition: Condition) -> Result<Change> {
        known(condition, Operation::Set)?;
        let envelope = Envelope::write(key, entry).await?;
        let (len, limit) = (envelope.len() as u64, self.file.config.max_value.get());
        if len > limit {
            let message = format!("the entry takes {len} bytes, and at most {limit} are allowed");
            return Err(Error::new(ErrorKind::TooLarge, Operation::Set, message));
        }
        let expires = entry.meta().lifetime.expires;
        Ok(Change::Put { envelope: envelope.to_bytes(), expires, condition })
    }

    /// Queues changes before one is waited for, so that they share transactions.
    async fn change_all(
        &self,
        operation: Operation,
        changes: Vec<(Place, Result<Change>)>,
    ) -> Vec<Result<bool>> {
        let mut changes = changes.into_iter().peekable();
        let mut changed = Vec::with_capacity(changes.len());
        while changes.peek().is_some() {
            let queued: Vec<_> = changes
                .by_ref()
                .take(AT_ONCE)
                .map(|(place, change)| change.map(|change| self.writer.write(operation, place, change)))
                .collect();
            for answer in queued {
                changed.push(match answer {
                    Ok(answer) => answer.await,
                    Err(error) => Err(error),
                });
            }
        }
        changed
    }

    /// A write that could not be made because the entry is too large. What stands under the key must not stay: it
    /// would be served as if the write had never been tried. A write with a condition leaves it.
    async fn drop_replaced(&self, key: &StoreKey<'_>, condition: Condition, error: Error) -> Error {
        if error.kind() == ErrorKind::TooLarge && condition == Condition::Always {
            let remove = Change::Remove { condition: Condition::Always };
            let removed = self.writer.write(Operation::Set, Place::of(key), remove).await;
            // If even that failed, the caller has to know: the old value is still there.
            return removed.err().unwrap_or(error);
        }
        error
    }
}

#[async_trait]
impl Backend for RedbBackend {
    fn capabilities(&self) -> Capabilities {
        let coarse = cfg!(target_os = "linux") && !self.clock.is_manual();
        let mut capabilities =
            Capabilities::in_process().with_max_value(Some(self.file.config.max_value.get()));
        if coarse {
            capabilities = capabilities.with_ttl_resolution(TICK);
        }
        capabilities.survives_restart = true;
        capabilities
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        let mut found = self.look_up(std::slice::from_ref(key)).await?;
        found.pop().ok_or_else(|| Error::new(ErrorKind::Other, Operation::Get, "there was no answer"))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let written = match self.put(key, entry, options.condition).await {
            Ok(change) => self.writer.write(Operation::Set, Place::of(key), change).await,
            Err(error) => Err(self.drop_replaced(key, options.condition, error).await),
        };
        written.map(|took_place| Written::when(took_place, entry))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let change = touching(key, options)?;
        self.writer.write(Operation::Touch, Place::of(key), change).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let change = removing(options)?;
        self.writer.write(Operation::Delete, Place::of(key), change).await
    }

    async fn close(&self) -> Result<()> {
        let file = Arc::clone(&self.file);
        let close = move || {
            file.close();
            Ok(())
        };
        blocking(Operation::Close, close).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], _: &GetOptions) -> Vec<Result<Lookup>> {
        if keys.is_empty() {
            return Vec::new();
        }
        match self.look_up(keys).await {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut written = Vec::with_capacity(items.len());
        for items in items.chunks(AT_ONCE) {
            // All are queued before one is waited for: that is what lets them share a transaction.
            let mut queued = Vec::with_capacity(items.len());
            for SetItem { key, entry, options, .. } in items {
                queued.push(match self.put(key, entry, options.condition).await {
                    Ok(change) => Ok(self.writer.write(Operation::Set, Place::of(key), change)),
                    Err(error) => Err(self.drop_replaced(key, options.condition, error).await),
                });
            }
            for (write, item) in queued.into_iter().zip(items) {
                let answer = match write {
                    Ok(answer) => answer.await,
                    Err(error) => Err(error),
                };
                written.push(answer.map(|took_place| Written::when(took_place, &item.entry)));
            }
        }
        written
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let change = |item: &TouchItem<'_>| (Place::of(&item.key), touching(&item.key, &item.options));
        self.change_all(Operation::Touch, items.iter().map(change).collect()).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let change = |item: &DeleteItem<'_>| (Place::of(&item.key), removing(&item.options));
        self.change_all(Operation::Delete, items.iter().map(change).collect()).await
    }

    // `invalidation` stays as it is, `There`: versions of tags and namespaces that this process had in memory would be
    // forgotten at its end while the entries stay, and what was cleared would be back. So the cache keeps its versions in
    // the store, beside the entries.
}

/// Refuses a condition that a later version of the core may have.
fn known(condition: Condition, operation: Operation) -> Result<()> {
    match condition {
        Condition::Always | Condition::Absent | Condition::Present | Condition::Unchanged(_) => Ok(()),
        _ => Err(Error::new(ErrorKind::Unsupported, operation, "an unknown condition")),
    }
}

fn touching(key: &StoreKey<'_>, options: &TouchOptions) -> Result<Change> {
    let TouchOptions { lifetime, condition, .. } = *options;
    known(condition, Operation::Touch)?;
    Ok(Change::Touch { lifetime: lifetime_block(key, lifetime), expires: lifetime.expires, condition })
}

fn removing(options: &DeleteOptions) -> Result<Change> {
    known(options.condition, Operation::Delete)?;
    Ok(Change::Remove { condition: options.condition })
}

impl fmt::Debug for RedbBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbBackend").field("path", &self.file.config.path).finish_non_exhaustive()
    }
}
