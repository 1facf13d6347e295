//! One connection through time: opened at the first call, and opened again whenever it ends, by a task of its own.
//!
//! ```text
//!   idle ── first call ──▶ connecting ── opened ──▶ up
//!                            │     ▲                │  ▲
//!                         failed   └──── ended ─────┘  │
//!                            ▼                         │
//!                          down ── tried again by itself, opened
//! ```
//!
//! While it is connecting, callers wait; an attempt takes at most `connect_timeout`. While it is down, they fail
//! at once with the reason of the last attempt.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use larder_core::{Error, ErrorKind, Result, error::Operation};
use tokio::{runtime::Handle, sync::watch, task::JoinSet, time::sleep};

use crate::{
    config::Settings,
    error,
    link::{Failure, Link},
    stream::{Opener, unavailable},
};

/// The pause after a failed attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause: with the time an attempt takes, a server that is back is in use again within a second.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// The longest pause while the server refuses us, which somebody has to mend, and of which it keeps a log.
const LONGEST_PAUSE_REFUSED: Duration = Duration::from_secs(5);
/// A connection that ends sooner counts as a failed attempt, or a server that hangs up on everybody would be
/// connected to without end.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// A place for one connection.
pub(crate) struct Slot {
    settings: Arc<Settings>,
    state: watch::Sender<State>,
}

enum State {
    /// Nobody has asked yet, or the runtime that kept the connection is gone.
    Idle,
    /// An attempt that is worth waiting for.
    Connecting,
    Up(Link),
    /// Why the last attempt failed.
    Down(Error),
    Closed,
}

impl Slot {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, state: watch::Sender::new(State::Idle) }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up(_))
    }

    pub(crate) fn with_link(&self, act: impl Fn(&Link)) {
        if let State::Up(link) = &*self.state.borrow() {
            act(link);
        }
    }

    /// Begins to open the connection if nobody has, for those who come later.
    pub(crate) fn begin(self: &Arc<Self>) {
        // The one error there is, that there is no runtime, is told to those who wait.
        let _ = self.start(Operation::Connect);
    }

    pub(crate) fn close(&self) {
        self.become_(State::Closed);
    }

    /// The connection as it is, or the one after `last`, waiting for it only while it is being opened.
    pub(crate) async fn link(self: &Arc<Self>, operation: Operation, last: Option<&Link>) -> Result<Link> {
        match self.settled(operation, last) {
            Some(settled) => settled,
            // Boxed, since it is rare and would make every call's future larger.
            None => Box::pin(self.wait_for_link(operation, last)).await,
        }
    }

    /// What became of a call.
    pub(crate) fn error(&self, failure: Failure, operation: Operation) -> Error {
        match &*self.state.borrow() {
            State::Closed => error::closed(operation),
            _ => failure.into_error(operation),
        }
    }

    fn settled(&self, operation: Operation, last: Option<&Link>) -> Option<Result<Link>> {
        match &*self.state.borrow() {
            State::Up(link) if !is_last(link, last) => Some(Ok(link.clone())),
            State::Up(_) | State::Idle | State::Connecting => None,
            State::Down(cause) => {
                let message = format!("there is no connection to {}", self.settings.address);
                let error = Error::new(cause.kind(), operation, message).with_origin(cause.origin());
                Some(Err(error.with_source(cause.clone())))
            }
            State::Closed => Some(Err(error::closed(operation))),
        }
    }

    async fn wait_for_link(self: &Arc<Self>, operation: Operation, last: Option<&Link>) -> Result<Link> {
        if let Some(last) = last {
            // It is about to be given up anyway; this makes sure that there will be a next one.
            last.give_up();
        }
        // A second time only if the runtime that opens the connection ends meanwhile.
        for _ in 0..3 {
            self.start(operation)?;
            let mut state = self.state.subscribe();
            let wait = |state: &State| match state {
                State::Connecting => false,
                State::Up(link) => !is_last(link, last),
                _ => true,
            };
            // Fails when the sender is dropped, which is `self`.
            let _ = state.wait_for(wait).await;
            if let Some(settled) = self.settled(operation, last) {
                return settled;
            }
        }
        Err(Error::new(ErrorKind::Unavailable, operation, "the runtime that opens the connection is gone"))
    }

    /// Begins to keep the connection, unless that has been done.
    fn start(self: &Arc<Self>, operation: Operation) -> Result<()> {
        let runtime = Handle::try_current().map_err(|why| {
            Error::new(ErrorKind::NoRuntime, operation, "a Redis store works in a tokio runtime")
                .with_source(why)
        })?;
        let idle = |state: &mut State| {
            let idle = matches!(state, State::Idle);
            if idle {
                *state = State::Connecting;
            }
            idle
        };
        if self.state.send_if_modified(idle) {
            runtime.spawn(keep(Keeper(Arc::clone(self))));
        }
        Ok(())
    }

    /// Enters this state, unless the slot is closed: `false` then.
    fn become_(&self, next: State) -> bool {
        let mut open = false;
        self.state.send_if_modified(|state| {
            open = !matches!(state, State::Closed);
            if open {
                *state = next;
            }
            open
        });
        open
    }

    async fn closed(&self) {
        // Fails when the sender is dropped, which is `self`.
        let _ = self.state.subscribe().wait_for(|state| matches!(state, State::Closed)).await;
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.state.borrow() {
            State::Idle => "idle",
            State::Connecting => "connecting",
            State::Up(_) => "up",
            State::Down(_) => "down",
            State::Closed => "closed",
        })
    }
}

