//! Writing: all that is waiting goes into one transaction, since a transaction costs a wait for the disk and what is
//! in it next to nothing.
//!
//! Nothing is acknowledged before it is on the disk. A store that answers sooner brings back, after a crash, what was
//! deleted just before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_core::{
    Clock,
    error::{Error, ErrorKind, Operation, Result},
};
use redb::Database;
use tokio::sync::oneshot;

use crate::{
    error::Fault,
    file::File,
    rows::{Change, Place, Rows},
};

/// How many writes go into one transaction: readers of the file keep its old pages alive for as long as it takes.
pub(crate) const AT_ONCE: usize = 256;
/// How many writes may wait. Who comes then is told that the store is busy: it would wait for nothing.
const MOST_WAITING: usize = 16_384;
/// How many entries a transaction may remove that nobody asked it to, for each write in it: with more than one,
/// expired entries go faster than new ones come, and no write pays for a thousand.
const SWEPT_PER_WRITE: usize = 2;

/// One write, and who waits for it.
struct Write {
    operation: Operation,
    place: Place,
    change: Change,
    reply: oneshot::Sender<Result<bool>>,
}

/// The queue before the file.
#[derive(Clone)]
pub(crate) struct Writer {
    file: Arc<File>,
    clock: Clock,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Write>,
    /// Whether somebody writes already, and will look here again afterwards.
    is_written: bool,
}

impl Writer {
    pub(crate) fn new(file: Arc<File>, clock: Clock) -> Self {
        Self { file, clock, queue: Arc::default() }
    }

    /// Queues a write at once and answers when it is on the disk, or was refused.
    pub(crate) fn write(
        &self,
        operation: Operation,
        place: Place,
        change: Change,
    ) -> impl Future<Output = Result<bool>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let queued = self.queue_up(Write { operation, place, change, reply });
        async move {
            queued?;
            answer.await.unwrap_or_else(|_| {
                let message = "the thread that wrote ended before it was done";
                Err(Error::new(ErrorKind::Panicked, operation, message))
            })
        }
    }

    fn queue_up(&self, write: Write) -> Result<()> {
        let mut queue = self.lock();
        if queue.waiting.len() >= MOST_WAITING {
            let message = format!("{MOST_WAITING} writes wait already");
            return Err(Error::new(ErrorKind::Busy, write.operation, message));
        }
        queue.waiting.push(write);
        let is_first = !std::mem::replace(&mut queue.is_written, true);
        drop(queue);
        if is_first {
            let turn = Turn { writer: self.clone(), is_over: false };
            tokio::task::spawn_blocking(move || turn.write_all_that_waits());
        }
        Ok(())
    }

    /// What is to be written next. If there is nothing, the next one who comes has to begin anew.
    fn next_batch(&self) -> Option<Vec<Write>> {
        let mut queue = self.lock();
        let most = queue.waiting.len().min(AT_ONCE);
        queue.is_written = most > 0;
        queue.is_written.then(|| queue.waiting.drain(..most).collect())
    }

    fn write_batch(&self, batch: Vec<Write>) {
        let operation = batch.first().map_or(Operation::Set, |write| write.operation);
        match self.file.with(operation, |database| self.commit(database, &batch)) {
            Ok(answers) => {
                for (write, answer) in batch.into_iter().zip(answers) {
                    // Whoever has gone away meanwhile does not mind.
                    let _ = write.reply.send(Ok(answer));
                }
            }
            Err(error) => {
                for write in batch {
                    let _ = write.reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// All of the batch, or nothing of it.
    fn commit(&self, database: &Database, batch: &[Write]) -> Result<Vec<bool>, Fault> {
        let transaction = database.begin_write()?;
        let mut rows = Rows::open(&transaction, self.clock.now())?;
        let answers = batch.iter().map(|write| rows.change(&write.place, &write.change));
        let answers = answers.collect::<Result<_, _>>()?;
        rows.sweep(self.file.config.max_entries, batch.len() * SWEPT_PER_WRITE)?;
        drop(rows);
        transaction.commit()?;
        Ok(answers)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here can panic half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn to write: there is one at most.
struct Turn {
    writer: Writer,
    is_over: bool,
}

impl Turn {
    fn write_all_that_waits(mut self) {
        while let Some(batch) = self.writer.next_batch() {
            self.writer.write_batch(batch);
        }
        self.is_over = true;
    }
}

/// Where a turn ended before its time, in a panic or with its runtime, those who wait get an error instead of waiting
/// for ever, and the next write begins anew.
impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            let mut queue = self.writer.lock();
            queue.is_written = false;
            queue.waiting.clear();
        }
    }
}
