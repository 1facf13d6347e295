//! What others change in the store, as the server tells it: client tracking, on a connection of its own.
//!
//! The server is asked to tell of every change under the prefixes of the namespaces that somebody listens to (`BCAST`). It keeps no
//! table of keys for that, nothing has to be published by who writes, and evictions, expiries and other programs' writes are
//! told as well. The connection is not the one that calls go over: a value of megabytes holds no notice up, what is lost with the
//! one is not lost with the other, and this process hears of its own writes like everybody else, also of one whose caller has
//! given up before it landed.

mod channel;
mod ears;
mod reader;

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU8, Ordering},
};

use larder_core::{
    backend::{Bus, Ear},
    key::Namespace,
};
use larder_net::Pace;
use tokio::{runtime::Handle, sync::Notify};

use self::ears::Ears;
use crate::server::RedisServer;

/// Nobody listens, or nobody may any more.
const IDLE: u8 = 0;
/// Somebody listens, and the channel is to be opened.
const WANTED: u8 = 1;
/// A task sees to it.
const SERVED: u8 = 2;
/// The store is closed.
const CLOSED: u8 = 3;

/// The channel of one store.
#[derive(Debug)]
pub(crate) struct RedisBus(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    server: Arc<RedisServer>,
    pace: Arc<Pace>,
    ears: Ears,
    state: AtomicU8,
    /// Somebody new listens, or the store was closed.
    news: Notify,
    /// Why the server does not tell.
    refused: Mutex<Option<String>>,
}

impl RedisBus {
    /// Connects to nothing.
    pub(crate) fn new(server: &Arc<RedisServer>, pace: &Arc<Pace>) -> Self {
        Self(Arc::new(Shared {
            server: Arc::clone(server),
            pace: Arc::clone(pace),
            ears: Ears::default(),
            state: AtomicU8::new(IDLE),
            news: Notify::new(),
            refused: Mutex::default(),
        }))
    }

    /// Opens the channel if somebody listens and nobody has. To be called with every operation: one load.
    #[inline]
    pub(crate) fn begin(&self) {
        if self.0.state.load(Ordering::Relaxed) == WANTED {
            self.start();
        }
    }

    #[cold]
    fn start(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.0.moves(WANTED, SERVED) {
            runtime.spawn(channel::run(Serving(Arc::clone(&self.0))));
        }
    }

    /// Why the server does not tell what others change, in a sentence for who operates it.
    pub(crate) fn advice(&self) -> Option<String> {
        let refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().map(|why| {
            format!(
                "the server does not tell what others change, so near copies live as without a bus: {why}; it has to be Redis 6 or \
                 later, and to allow the user `hello`, `ping` and `client|tracking`"
            )
        })
    }

    /// Listens no longer.
    pub(crate) fn close(&self) {
        self.0.state.store(CLOSED, Ordering::Release);
        self.0.news.notify_one();
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        self.close();
    }
}

impl Bus for RedisBus {
    fn listen(&self, namespace: &Namespace, ear: Weak<dyn Ear>) {
        self.0.ears.add(namespace, ear);
        self.0.moves(IDLE, WANTED);
        self.0.news.notify_one();
    }
}

impl Shared {
    fn moves(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLOSED
    }

    /// Notes why the server does not tell, and logs it if that is new.
    fn refuse(&self, why: Option<String>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = why.as_ref().filter(|why| refused.as_ref() != Some(why)) {
            tracing::warn!(
                server = %self.server.name, %why,
                "the server does not tell what others change; near copies live as without a bus"
            );
        }
        *refused = why;
    }
}

/// Leaves the channel to the next task when this one ends, however it does: a runtime that shuts down drops its tasks.
#[derive(Debug)]
struct Serving(Arc<Shared>);

impl Drop for Serving {
    fn drop(&mut self) {
        // Whoever listens from here on finds it idle, or wanted.
        let _ = self.0.moves(SERVED, if self.0.ears.is_empty() { IDLE } else { WANTED });
    }
}
