//! The two stores, and which of them answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    marker::OUTAGE,
    space::{Space, Task},
    tokens::Tokens,
    told::Told,
    work::One,
};
use crate::{
    backend::{Backend, CircuitState, Era, GetOptions},
    clock::Clock,
    error::{Error, ErrorKind, Operation, Origin, Result},
    key::{Key, Namespace, StoreKey},
    layer::{
        alarm::{Alarm, by},
        breaker::Breaker,
    },
    offload::is_in_runtime,
    random,
};

/// How often something is begun again because the stores changed meanwhile. Each time a breaker has opened or closed.
pub(super) const TRIES: usize = 4;

#[derive(Debug)]
pub(super) struct Pair<A, B> {
    pub(super) first: Breaker<A>,
    pub(super) second: B,
    /// An even number while the first answers, an odd one while the second does.
    pub(super) era: Era,
    pub(super) clock: Clock,
    /// By where their bookkeeping is. A program has so many namespaces, and no more.
    spaces: Mutex<HashMap<String, Arc<Space>>>,
    is_probing: AtomicBool,
    told: Told,
    pub(super) alarm: Arc<Alarm>,
    pub(super) outage: Key,
}

/// Whether the first store answers in this era.
#[inline]
pub(super) fn is_of_first(era: u64) -> bool {
    era & 1 == 0
}

fn new_era(of_first: bool) -> u64 {
    (random::unique() << 1) | u64::from(!of_first)
}

/// Whether a store that fails like this does not serve.
pub(super) fn is_away(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Protocol
            | ErrorKind::Loading
            | ErrorKind::Busy
    )
}

impl<A: Backend, B: Backend> Pair<A, B> {
    pub(super) fn new(first: Breaker<A>, second: B, clock: Clock) -> Self {
        Self {
            first,
            second,
            era: Era::new(new_era(true)),
            clock,
            spaces: Mutex::default(),
            is_probing: AtomicBool::new(false),
            told: Told::default(),
            alarm: Arc::default(),
            outage: Key::new(OUTAGE),
        }
    }

    /// Whether operations of this namespace may go to the first store as they are. Three loads.
    #[inline]
    pub(super) fn is_steady(&self, namespace: &Namespace) -> bool {
        let era = self.era.number();
        is_of_first(era) && namespace.is_marked(era) && self.first.state() == CircuitState::Closed
    }

    /// The era that it is now, by the breaker.
    #[inline]
    pub(super) fn era(&self) -> u64 {
        let era = self.era.number();
        let is_closed = self.first.state() == CircuitState::Closed;
        if is_of_first(era) == is_closed { era } else { self.turn(era, is_closed) }
    }

    #[cold]
    fn turn(&self, era: u64, to_first: bool) -> u64 {
        if self.era.turn(era, new_era(to_first)) {
            let (store, now) = (&**self.first.name(), Instant::now());
            if !to_first && self.told.goes_over(now) {
                tracing::warn!(store, "the store is away: its second store answers until it is back");
            } else if to_first && let Some(after) = self.told.comes_back(now) {
                tracing::info!(store, ?after, "the store is back: what it missed is not served");
            }
        }
        self.era.number()
    }

    pub(super) fn space(&self, namespace: &Namespace) -> Arc<Space> {
        let bookkeeping = namespace.own_bookkeeping();
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(space) = spaces.get(bookkeeping.text()) {
            return Arc::clone(space);
        }
        let text = bookkeeping.text().to_owned();
        Arc::clone(spaces.entry(text).or_insert(Arc::new(Space::new(bookkeeping))))
    }

    /// How many namespaces are in use although nobody knows whether the first store has missed something of them.
    pub(super) fn unchecked(&self) -> usize {
        let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        spaces.values().filter(|space| space.asked_in_vain().is_some()).count()
    }

    /// Sees to it that operations of this namespace may be done where it is now; the era in which they may.
    pub(super) async fn ready(
        &self,
        namespace: &Namespace,
        until: Option<Instant>,
        operation: Operation,
    ) -> Result<u64> {
        let mut tries = 0;
        loop {
            let era = self.era();
            if namespace.is_marked(era) {
                return Ok(era);
            }
            let space = self.space(namespace);
            let ready = self.in_time(until, operation, self.prepare(&space, era, until)).await;
            if space.is_ready(era) {
                namespace.mark(era);
            }
            // Where it was prepared for is where it is no longer: that it failed there says nothing.
            if self.era() == era || tries >= TRIES {
                return match ready {
                    Ok(()) => Ok(era),
                    Err(error) => Err(self.described(era, error, operation)),
                };
            }
            tries += 1;
        }
    }

