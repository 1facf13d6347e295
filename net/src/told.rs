//! What the log hears of a connection: that its server was lost, and that it was found again. However often that happens, one
//! line in two seconds for all connections of a store, with how things stand then and how often they have changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::{failure::Failure, pace::Pace};

/// How a connection stands, and what was logged of it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    server: Arc<str>,
    pace: Arc<Pace>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Why the server cannot be used; `None` while it can.
    down: Option<Failure>,
    /// How often that has changed since the last line.
    changes: u32,
    /// Whether a line waits for its turn.
    waits: bool,
}

impl Told {
    pub(crate) fn new(server: &str, pace: &Arc<Pace>) -> Self {
        Self { server: server.into(), pace: Arc::clone(pace), state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is open.
    pub(crate) fn connected(&self) {
        let mut state = self.lock();
        if state.down.take().is_none() {
            tracing::debug!(server = %self.server, "connected");
            return;
        }
        self.changed(state);
    }

    /// The connection was lost, or cannot be opened.
    pub(crate) fn failed(&self, why: &Failure) {
        let mut state = self.lock();
        if state.down.replace(why.clone()).is_some() {
            tracing::debug!(server = %self.server, %why, "still cannot connect");
            return;
        }
        self.changed(state);
    }

    fn changed(&self, mut state: MutexGuard<'_, State>) {
        state.changes += 1;
        if state.waits {
            return;
        }
        // Without a turn it stays counted, and the next change is reported.
        let Some(wait) = self.pace.line() else { return };
        if wait.is_zero() {
            drop(state);
            self.tell();
        } else if let Ok(runtime) = Handle::try_current() {
            state.waits = true;
            drop(state);
            let told = self.clone();
            runtime.spawn(async move {
                tokio::time::sleep(wait).await;
                told.tell();
            });
        }
    }

    fn tell(&self) {
        let mut state = self.lock();
        let changes = std::mem::take(&mut state.changes);
        state.waits = false;
        let down = state.down.clone();
        drop(state);
        match down {
            Some(why) => {
                tracing::warn!(server = %self.server, %why, changes, "the connection was lost; reconnecting");
            }
            None if changes > 1 => {
                tracing::warn!(server = %self.server, changes, "the connection was lost, and is open again");
            }
            None => tracing::info!(server = %self.server, "reconnected"),
        }
    }
}
