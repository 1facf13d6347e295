//! Loads in progress: at most one per key that callers may still join, and none that stores once its key was written.
//!
//! Two things are kept apart. Whether a flight may be *joined* is whether it is in the table. Whether it may *store* is a
//! state of its own, since a flight that was superseded still has its waiting callers, and one that is just storing keeps
//! writers of its key waiting.

#[cfg(all(test, larder_loom))]
mod models;
mod table;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

pub(crate) use self::table::{Arrival, Flights, Joined};
use super::waits::Node;
use crate::{
    entry::{Scope, Stamps},
    error::{Error, ErrorKind},
    key::Key,
    sync::{AtomicU8, Notify},
};

/// The value is still being made: whoever writes the key now wins over it.
const LOADING: u8 = 0;
/// The value is being stored: whoever writes the key waits until that is over.
const STORING: u8 = 1;
/// Somebody else has written the key: the value is not stored.
const FENCED: u8 = 2;

/// How a load has ended.
#[derive(Debug, Clone)]
pub(crate) enum End<O> {
    /// With this.
    Outcome(O),
    /// Its task is gone: its runtime has ended, or all who waited for it had left.
    Vanished,
}

/// For whom else than those who came before it began a load's value is right.
#[derive(Debug, Clone, Copy)]
enum Vouched {
    /// For those who came before this moment: until then nothing had come between.
    Before(Instant),
    /// The store has not answered in time.
    Late,
    /// The store has failed otherwise.
    Failed,
}

/// One load in progress.
pub(crate) struct Flight<O> {
    pub(crate) key: Key,
    hash: u64,
    storing: AtomicU8,
    /// When it was begun.
    pub(crate) begun: Instant,
    /// How many had begun in its shard by then, with it.
    number: u64,
    /// How much of its callers' budgets it has used before its loader began.
    used: OnceLock<Duration>,
    /// Under which tags its value will be, as far as its call has named them.
    tags: Box<[Scope]>,
    /// The load that it belongs to, perhaps with others.
    pub(crate) load: Arc<Node>,
    /// The flight that this one has superseded while that was storing its value.
    older: Option<Arc<Self>>,
    /// What the loader has made. Whether it is stored is not known yet.
    made: OnceLock<O>,
    landed: OnceLock<End<O>>,
    news: Notify,
    waiting: AtomicUsize,
    /// It goes on though nobody waits for it any more.
    kept: AtomicBool,
    left: tokio::sync::Notify,
    loader_began: OnceLock<Instant>,
    stamps: OnceLock<Stamps>,
    vouched: OnceLock<Vouched>,
    /// The loader has named a tag that was invalidated while it ran.
    doubtful: AtomicBool,
    /// There is no value in it for whoever comes now.
    over: AtomicBool,
}