fn is_last(link: &Link, last: Option<&Link>) -> bool {
    last.is_some_and(|last| last.is(link))
}

/// The slot as its task holds it. When the task goes, whatever the reason, the next call starts another.
struct Keeper(Arc<Slot>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.become_(State::Idle);
    }
}

/// Opens the connection, opens it again when it has ended, and returns when the slot is closed.
async fn keep(keeper: Keeper) {
    let slot = &*keeper.0;
    tokio::select! {
        () = slot.closed() => {}
        () = keep_open(slot) => {}
    }
}

async fn keep_open(slot: &Slot) {
    let settings = &*slot.settings;
    let mut opener = Opener::new(Arc::clone(&slot.settings));
    let mut failures = 0;
    let mut told = false;
    loop {
        let cause = match Link::open(&mut opener, settings).await {
            Ok((link, driver)) => {
                tracing::info!(server = %settings.address, "connected");
                told = false;
                // In a task of its own: a panic in there ends the connection and nothing else.
                let mut running = JoinSet::new();
                running.spawn(driver);
                if !slot.become_(State::Up(link.clone())) {
                    return;
                }
                tokio::select! {
                    _ = running.join_next() => {}
                    () = link.given_up() => {}
                }
                // No reply may come over the old connection once there is a new one.
                running.shutdown().await;
                tracing::warn!(server = %settings.address, age = ?link.age(), "the connection ended");
                if link.age() >= SHORT_LIFE {
                    failures = 0;
                }
                if failures == 0 {
                    failures = 1;
                    if !slot.become_(State::Connecting) {
                        return;
                    }
                    continue;
                }
                unavailable("the server hangs up soon after it was connected to")
            }
            Err(cause) => cause,
        };
        if !told {
            tracing::warn!(server = %settings.address, %cause, "cannot connect; trying on");
            told = true;
        }
        let pause = pause(failures, cause.kind());
        failures = failures.saturating_add(1);
        if !slot.become_(State::Down(cause)) {
            return;
        }
        sleep(pause).await;
    }
}

/// How long to wait before the next attempt: longer after each failure, and never the same for two clients, so
/// that they do not all come at once.
fn pause(failures: u32, cause: ErrorKind) -> Duration {
    let longest = match cause {
        ErrorKind::Auth | ErrorKind::Config => LONGEST_PAUSE_REFUSED,
        _ => LONGEST_PAUSE,
    };
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(longest);
    // A hash under keys that are new each time, in place of a generator of random numbers.
    let percent = 50 + u32::try_from(RandomState::new().hash_one(failures) % 51).unwrap_or(0);
    pause * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        assert!((10..=20).contains(&pause(0, ErrorKind::Unavailable).as_millis()));
        assert!((200..=400).contains(&pause(40, ErrorKind::Unavailable).as_millis()));
        assert!((2500..=5000).contains(&pause(40, ErrorKind::Auth).as_millis()));
        let first = pause(40, ErrorKind::Unavailable);
        assert!((0..100).any(|_| pause(40, ErrorKind::Unavailable) != first));
    }
}
