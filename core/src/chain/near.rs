//! The near tiers of a chain.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    backend::{Backend, Bounded, DeleteOptions, Lookup, SetOptions},
    clock::Clock,
    entry::{Entry, Kind},
    error::{ErrorKind, Result},
    key::StoreKey,
    ttl::Ttl,
};

/// The tiers, nearest first.
#[derive(Debug)]
pub(super) struct Near {
    tiers: Vec<Tier>,
    /// How long a copy is served at most.
    pub(super) ttl: Duration,
    clock: Clock,
}

#[derive(Debug)]
struct Tier {
    store: Arc<dyn Backend>,
    /// It did not do at once what it was told, so that nobody knows what it holds.
    is_lost: AtomicBool,
}

impl Near {
    pub(super) fn new(ttl: Duration, clock: Clock) -> Self {
        Self { tiers: Vec::new(), ttl, clock }
    }

    pub(super) fn add(&mut self, tier: impl Backend) {
        self.tiers.push(Tier { store: Arc::new(tier), is_lost: AtomicBool::new(false) });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    pub(super) fn bounded(&self) -> impl Iterator<Item = &dyn Bounded> {
        self.tiers.iter().filter_map(|tier| tier.store.bounded())
    }

    /// The nearest copy.
    #[inline]
    pub(super) fn get(&self, key: &StoreKey<'_>) -> Option<Entry> {
        self.tiers.iter().find_map(|tier| match tier.working()?.get_now(key) {
            Some(Lookup::Hit(entry)) => Some(entry),
            _ => None,
        })
    }

    /// Keeps a copy of what the store was asked for, or told, then, in place of any other; for no longer than the store keeps it.
    /// What is no value has no copy; nor has the version of a tag or a level, which is remembered elsewhere.
    pub(super) fn put(&self, key: &StoreKey<'_>, entry: &Entry, kept: Option<Ttl>, asked: Instant) {
        if key.namespace().is_bookkeeping() {
            return;
        }
        let mut ttl = self.ttl.min(entry.meta().lifetime.expires.since(self.clock.now()));
        if let Some(Ttl::After(kept)) = kept {
            ttl = ttl.min(kept);
        }
        let ttl = ttl.min(self.ttl.saturating_sub(asked.elapsed()));
        if entry.kind() != Kind::Value || ttl.is_zero() {
            return self.remove(key);
        }
        let options = SetOptions::new(Ttl::After(ttl));
        for tier in &self.tiers {
            let Some(store) = tier.working() else { continue };
            match at_once(store.set(key, entry, &options)) {
                Some(Ok(_)) => {}
                // One that is too large for it has removed what was there.
                Some(Err(error)) if error.kind() == ErrorKind::TooLarge => {}
                Some(Err(_)) => tier.remove(key),
                None => tier.lose(),
            }
        }
    }

    /// Removes every copy.
    pub(super) fn remove(&self, key: &StoreKey<'_>) {
        if key.namespace().is_bookkeeping() {
            return;
        }
        self.tiers.iter().for_each(|tier| tier.remove(key));
    }

    /// Ends the use of all of them, and says what the first has failed with.
    pub(super) async fn close(&self) -> Result<()> {
        let mut closed = Ok(());
        for tier in &self.tiers {
            closed = closed.and(tier.store.close().await);
        }
        closed
    }
}

impl Tier {
    #[inline]
    fn working(&self) -> Option<&dyn Backend> {
        (!self.is_lost.load(Ordering::Relaxed)).then_some(&*self.store)
    }

    fn remove(&self, key: &StoreKey<'_>) {
        let Some(store) = self.working() else { return };
        match at_once(store.delete(key, &DeleteOptions::new())) {
            Some(Ok(_)) => {}
            // Nothing is read from a closed store either.
            Some(Err(error)) if error.kind() == ErrorKind::Closed => {}
            _ => self.lose(),
        }
    }

    fn lose(&self) {
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::error!(
                store = ?self.store,
                "a near tier did not do at once what it was told, so nobody knows what it holds, and it is used no more; a near \
                 tier is a store in this process's memory, with no layer around it that waits or fails"
            );
        }
    }
}

/// What is there without waiting.
fn at_once<W: Future>(work: W) -> Option<W::Output> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
