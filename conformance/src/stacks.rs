//! How stores that are made of other stores are made: a chain of one, a failover of two. So that the suite can put itself
//! between, and make as many as there are to be processes.

use std::{fmt, sync::Arc, time::Duration};

use larder_core::{Backend, Clock};

use crate::store::Peer;

/// What a [chain](larder_core::Chain) of the suite's is to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearCopies {
    /// [`Chain::near_ttl`](larder_core::Chain::near_ttl); `None`: what it is unless said otherwise.
    pub ttl: Option<Duration>,
    /// [`Chain::ttl_without_bus`](larder_core::Chain::ttl_without_bus).
    pub ttl_without_bus: Duration,
    /// Whether it listens to the bus of its store, if there is one; else it is
    /// [`without_bus`](larder_core::Chain::without_bus).
    pub listens: bool,
}

type MakeChain = Arc<dyn Fn(Arc<dyn Backend>, NearCopies, Clock) -> Arc<dyn Backend> + Send + Sync>;

/// A chain, in parts.
#[derive(Clone)]
pub(crate) struct Chained {
    /// Another connection to the store behind.
    pub(crate) far: Peer,
    pub(crate) make: MakeChain,
}

impl Chained {
    pub(crate) fn new<F: Backend, B: Backend>(
        far: impl Fn(Clock) -> F + Send + Sync + 'static,
        make: impl Fn(Arc<dyn Backend>, NearCopies, Clock) -> B + Send + Sync + 'static,
    ) -> Self {
        Self {
            far: peer(far),
            make: Arc::new(move |far, copies, clock| Arc::new(make(far, copies, clock)) as _),
        }
    }
}

type MakeFailover = Arc<dyn Fn(Arc<dyn Backend>, Arc<dyn Backend>, Clock) -> Arc<dyn Backend> + Send + Sync>;

/// A failover, in parts.
#[derive(Clone)]
pub(crate) struct FailingOver {
    /// Another connection to each store.
    pub(crate) stores: [Peer; 2],
    pub(crate) make: MakeFailover,
    pub(crate) open_for: Duration,
}

impl FailingOver {
    pub(crate) fn new<F: Backend, S: Backend, B: Backend>(
        first: impl Fn(Clock) -> F + Send + Sync + 'static,
        second: impl Fn(Clock) -> S + Send + Sync + 'static,
        make: impl Fn(Arc<dyn Backend>, Arc<dyn Backend>, Clock) -> B + Send + Sync + 'static,
        open_for: Duration,
    ) -> Self {
        let make: MakeFailover =
            Arc::new(move |first, second, clock| Arc::new(make(first, second, clock)) as _);
        Self { stores: [peer(first), peer(second)], make, open_for }
    }
}

fn peer<B: Backend>(connect: impl Fn(Clock) -> B + Send + Sync + 'static) -> Peer {
    Arc::new(move |clock| Ok(Arc::new(connect(clock)) as Arc<dyn Backend>))
}

impl fmt::Debug for Chained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chained").finish_non_exhaustive()
    }
}

impl fmt::Debug for FailingOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingOver").field("open_for", &self.open_for).finish_non_exhaustive()
    }
}
