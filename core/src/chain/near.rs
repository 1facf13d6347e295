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

use super::hearing::{Right, Rooms};
use crate::{
    backend::{Backend, Bounded, DeleteOptions, Lookup, SetOptions},
    clock::{Clock, Timestamp},
    entry::{Entry, Kind},
    error::{ErrorKind, Result},
    key::StoreKey,
    ttl::Ttl,
};

/// The tiers, nearest first.
#[derive(Debug)]
pub(super) struct Near {
    tiers: Vec<Tier>,
    /// How long a copy is served at most; `None`: as long as its entry lives.
    pub(super) ttl: Option<Duration>,
    clock: Clock,
}

#[derive(Debug)]
struct Tier {
    store: Arc<dyn Backend>,
    /// It did not do at once what it was told, so that nobody knows what it holds.
    is_lost: AtomicBool,
}

impl Near {
    pub(super) fn new(ttl: Option<Duration>, clock: Clock) -> Self {
        Self { tiers: Vec::new(), ttl, clock }
    }

    pub(super) fn add(&mut self, tier: impl Backend) {
        self.tiers.push(Tier { store: Arc::new(tier), is_lost: AtomicBool::new(false) });
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    pub(super) fn bounded(&self) -> impl Iterator<Item = &dyn Bounded> {
        self.tiers.iter().filter_map(|tier| tier.store.bounded())
    }

    /// The nearest copy in these rooms.
    #[inline]
    pub(super) fn get(&self, key: &StoreKey<'_>, rooms: Rooms) -> Option<Entry> {
        let found = self.in_room(&key.in_room(rooms.first));
        match rooms.second {
            Some(second) if found.is_none() => self.in_room(&key.in_room(second)),
            _ => found,
        }
    }

    #[inline]
    fn in_room(&self, key: &StoreKey<'_>) -> Option<Entry> {
        self.tiers.iter().find_map(|tier| match tier.working()?.get_now(key) {
            Some(Lookup::Hit(entry)) => Some(entry),
            _ => None,
        })
    }

    /// Keeps a copy of what the store was asked for, or told, by this right, in place of any other in the room; for no longer than
    /// the store keeps it. What is no value has no copy; nor has the version of a tag or a level, which is remembered elsewhere.
    pub(super) fn put(&self, key: &StoreKey<'_>, entry: &Entry, kept: Option<Ttl>, right: Right) {
        if key.namespace().is_bookkeeping() {
            return;
        }
        if let Some(other) = right.other_room {
            // Whichever is looked into first: there is one copy.
            self.tiers.iter().for_each(|tier| tier.remove(&key.in_room(other)));
        }
        let key = &key.in_room(right.room);
        let Some(ttl) = self.life(entry, kept, right).filter(|_| entry.kind() == Kind::Value) else {
            return self.tiers.iter().for_each(|tier| tier.remove(key));
        };
        let options = SetOptions::new(ttl);
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

    /// For how long a copy is kept; `None` for one that is over.
    fn life(&self, entry: &Entry, kept: Option<Ttl>, right: Right) -> Option<Ttl> {
        let most = self.ttl.into_iter().chain(right.ttl).min();
        let meta = entry.meta();
        let expires = meta.lifetime.expires;
        // Its writer's clock may be ahead of this one: no more is left than it was given at first.
        let whole = || expires.since(meta.created);
        let left = (expires != Timestamp::NEVER).then(|| expires.since(self.clock.now()).min(whole()));
        let kept = match kept {
            Some(Ttl::After(kept)) => Some(kept),
            _ => None,
        };
        let age = right.asked.elapsed();
        // What the store was told to keep, it keeps from when it was told.
        let aging = most.into_iter().chain(kept).min().map(|ttl| ttl.saturating_sub(age));
        let Some(ttl) = aging.into_iter().chain(left).min() else { return Some(Ttl::Never) };
        (!ttl.is_zero()).then_some(Ttl::After(ttl))
    }

    /// Removes every copy; of every key with its text, where that is meant.
    pub(super) fn remove(&self, key: &StoreKey<'_>, rooms: Rooms) {
        if key.namespace().is_bookkeeping() {
            return;
        }
        for room in [Some(rooms.first), rooms.second].into_iter().flatten() {
            self.tiers.iter().for_each(|tier| tier.remove(&key.in_room(room)));
        }
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
            // Of a text that several keys have, there may be another one.
            Some(Ok(true)) if key.is_any() => self.remove(key),
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