    async fn in_time(
        &self,
        until: Option<Instant>,
        operation: Operation,
        work: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let Some(until) = until else { return work.await };
        by(&self.alarm, until, work).await.unwrap_or_else(|| {
            let message = "it was not known in time which of two stores is to answer";
            Err(Error::new(ErrorKind::Timeout, operation, message).with_origin(Origin::Here))
        })
    }

    /// Does something with one key.
    pub(super) async fn one<W: One>(self: &Arc<Self>, work: W) -> Result<W::Answer> {
        let namespace = work.key().namespace();
        for _ in 0..=TRIES {
            let era = self.ready(namespace, work.until(), W::OPERATION).await?;
            let answer = if is_of_first(era) {
                work.on(&self.first, Tokens::OF_FIRST).await
            } else {
                self.probe(namespace).await;
                let answer = work.on(&self.second, Tokens::of_second(era)).await;
                match answer {
                    Ok(answer) if W::WRITES && self.era() == era => {
                        self.covered(namespace, era, work.until(), W::OPERATION).await.map(|()| answer)
                    }
                    answer => answer,
                }
            };
            // What has ended in a store that was left meanwhile does not count.
            if self.era() == era {
                return answer.map_err(|error| self.described(era, error, W::OPERATION));
            }
        }
        Err(restless(W::OPERATION))
    }

    /// Sees to it that who comes back to the first store knows of what was just written to the second.
    pub(super) async fn covered(
        &self,
        namespace: &Namespace,
        era: u64,
        until: Option<Instant>,
        operation: Operation,
    ) -> Result<()> {
        let space = self.space(namespace);
        let covered = async {
            match space.turn(Task::Cover(era)).await {
                Ok(mut turn) => {
                    let covered = self.cover(&space, &mut turn.stay, until).await;
                    turn.ended(covered)
                }
                Err(result) => result,
            }
        };
        self.in_time(until, operation, covered).await
    }

    /// The error, with what a caller has to know who has two stores.
    pub(super) fn described(&self, era: u64, error: Error, operation: Operation) -> Error {
        if is_of_first(era) || !is_away(&error) {
            return error.during(operation);
        }
        let first = match self.first.refusal(operation) {
            Some(refusal) => refusal.message().to_owned(),
            None => "the breaker is open".to_owned(),
        };
        let message = format!("{first}; the second store failed as well");
        let described = Error::new(error.kind(), operation, message).with_origin(error.origin());
        described.in_store(self.first.name()).with_source(error)
    }

    /// Tries whether the first store is back, if it is time to: in the background where there is a runtime.
    pub(super) async fn probe(self: &Arc<Self>, namespace: &Namespace) {
        let due: SmallVec<[u16; 4]> = self.first.due().collect();
        if due.is_empty() || self.is_probing.swap(true, Ordering::AcqRel) {
            return;
        }
        let probing = Probing { pair: Arc::clone(self), bookkeeping: namespace.own_bookkeeping() };
        if is_in_runtime() {
            tokio::spawn(probing.ask(due));
        } else {
            probing.ask(due).await;
        }
    }
}

/// The stores have changed places again and again while something was done.
pub(super) fn restless(operation: Operation) -> Error {
    let message = "the store went and came back again and again meanwhile; whether it was done is not known";
    Error::new(ErrorKind::Unavailable, operation, message).with_origin(Origin::Here)
}

/// Somebody who tries whether the first store is back.
struct Probing<A, B> {
    pair: Arc<Pair<A, B>>,
    bookkeeping: Namespace,
}

impl<A, B> Drop for Probing<A, B> {
    fn drop(&mut self) {
        self.pair.is_probing.store(false, Ordering::Release);
    }
}

impl<A: Backend, B: Backend> Probing<A, B> {
    async fn ask(self, servers: SmallVec<[u16; 4]>) {
        for server in servers {
            let key = StoreKey::new(&self.bookkeeping, &self.pair.outage).on_shard(server);
            // The breaker learns what it says.
            let _ = self.pair.first.get(&key, &GetOptions::new()).await;
        }
        self.pair.era();
    }
}