impl<O: Clone> Flight<O> {
    fn new(
        (key, hash): (&Key, u64),
        (state, number): (u8, u64),
        tags: &[Scope],
        load: Arc<Node>,
        older: Option<Arc<Self>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            key: key.clone(),
            hash,
            storing: AtomicU8::new(state),
            begun: load.begun,
            number,
            used: OnceLock::new(),
            tags: tags.into(),
            load,
            older,
            made: OnceLock::new(),
            landed: OnceLock::new(),
            news: Notify::new(),
            waiting: AtomicUsize::new(0),
            kept: AtomicBool::new(false),
            left: tokio::sync::Notify::new(),
            loader_began: OnceLock::new(),
            stamps: OnceLock::new(),
            vouched: OnceLock::new(),
            doubtful: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    /// Claims the right to store the value. `false` if the key was written meanwhile.
    pub(crate) fn may_store(&self) -> bool {
        self.storing.compare_exchange(LOADING, STORING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Makes sure that the value will not be stored from now on. `false` if that is just happening.
    fn fence(&self) -> bool {
        self.storing.compare_exchange(LOADING, FENCED, Ordering::AcqRel, Ordering::Acquire) != Err(STORING)
    }

    /// Whether its key was written, removed or invalidated after it had begun.
    pub(crate) fn is_fenced(&self) -> bool {
        self.storing.load(Ordering::Acquire) == FENCED
    }

    /// Tells those who wait what the loader has made. If that is no value, whoever comes from now on begins another load.
    pub(super) fn make(&self, outcome: O, is_value: bool) {
        if !is_value {
            self.over.store(true, Ordering::Release);
        }
        if self.made.set(outcome).is_ok() {
            self.news.notify_waiters();
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn land(&self, end: End<O>) {
        if self.landed.set(end).is_ok() {
            self.news.notify_waiters();
        }
    }

    /// What the loader has made or, if there is nothing more to come, how it has ended.
    pub(crate) async fn made(&self) -> End<O> {
        loop {
            let news = self.news.notified();
            if let Some(end) = self.landed.get() {
                return end.clone();
            }
            if let Some(made) = self.made.get() {
                return End::Outcome(made.clone());
            }
            news.await;
        }
    }

    /// Waits until a flight that this one has superseded has stored its value: what is older is not to come later.
    pub(crate) async fn older_landed(&self) {
        if let Some(older) = &self.older {
            older.landed().await;
        }
    }

    /// The latest flight that this one, or one before it, has superseded and that is still storing its value.
    fn older_unlanded(&self) -> Option<Arc<Self>> {
        let mut older = self.older.as_ref();
        while let Some(flight) = older {
            if flight.landed.get().is_none() {
                return Some(Arc::clone(flight));
            }
            older = flight.older.as_ref();
        }
        None
    }

    /// How it has ended, its value stored or not.
    pub(crate) async fn landed(&self) -> End<O> {
        loop {
            let news = self.news.notified();
            if let Some(end) = self.landed.get() {
                return end.clone();
            }
            news.await;
        }
    }

    /// Counts somebody who waits, for [`abandoned`](Self::abandoned).
    pub(crate) fn enter(self: &Arc<Self>) -> Present<O> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Present(Arc::clone(self))
    }

    /// It goes on from now on though nobody may wait for it.
    pub(crate) fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }

    /// Waits until nobody waits any more for a load that ends with that.
    pub(crate) async fn abandoned(&self) {
        loop {
            let left = self.left.notified();
            if self.is_abandoned() {
                return;
            }
            left.await;
        }
    }

    /// Whether nobody waits, and it was not said that this does not matter.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0 && !self.kept.load(Ordering::Acquire)
    }

    /// Whether it was begun after somebody had arrived.
    pub(crate) fn is_newer_than(&self, arrival: &Arrival) -> bool {
        self.number > arrival.flights
    }

    /// How much of its callers' budgets it has used before its loader began.
    pub(crate) fn used(&self) -> Duration {
        self.used.get().copied().unwrap_or_default()
    }

    /// The loader begins, for a value that will be under these stamps, after so much time in the store.
    pub(super) fn loader_begins(&self, now: Instant, stamps: Option<&Stamps>, used: Duration) {
        let _ = self.loader_began.set(now);
        let _ = self.used.set(used);
        if let Some(stamps) = stamps {
            let _ = self.stamps.set(stamps.clone());
        }
    }

    pub(crate) fn loader_began(&self) -> Option<Instant> {
        self.loader_began.get().copied()
    }

    /// What the value was made under, where that could be had.
    pub(crate) fn stamps(&self) -> Option<&Stamps> {
        self.stamps.get()
    }

    /// The value is right for whoever came before this moment.
    pub(super) fn vouch_for_those_before(&self, moment: Instant) {
        let _ = self.vouched.set(Vouched::Before(moment));
    }

    /// The store failed when it should have said for whom the value is right.
    pub(super) fn cannot_vouch(&self, error: &Error) {
        let is_late = error.kind() == ErrorKind::Timeout;
        let _ = self.vouched.set(if is_late { Vouched::Late } else { Vouched::Failed });
    }

    /// The value is right only for those who came before the load began.
    pub(super) fn doubt(&self) {
        self.doubtful.store(true, Ordering::Release);
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Acquire)
    }

    /// Whether it is vouched for to somebody who came then. A store that does not answer within its deadline cannot be told by
    /// anybody that the key is removed, as far as can be known, and waiting for another load would take longer than the
    /// deadline and a loader. One that answers with errors may have been told.
    pub(crate) fn is_vouched_for(&self, at: Instant) -> bool {
        match self.vouched.get() {
            Some(Vouched::Before(moment)) => at < *moment,
            Some(Vouched::Late) => true,
            Some(Vouched::Failed) | None => false,
        }
    }
}

/// Somebody who waits for a load.
pub(crate) struct Present<O>(Arc<Flight<O>>);

impl<O> Drop for Present<O> {
    fn drop(&mut self) {
        if self.0.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.left.notify_one();
        }
    }
}
