//! The file: opened by the first operation that needs it, and again after an error that broke it. Everything here
//! waits for a disk, so it runs on threads that may.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_core::error::{Error, ErrorKind, Operation, Result};
use redb::Database;

use crate::{config::RedbConfig, error::Fault, rows};

/// The file and whether it is open.
pub(crate) struct File {
    pub(crate) config: RedbConfig,
    state: Mutex<State>,
}

enum State {
    /// Not yet, or not any more after an error.
    NotOpen,
    Open(Arc<Database>),
    /// For good.
    Closed,
}

impl File {
    pub(crate) fn new(config: RedbConfig) -> Self {
        Self { config, state: Mutex::new(State::NotOpen) }
    }

    /// Does something with the open file. Blocks.
    pub(crate) fn with<T>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Database) -> Result<T, Fault>,
    ) -> Result<T> {
        let database = self.open(operation)?;
        work(&database).map_err(|error| {
            if error.is_in_the_way() {
                self.let_go(State::NotOpen);
            }
            error.during(operation)
        })
    }

    /// The open file. Whoever comes while it is being opened waits. Blocks.
    pub(crate) fn open(&self, operation: Operation) -> Result<Arc<Database>> {
        let mut state = self.state();
        match &*state {
            State::Open(database) => Ok(Arc::clone(database)),
            State::Closed => Err(Error::new(ErrorKind::Closed, operation, "the store was closed")),
            State::NotOpen => {
                let database = self.open_file().map_err(|error| error.during(operation))?;
                let database = Arc::new(database);
                *state = State::Open(Arc::clone(&database));
                Ok(database)
            }
        }
    }

    /// Closes the file as soon as the last operation that uses it is over. Blocks.
    pub(crate) fn close(&self) {
        self.let_go(State::Closed);
    }

    fn open_file(&self) -> Result<Database, Fault> {
        let memory = usize::try_from(self.config.memory.get()).unwrap_or(usize::MAX);
        let database = Database::builder()
            .create_with_file_format_v3(true)
            .set_cache_size(memory)
            .create(&self.config.path)?;
        rows::create_tables(&database)?;
        Ok(database)
    }

    fn let_go(&self, next: State) {
        // Dropping a database waits for the disk: not while the lock is held.
        let before = std::mem::replace(&mut *self.state(), next);
        drop(before);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs this on a thread that may wait for a disk. It is not interrupted when the caller goes away.
pub(crate) async fn blocking<T: Send + 'static>(
    operation: Operation,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => {
            let kind = if failed.is_panic() { ErrorKind::Panicked } else { ErrorKind::Closed };
            Err(Error::new(kind, operation, "the thread that used the file ended before it was done"))
        }
    }
}
