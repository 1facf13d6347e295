//! What the log hears of a connection: that its server was lost, and that it was found again. However often that happens, one
//! line in two seconds for all connections of a store, with how things stand then and how often they have changed.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Context,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{failure::Failure, pace::Pace};

/// How a connection stands, and what was logged of it. A line that still waits when the connection ends is at debug level: nobody
/// asks any more how a closed store's servers are, and those of several connections would come together.
#[derive(Debug)]
pub struct Told {
    server: String,
    pace: Arc<Pace>,
    state: Mutex<State>,
    /// Whether a line waits for its turn.
    waits: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Why the server cannot be used; `None` while it can.
    down: Option<Failure>,
    /// How often that has changed since the last line.
    changes: u32,
    /// When the line that waits is due.
    due: Option<Pin<Box<Sleep>>>,
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.waits.load(Relaxed) {
            let State { down, changes, .. } = &*self.lock();
            tracing::debug!(server = %self.server, changes, lost = down.is_some(), "closed, after changes");
        }
    }
}

impl Told {
    /// Of a connection to this server that nothing is known of yet.
    pub fn new(server: &str, pace: &Arc<Pace>) -> Self {
        let (state, waits) = (Mutex::default(), AtomicBool::new(false));
        Self { server: server.into(), pace: Arc::clone(pace), state, waits }
    }

    /// Does this, and logs meanwhile what is due. No task of its own waits for that: it would be there for seconds after
    /// everything is well again.
    pub async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let done = work.as_mut().poll(cx);
            if done.is_pending() && self.waits.load(Relaxed) {
                self.tell_if_due(cx);
            }
            done
        })
        .await
    }

    fn tell_if_due(&self, cx: &mut Context<'_>) {
        let is_due = self.lock().due.as_mut().is_none_or(|due| due.as_mut().poll(cx).is_ready());
        if is_due {
            self.tell();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is open.
    pub fn connected(&self) {
        let mut state = self.lock();
        if state.down.take().is_none() {
            tracing::debug!(server = %self.server, "connected");
            return;
        }
        self.changed(state);
    }

    /// The connection was lost, or cannot be opened.
    pub fn failed(&self, why: &Failure) {
        let mut state = self.lock();
        if state.down.replace(why.clone()).is_some() {
            tracing::debug!(server = %self.server, %why, "still cannot connect");
            return;
        }
        self.changed(state);
    }

    fn changed(&self, mut state: MutexGuard<'_, State>) {
        state.changes += 1;
        if state.due.is_some() {
            return;
        }
        // Without a turn it stays counted, and the next change is reported.
        let Some(wait) = self.pace.line() else { return };
        if wait.is_zero() {
            drop(state);
            self.tell();
        } else {
            state.due = Some(Box::pin(sleep_until(Instant::now() + wait)));
            self.waits.store(true, Relaxed);
        }
    }

    fn tell(&self) {
        let mut state = self.lock();
        let changes = std::mem::take(&mut state.changes);
        state.due = None;
        self.waits.store(false, Relaxed);
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
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_waits_for_its_turn_beside_the_connection_and_not_longer_than_that() {
        let told = Told::new("a server", &Arc::new(Pace::new(1)));
        let waits = || told.waits.load(Relaxed);
        told.failed(&Failure::unavailable("gone"));
        assert!(!waits(), "the first is logged at once");
        told.connected();
        assert!(waits());
        told.beside(tokio::time::sleep(Duration::from_millis(1900))).await;
        assert!(waits());
        told.beside(tokio::time::sleep(Duration::from_millis(200))).await;
        assert!(!waits(), "logged after two seconds");
        assert_eq!(told.lock().changes, 0);
    }
}
