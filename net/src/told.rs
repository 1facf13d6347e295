//! What the log hears of a connection: that its server was lost, and that it was found again. However often that happens, one
//! line in two seconds for all connections of a store, with how things stand then and how often they have changed.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, task::AbortHandle};

use crate::{failure::Failure, pace::Pace};

/// How a connection stands, and what was logged of it. When it is dropped a line that waits is logged at once: no task outlives
/// the connection.
#[derive(Debug)]
pub(crate) struct Told(Arc<Teller>);

#[derive(Debug)]
pub(crate) struct Teller {
    server: String,
    pace: Arc<Pace>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why the server cannot be used; `None` while it can.
    down: Option<Failure>,
    /// How often that has changed since the last line.
    changes: u32,
    /// A line that waits for its turn.
    waits: Option<AbortHandle>,
}

impl Told {
    pub(crate) fn new(server: &str, pace: &Arc<Pace>) -> Self {
        let teller = Teller { server: server.into(), pace: Arc::clone(pace), state: Mutex::default() };
        Self(Arc::new(teller))
    }
}

impl Deref for Told {
    type Target = Arc<Teller>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let waits = self.lock().waits.take();
        if let Some(waits) = waits {
            waits.abort();
            self.tell();
        }
    }
}

impl Teller {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is open.
    pub(crate) fn connected(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.down.take().is_none() {
            tracing::debug!(server = %self.server, "connected");
            return;
        }
        self.changed(state);
    }

    /// The connection was lost, or cannot be opened.
    pub(crate) fn failed(self: &Arc<Self>, why: &Failure) {
        let mut state = self.lock();
        if state.down.replace(why.clone()).is_some() {
            tracing::debug!(server = %self.server, %why, "still cannot connect");
            return;
        }
        self.changed(state);
    }

    fn changed(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        state.changes += 1;
        if state.waits.is_some() {
            return;
        }
        // Without a turn it stays counted, and the next change is reported.
        let Some(wait) = self.pace.line() else { return };
        if wait.is_zero() {
            drop(state);
            self.tell();
        } else if let Ok(runtime) = Handle::try_current() {
            let teller = Arc::clone(self);
            let task = runtime.spawn(async move {
                tokio::time::sleep(wait).await;
                teller.tell();
            });
            state.waits = Some(task.abort_handle());
        }
    }

    fn tell(&self) {
        let mut state = self.lock();
        let changes = std::mem::take(&mut state.changes);
        state.waits = None;
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

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_that_waits_leaves_no_task_behind_its_connection() {
        let told = Told::new("a server", &Arc::new(Pace::new(1)));
        let lost = Failure::unavailable("gone");
        told.failed(&lost);
        told.connected();
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the second line waits");
        drop(told);
        yield_now().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    }
}
