//! The [`Backend`] itself: what each operation is in lookups and changes.

use std::{
    fmt,
    path::{Path, PathBuf},
    slice,
    time::Duration,
};

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

use crate::{
    connection::Connection,
    rows::{self, Change, Place, Write},
};

/// How far the system's clock may lag behind where it is read coarsely: one tick of the kernel's timer.
const TICK: Duration = Duration::from_millis(10);
/// The largest envelope. SQLite's own limit is a billion bytes; rows of that size serve nobody.
const MAX_VALUE: u64 = 16 * 1024 * 1024;

/// A store in a table of a SQLite database, which may be the one that the program has its data in.
///
/// Constructing opens nothing. The database is opened by the first operation, and while that fails, operations fail with
/// [`ErrorKind::Unavailable`] and the next one tries again. A database that somebody else writes to for more than five
/// seconds is [`ErrorKind::Busy`].
///
/// Entries outlive the process and are seen by every process on the machine that opens the same file.
pub struct SqlBackend {
    path: PathBuf,
    connection: Connection,
    clock: Clock,
}

impl SqlBackend {
    /// A store in this file. TTLs go by this clock, so it must be the one that the caches on the store have.
    pub fn new(path: impl AsRef<Path>, clock: Clock) -> Self {
        let path = path.as_ref().to_owned();
        Self { connection: Connection::new(path.clone()), path, clock }
    }

    async fn look_up(&self, keys: &[StoreKey<'_>]) -> Result<Vec<Lookup>> {
        let (places, now) = (keys.iter().map(Place::of).collect::<Vec<_>>(), self.clock.now());
        self.connection.run(Operation::Get, move |connection| rows::look_up(connection, &places, now)).await
    }

    async fn change(&self, operation: Operation, writes: Vec<Write>) -> Result<Vec<bool>> {
        let now = self.clock.now();
        self.connection.run(operation, move |connection| rows::change(connection, &writes, now)).await
    }

    async fn change_one(&self, operation: Operation, write: Write) -> Result<bool> {
        Ok(self.change(operation, vec![write]).await?.first().copied().unwrap_or(false))
    }

    /// What writing this entry means. One that is too large removes what is there, unless it has a condition: the old
    /// value must not be served as if the write had never been tried.
    async fn put(
        &self,
        key: &StoreKey<'_>,
        entry: &Entry,
        options: &SetOptions,
    ) -> (Option<Write>, Option<Error>) {
        let (place, condition) = (Place::of(key), options.condition);
        if let Err(error) = known(condition, Operation::Set) {
            return (None, Some(error));
        }
        let error = match Envelope::write(key, entry).await {
            Ok(envelope) if envelope.len() as u64 <= MAX_VALUE => {
                let (envelope, expires) = (envelope.to_bytes(), entry.meta().lifetime.expires);
                return (Some(Write { place, change: Change::Put { envelope, expires }, condition }), None);
            }
            Ok(envelope) => {
                let message =
                    format!("the entry takes {} bytes, and at most {MAX_VALUE} are allowed", envelope.len());
                Error::new(ErrorKind::TooLarge, Operation::Set, message)
            }
            Err(error) => error,
        };
        let removes = error.kind() == ErrorKind::TooLarge && condition == Condition::Always;
        (removes.then_some(Write { place, change: Change::Remove, condition }), Some(error))
    }
}

#[async_trait]
impl Backend for SqlBackend {
    fn capabilities(&self) -> Capabilities {
        let coarse = cfg!(target_os = "linux") && !self.clock.is_manual();
        let capabilities = Capabilities::shared().with_max_value(Some(MAX_VALUE));
        if coarse { capabilities.with_ttl_resolution(TICK) } else { capabilities }
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        let mut found = self.look_up(slice::from_ref(key)).await?;
        found.pop().ok_or_else(|| Error::new(ErrorKind::Other, Operation::Get, "there was no answer"))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let item = SetItem::new(*key, entry.clone(), *options);
        let mut written = self.set_many(slice::from_ref(&item)).await;
        written
            .pop()
            .unwrap_or_else(|| Err(Error::new(ErrorKind::Other, Operation::Set, "there was no answer")))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.change_one(Operation::Touch, touching(key, options)?).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.change_one(Operation::Delete, removing(key, options)?).await
    }

    async fn close(&self) -> Result<()> {
        self.connection.close();
        Ok(())
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
        let (mut writes, mut errors) = (Vec::new(), Vec::with_capacity(items.len()));
        for SetItem { key, entry, options, .. } in items {
            let (write, error) = self.put(key, entry, options).await;
            errors.push((write.is_some(), error));
            writes.extend(write);
        }
        let done = if writes.is_empty() { Ok(Vec::new()) } else { self.change(Operation::Set, writes).await };
        let mut done = done.map(Vec::into_iter);
        let answer = |((writes, error), item): ((bool, Option<Error>), &SetItem<'_>)| {
            let done = match &mut done {
                Ok(done) => {
                    if writes {
                        done.next()
                    } else {
                        None
                    }
                }
                // If not even the removal was done, the caller has to know: the old value is still there.
                Err(fault) if writes => return Err(fault.clone()),
                Err(_) => None,
            };
            match error {
                Some(error) => Err(error),
                None => Ok(Written::when(done.unwrap_or(false), &item.entry)),
            }
        };
        errors.into_iter().zip(items).map(answer).collect()
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let writes = items.iter().map(|item| touching(&item.key, &item.options));
        self.change_each(Operation::Touch, writes.collect()).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let writes = items.iter().map(|item| removing(&item.key, &item.options));
        self.change_each(Operation::Delete, writes.collect()).await
    }

    // `invalidation` stays as it is, `There`: the versions of tags and namespaces are rows beside the entries, which is
    // what lets a transaction change them together with the data.
}

impl SqlBackend {
    /// All of them in one transaction, or none if one of them cannot even be asked for.
    async fn change_each(&self, operation: Operation, writes: Vec<Result<Write>>) -> Vec<Result<bool>> {
        let count = writes.len();
        let done = match writes.into_iter().collect::<Result<Vec<_>>>() {
            Ok(writes) if writes.is_empty() => Ok(Vec::new()),
            Ok(writes) => self.change(operation, writes).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(done) => done.into_iter().map(Ok).collect(),
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }
}

/// Refuses a condition that a later version of the core may have.
fn known(condition: Condition, operation: Operation) -> Result<()> {
    match condition {
        Condition::Always | Condition::Absent | Condition::Present | Condition::Unchanged(_) => Ok(()),
        _ => Err(Error::new(ErrorKind::Unsupported, operation, "an unknown condition")),
    }
}

fn touching(key: &StoreKey<'_>, options: &TouchOptions) -> Result<Write> {
    let TouchOptions { lifetime, condition, .. } = *options;
    known(condition, Operation::Touch)?;
    let change = Change::Touch { lifetime: lifetime_block(key, lifetime), expires: lifetime.expires };
    Ok(Write { place: Place::of(key), change, condition })
}

fn removing(key: &StoreKey<'_>, options: &DeleteOptions) -> Result<Write> {
    known(options.condition, Operation::Delete)?;
    Ok(Write { place: Place::of(key), change: Change::Remove, condition: options.condition })
}

impl fmt::Debug for SqlBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlBackend").field("path", &self.path).finish_non_exhaustive()
    }
}
