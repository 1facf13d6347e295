//! What a backend's author gives the suite: a store, and what keeps it alive.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use larder_core::{Backend, Clock, backend::Bound, layer::Faults};

use crate::{
    hooks::Answer,
    stacks::{Chained, FailingOver, NearCopies},
};

/// How time passes for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Time {
    /// By the clock that the factory is given: the suite moves it.
    #[default]
    Injected,
    /// By a clock of its own, such as a server's: the suite waits.
    Real,
}

/// Connects to the same store a second time, as another process would.
pub(crate) type Peer = Arc<dyn Fn(Clock) -> Result<Arc<dyn Backend>, String> + Send + Sync>;

/// Puts bytes under a key (its text) behind the backend's back.
pub(crate) type Vandal = Arc<dyn Fn(&str, &[u8]) -> Result<(), String> + Send + Sync>;

/// Reads the bytes under a key (its text) behind the backend's back.
pub(crate) type Spy = Arc<dyn Fn(&str) -> Result<Option<Vec<u8>>, String> + Send + Sync>;

/// Makes a store of the same kind that is bounded like this, if it can be.
pub(crate) type Small = Arc<dyn Fn(Bound, Clock) -> Option<Arc<dyn Backend>> + Send + Sync>;

/// How a store with a breaker is made to fail, and for how long the breaker stays open at most.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    pub(crate) faults: Faults,
    pub(crate) open_for: Duration,
}

/// One store, as a factory returns it for each case. It need not be empty: every case has a namespace that no
/// other has.
#[must_use]
pub struct Store {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) peer: Option<Peer>,
    pub(crate) vandal: Option<Vandal>,
    pub(crate) spy: Option<Spy>,
    pub(crate) small: Option<Small>,
    pub(crate) breaker: Option<Breaker>,
    pub(crate) chain: Option<Chained>,
    pub(crate) failover: Option<FailingOver>,
    pub(crate) guard: Option<Box<dyn Any + Send + Sync>>,
}

impl Store {
    /// This backend, with nothing around it.
    pub fn new(backend: impl Backend) -> Self {
        Self {
            backend: Arc::new(backend),
            peer: None,
            vandal: None,
            spy: None,
            small: None,
            breaker: None,
            chain: None,
            failover: None,
            guard: None,
        }
    }

    /// Says how to make a store of the same kind, empty and apart from this one, that is bounded like this; `None` if it cannot
    /// be bounded in that way. Needed for the cases of stores that are [`Bounded`](larder_core::backend::Bounded).
    pub fn with_bound<B: Backend>(
        mut self,
        small: impl Fn(Bound, Clock) -> Option<B> + Send + Sync + 'static,
    ) -> Self {
        self.small =
            Some(Arc::new(move |bound, clock| Some(Arc::new(small(bound, clock)?) as Arc<dyn Backend>)));
        self
    }

    /// Whether such a store can be had.
    pub(crate) fn can_be(&self, bound: Bound) -> bool {
        self.small
            .as_ref()
            .is_some_and(|small| small(bound, Clock::manual()).is_some_and(|store| store.bounded().is_some()))
    }

    /// Says that the store has a breaker, how the store within it is made to fail ([`Fault`](larder_core::layer::Fault)), and
    /// after which time a breaker that is open lets a call through. At most 64 failures open it, and three of 32 do not. Needed
    /// for the cases of the family `breaker`.
    pub fn with_breaker(mut self, faults: Faults, open_for: Duration) -> Self {
        self.breaker = Some(Breaker { faults, open_for });
        self
    }

    /// Says that the store is a [chain](larder_core::Chain): how to connect to the store behind it once more, past every near copy,
    /// and how to make a chain in front of a store that the suite gives, as another process would have it. Needed for the cases
    /// of the family `chain`.
    pub fn with_chain<F: Backend, B: Backend>(
        mut self,
        far: impl Fn(Clock) -> F + Send + Sync + 'static,
        chain: impl Fn(Arc<dyn Backend>, NearCopies, Clock) -> B + Send + Sync + 'static,
    ) -> Self {
        self.chain = Some(Chained::new(far, chain));
        self
    }

    /// Says that the store is a [failover](larder_core::layer::Failover): how to connect to its first and its second store once
    /// more, how to make a failover of two stores that the suite gives, with a breaker around the first, as another process would
    /// have it, and after which time that breaker lets a call through. At most 64 failures open it. Needed for the cases of the
    /// family `failover`.
    pub fn with_failover<F: Backend, S: Backend, B: Backend>(
        mut self,
        first: impl Fn(Clock) -> F + Send + Sync + 'static,
        second: impl Fn(Clock) -> S + Send + Sync + 'static,
        failover: impl Fn(Arc<dyn Backend>, Arc<dyn Backend>, Clock) -> B + Send + Sync + 'static,
        open_for: Duration,
    ) -> Self {
        self.failover = Some(FailingOver::new(first, second, failover, open_for));
        self
    }

    /// Keeps this until the case is over: a server, a temporary folder.
    pub fn with_guard(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// Says how to connect to the same store a second time, as another process would. Needed for the cases of
    /// stores that are shared. A panic in it is the failure of the case that asked.
    pub fn with_peer<B: Backend>(mut self, peer: impl Fn(Clock) -> B + Send + Sync + 'static) -> Self {
        self.peer = Some(Arc::new(move |clock| Ok(Arc::new(peer(clock)) as Arc<dyn Backend>)));
        self
    }

    /// The same for a connection that cannot always be made; the error is printed as the failure of the case that asked.
    pub fn with_fallible_peer<B: Backend, E: fmt::Display>(
        mut self,
        peer: impl Fn(Clock) -> Result<B, E> + Send + Sync + 'static,
    ) -> Self {
        self.peer = Some(Arc::new(move |clock| match peer(clock) {
            Ok(backend) => Ok(Arc::new(backend) as Arc<dyn Backend>),
            Err(error) => Err(error.to_string()),
        }));
        self
    }

    /// Says how to put bytes under a key behind the backend's back, so that the suite can do what bit rot and
    /// other programs do. The key is the text that [`StoreKey`](larder_core::key::StoreKey) displays.
    ///
    /// It returns nothing, or a `Result` of nothing. An error, like a panic, is the failure of the case that asked.
    pub fn with_vandal<R: Answer<()>>(
        mut self,
        vandal: impl Fn(&str, &[u8]) -> R + Send + Sync + 'static,
    ) -> Self {
        self.vandal = Some(Arc::new(move |key, bytes| vandal(key, bytes).into_answer()));
        self
    }

    /// Says how to read the bytes under a key behind the backend's back: `None` if there are none, or a `Result` of that.
    pub fn with_spy<R: Answer<Option<Vec<u8>>>>(
        mut self,
        spy: impl Fn(&str) -> R + Send + Sync + 'static,
    ) -> Self {
        self.spy = Some(Arc::new(move |key| spy(key).into_answer()));
        self
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("backend", &self.backend).finish_non_exhaustive()
    }
}
