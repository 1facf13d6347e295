//! What this process has done about outages in one namespace.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::{sync::MutexGuard, time::Instant};

use crate::{error::Result, key::Namespace};

/// What has to be done for a namespace before, or after, operations of its caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Before operations of this era.
    Prepare(u64),
    /// After writes to the second store in this era: there has to be a marker that says so.
    Cover(u64),
}

/// One namespace, of whatever schema.
#[derive(Debug)]
pub(super) struct Space {
    /// Where its bookkeeping is.
    pub(super) bookkeeping: Namespace,
    /// The era for whose operations it is prepared.
    ready: AtomicU64,
    /// How many tasks have begun.
    begun: AtomicU64,
    turn: tokio::sync::Mutex<Stay>,
    /// When the second store was last asked for outages in vain, by a process that knows of none. Since then the namespace has
    /// been in use although nobody knows whether the first store has missed anything.
    asked_in_vain: Mutex<Option<Instant>>,
}

/// What is known to whoever has the turn.
#[derive(Debug, Default)]
pub(super) struct Stay {
    /// The outage in which this process has used the second store, until it is made up for in the first.
    pub(super) outage: Option<u64>,
    /// The task that ended last.
    last: Option<(u64, Task, Result<()>)>,
}

/// The turn to do something, one at a time.
pub(super) struct Turn<'a> {
    space: &'a Space,
    pub(super) stay: MutexGuard<'a, Stay>,
    task: Task,
    number: u64,
}

impl Space {
    pub(super) fn new(bookkeeping: Namespace) -> Self {
        Self {
            bookkeeping,
            ready: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            turn: tokio::sync::Mutex::default(),
            asked_in_vain: Mutex::default(),
        }
    }

    pub(super) fn is_ready(&self, era: u64) -> bool {
        self.ready.load(Ordering::Acquire) == era
    }

    fn set_ready(&self, era: u64) {
        self.set_asked(None);
        self.ready.store(era, Ordering::Release);
    }

    /// This process has used the second store in this outage, or is about to: from now on it knows what to make up for.
    pub(super) fn is_in(&self, stay: &mut Stay, outage: u64) {
        stay.outage = Some(outage);
        self.set_asked(None);
    }

    /// Waits for the turn to do this; or for the result, if somebody else begins and ends it meanwhile.
    pub(super) async fn turn(&self, task: Task) -> Result<Turn<'_>, Result<()>> {
        let arrived = self.begun.load(Ordering::Acquire);
        let stay = self.turn.lock().await;
        match &stay.last {
            Some((number, done, result)) if *number > arrived && *done == task => Err(result.clone()),
            _ => {
                let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
                Ok(Turn { space: self, stay, task, number })
            }
        }
    }

    /// When the second store was last asked in vain.
    pub(super) fn asked_in_vain(&self) -> Option<Instant> {
        *self.asked_in_vain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_asked_in_vain(&self, at: Instant) {
        self.set_asked(Some(at));
    }

    fn set_asked(&self, in_vain: Option<Instant>) {
        *self.asked_in_vain.lock().unwrap_or_else(PoisonError::into_inner) = in_vain;
    }
}

impl Turn<'_> {
    /// It is done, or not; those who came before it was begun receive the same.
    pub(super) fn ended(mut self, result: Result<()>) -> Result<()> {
        self.stay.last = Some((self.number, self.task, result.clone()));
        if let (Task::Prepare(era), Ok(())) = (self.task, &result) {
            self.space.set_ready(era);
        }
        result
    }
}
