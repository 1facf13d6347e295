//! Two stores, and processes each of which may lose sight of either.

use std::sync::Arc;

use larder_core::{
    Backend, Cache, Clock, ErrorKind, Key,
    backend::{CircuitState, GetOptions},
    key::{Namespace, StoreKey},
    layer::{Breaker, BreakerSettings, Failover, Fault, Faults, Mishap},
};

use crate::common::{NAMESPACE, Remote, SECOND, Tokens, cache, later, plain, settled, there};

pub const DOWN: Mishap = Mishap::Fails(ErrorKind::Unavailable);

pub type Store = Arc<Failover<Fault<Arc<Remote>>, Fault<Arc<Remote>>>>;

pub struct World {
    pub clock: Clock,
    pub first: Arc<Remote>,
    pub second: Arc<Remote>,
}

/// A process with a cache, and what keeps it from reaching the stores.
pub struct Process {
    pub clock: Clock,
    pub store: Store,
    pub first: Faults,
    pub second: Faults,
    pub cache: Cache<u64>,
}

impl World {
    pub fn new() -> Self {
        Self::with_tokens(Tokens::Revision)
    }

    pub fn with_tokens(tokens: Tokens) -> Self {
        let clock = Clock::manual();
        let first = Remote::with_tokens(&clock, tokens);
        let second = Remote::with_tokens(&clock, tokens);
        Self { clock, first, second }
    }

    /// One that has just started.
    pub fn process(&self) -> Process {
        let (first, second) = (Faults::new(&self.clock), Faults::new(&self.clock));
        let store = Fault::new(Arc::clone(&self.first), first.clone());
        let settings = BreakerSettings::new().with_window(8);
        let breaker = Breaker::new(store, "shared", settings, &self.clock).unwrap();
        let standby = Fault::new(Arc::clone(&self.second), second.clone());
        let store = Arc::new(Failover::new(breaker, standby, &self.clock).unwrap());
        let cache = cache(Arc::clone(&store), &self.clock, plain());
        Process { clock: self.clock.clone(), store, first, second, cache }
    }
}

impl Process {
    pub fn is_with_first(&self) -> bool {
        self.store.circuits()[0].state == CircuitState::Closed
    }

    /// A call that says nothing.
    pub async fn call(&self) {
        let (space, key) = (Namespace::new(NAMESPACE, 0).unwrap(), Key::new("nothing"));
        let _ = self.store.get(&StoreKey::new(&space, &key), &GetOptions::new()).await;
    }

    /// It no longer reaches the first store, and has noticed.
    pub async fn loses_first(&self) {
        self.first.always(DOWN);
        for _ in 0..100 {
            if !self.is_with_first() {
                return;
            }
            self.call().await;
        }
        panic!("the breaker does not open");
    }

    /// It reaches the first store again, and has noticed. What is asked for next is asked for there.
    pub async fn finds_first(&self) {
        self.first.none();
        later(&self.clock, SECOND).await;
        self.call().await;
        settled().await;
        assert!(self.is_with_first(), "the first store is not used again");
    }

    pub async fn has(&self, key: &Key) -> Option<u64> {
        there(&self.cache, key).await
    }
}
