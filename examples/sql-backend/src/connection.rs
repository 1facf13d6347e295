//! The connection: one thread has it and does what it is asked in the order of the asking. So a write whose caller has
//! gone away cannot land after a later one.

use std::{
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use larder_core::error::{Error, ErrorKind, Operation, Result};
use tokio::sync::oneshot;

use crate::{
    TABLE,
    error::{closed, during},
};

/// How long SQLite waits for another connection's transaction before it says that the database is busy.
const PATIENCE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Opened) + Send>;

/// The asking side.
pub(crate) struct Connection {
    path: PathBuf,
    state: Mutex<State>,
}

enum State {
    /// Nothing was asked yet, so nothing was opened.
    New,
    Running(Sender<Job>),
    Closed,
}

impl Connection {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, state: Mutex::new(State::New) }
    }

    /// Does this with the database, after everything that was asked before.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |opened| {
            // Whoever asked may have gone away, and then nobody minds.
            let _ = answer.send(opened.connection().and_then(work));
        });
        self.jobs(operation)?.send(job).map_err(|_| ended(operation))?;
        answered.await.map_err(|_| ended(operation))?.map_err(|fault| during(operation, fault))
    }

    pub(crate) fn close(&self) {
        *self.state() = State::Closed;
    }

    fn jobs(&self, operation: Operation) -> Result<Sender<Job>> {
        let mut state = self.state();
        match &*state {
            State::Running(jobs) => Ok(jobs.clone()),
            State::Closed => Err(closed(operation)),
            State::New => {
                let (jobs, asked) = mpsc::channel();
                let opened = Opened { path: self.path.clone(), connection: None };
                let thread = thread::Builder::new().name("larder-sqlite".to_owned());
                thread.spawn(move || work(opened, &asked)).map_err(|error| {
                    Error::new(ErrorKind::Unavailable, operation, "no thread could be started")
                        .with_source(error)
                })?;
                *state = State::Running(jobs.clone());
                Ok(jobs)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended(operation: Operation) -> Error {
    Error::new(ErrorKind::Other, operation, "the thread of the database has ended")
}

/// Ends when nobody can ask any more.
fn work(mut opened: Opened, asked: &Receiver<Job>) {
    while let Ok(job) = asked.recv() {
        job(&mut opened);
    }
}

/// The database, opened when it is first needed, and tried again with the next operation when that fails.
struct Opened {
    path: PathBuf,
    connection: Option<rusqlite::Connection>,
}

impl Opened {
    fn connection(&mut self) -> rusqlite::Result<&mut rusqlite::Connection> {
        let open = match self.connection.take() {
            Some(open) => open,
            None => open(&self.path)?,
        };
        Ok(self.connection.insert(open))
    }
}

fn open(path: &std::path::Path) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    // Readers and one writer side by side; a commit that a power cut undoes costs a cache nothing.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (key TEXT PRIMARY KEY, expires INTEGER NOT NULL, envelope BLOB NOT NULL) \
         WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS {TABLE}_expires ON {TABLE} (expires);"
    ))?;
    Ok(connection)
}
