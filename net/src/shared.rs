//! What callers and the task that serves a connection share: the outbox, in what phase the connection is, and how each wakes
//! the other.

#[cfg(larder_loom)]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering::Relaxed},
};
#[cfg(not(larder_loom))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use std::{fmt, sync::PoisonError, task::Waker, time::Duration};

use larder_core::{ErrorKind, error::Origin};
use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
    task::JoinHandle,
    time::Instant,
};

use crate::{
    failure::{Failure, Fate},
    outbox::Outbox,
    phase::{Gathered, Phase, Turn, Wake},
    protocol::Protocol,
    settings::Limits,
};

/// The most bytes that wait to be sent on a connection. One request may be larger, if nothing else waits.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// A task that was woken and has not moved for this long is on a runtime that nobody drives: a caller on another runtime starts
/// one in its place. If it was only held up, it ends when it notices, and answers what it has sent before.
const STUCK: Duration = Duration::from_millis(500);
/// How many runtimes in a row may end while callers in others wait for what they serve. After that each caller is on its own.
const DESERTED: u32 = 4;
/// A task that has served for this long is on a runtime that stays.
const STAYS: Duration = Duration::from_secs(1);

/// What callers and the task behind a connection share.
pub(crate) struct Shared<P: Protocol> {
    /// What the server is called in messages.
    pub(crate) name: String,
    pub(crate) limits: Limits,
    state: Mutex<State<P>>,
    /// Ends the waits of the task behind when the connection is closed.
    pub(crate) closing: Notify,
    /// Whether runtimes come and go so fast that callers in others are left without an answer.
    deserted: AtomicBool,
}

struct State<P: Protocol> {
    phase: Phase,
    /// Which task serves the connection. An older one that is polled again ends.
    generation: u64,
    outbox: Outbox<P>,
    /// Requests that the driver has taken and that are not answered yet.
    in_flight: usize,
    /// Wakes the driver when it sleeps.
    driver: Option<Waker>,
    task: Option<JoinHandle<()>>,
    /// The runtime that the task is on.
    runtime: Option<Id>,
    /// Since when the task has something to do that it has not begun.
    due: Option<Instant>,
    give_up: Option<Failure>,
    opened: Instant,
    /// How many runtimes in a row have ended while callers waited.
    desertions: u32,
}

impl<P: Protocol> Shared<P> {
    pub(crate) fn new(name: String, limits: Limits) -> Self {
        let state = State {
            phase: Phase::Idle,
            generation: 0,
            outbox: Outbox::default(),
            in_flight: 0,
            driver: None,
            task: None,
            runtime: None,
            due: None,
            give_up: None,
            opened: Instant::now(),
            desertions: 0,
        };
        let deserted = AtomicBool::new(false);
        Self { name, limits, state: Mutex::new(state), closing: Notify::new(), deserted }
    }

    /// Whether a caller should not rely on whoever serves this connection: short runtimes follow each other, and the one that
    /// begins next may end before anybody else is answered, again and again.
    pub(crate) fn is_deserted(&self) -> bool {
        self.deserted.load(Relaxed) && {
            let state = self.lock();
            let is_served = matches!(state.phase, Phase::Opening | Phase::Open);
            // What has served for a while is relied on again.
            let stays = matches!(state.phase, Phase::Open) && state.opened.elapsed() > STAYS;
            if stays {
                self.deserted.store(false, Relaxed);
            }
            is_served && !stays && state.runtime != Handle::try_current().ok().map(|runtime| runtime.id())
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `count` requests into the outbox.
    pub(crate) fn submit(&self, count: usize, fill: impl FnOnce(&mut Outbox<P>)) -> Result<Wake, Failure> {
        let mut state = self.lock();
        let starts = match &state.phase {
            Phase::Opening | Phase::Open => {
                // Not every one asks the clock: what waits beside others has somebody before it who did.
                let asks = state.outbox.requests() < 2 || state.outbox.requests().is_multiple_of(16);
                asks && self.is_stuck(&state)
            }
            Phase::Down(_) if self.is_stuck(&state) => true,
            Phase::Down(failure) => {
                return Err(failure.caused(format!("there is no connection to {}", self.name)));
            }
            Phase::Closed => return Err(closed()),
            Phase::Idle => true,
        };
        let waiting = state.outbox.requests() + state.in_flight;
        if waiting + count > self.limits.max_in_flight && waiting > 0 && !starts {
            return Err(busy(format!(
                "{waiting} requests are waiting for replies from {}, as many as `max_in_flight` allows",
                self.name
            )));
        }
        if state.outbox.bytes() > MAX_WAITING_BYTES {
            return Err(busy(format!(
                "{} bytes are waiting to be sent to {}, more than are kept",
                state.outbox.bytes(),
                self.name
            )));
        }
        fill(&mut state.outbox);
        if starts {
            state.phase = Phase::Opening;
            state.generation += 1;
            state.in_flight = 0;
            state.due = Some(Instant::now());
            // Woken, the one that is replaced sees that it is, if it can be polled at all.
            if let Some(replaced) = state.driver.take() {
                replaced.wake();
            }
            return Ok(Wake::Start(state.generation));
        }
        if state.due.is_none() {
            state.due = Some(Instant::now());
        }
        Ok(state.driver.take().map_or(Wake::Nobody, Wake::Driver))
    }

    /// Whether the task behind should have moved long ago.
    fn is_stuck(&self, state: &State<P>) -> bool {
        let patience = match state.phase {
            Phase::Opening | Phase::Down(_) => self.limits.connect_timeout + STUCK,
            _ => STUCK,
        };
        // A caller on the same runtime proves that somebody drives it: the task is late, and not lost.
        state.due.is_some_and(|due| due.elapsed() > patience)
            && state.runtime != Handle::try_current().ok().map(|runtime| runtime.id())
    }

    pub(crate) fn started(&self, generation: u64, task: JoinHandle<()>, runtime: Id) {
        let mut state = self.lock();
        if state.generation == generation {
            state.task = Some(task);
            state.runtime = Some(runtime);
        }
    }

    /// What the driver does in each of its turns: looks whether there is something to send, and leaves word how to wake it.
    pub(crate) fn turn(
        &self,
        generation: u64,
        in_flight: usize,
        waker: &Waker,
        take: impl FnOnce(&mut Outbox<P>) -> Gathered,
    ) -> (Turn, Gathered) {
        let mut state = self.lock();
        if state.generation != generation {
            return (Turn::Last, Gathered::None);
        }
        state.due = None;
        if let Some(failure) = state.give_up.take() {
            return (Turn::GiveUp(failure), Gathered::None);
        }
        let before = state.outbox.requests();
        let taken = take(&mut state.outbox);
        state.in_flight = in_flight + (before - state.outbox.requests());
        match &mut state.driver {
            // It comes again in any case: nobody has to wake it.
            driver if taken == Gathered::Later => *driver = None,
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        let is_last = matches!(state.phase, Phase::Closed) && state.outbox.requests() == 0;
        (if is_last { Turn::Last } else { Turn::On }, taken)
    }

    /// What a driver says when it ends.
    pub(crate) fn none_in_flight(&self, generation: u64) {
        let mut state = self.lock();
        if state.generation == generation {
            state.in_flight = 0;
            state.driver = None;
            state.due = None;
        }
    }

    /// Has the connection given up, and another one opened: what it answered cannot be trusted. If it is younger than
    /// `older_than`, it stays.
    pub(crate) fn give_up(&self, failure: Failure, older_than: Duration) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) || state.opened.elapsed() < older_than {
            return;
        }
        state.give_up = Some(failure);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Takes no further requests. Returns the task that still answers those that were sent.
    pub(crate) fn close(&self) -> Option<JoinHandle<()>> {
        let mut state = self.lock();
        let was_open = matches!(state.phase, Phase::Open);
        state.phase = Phase::Closed;
        let (driver, task) = (state.driver.take(), state.task.take());
        // Without a driver nobody would answer.
        let unsent = (!was_open).then(|| state.outbox.give_up());
        drop(state);
        if let Some(unsent) = unsent {
            unsent.fail(&closed());
        }
        self.closing.notify_one();
        if let Some(driver) = driver {
            driver.wake();
        }
        task
    }

    /// The connection is open. `false`, here and below, if it was closed or another task serves it: nothing has changed then.
    pub(crate) fn enter_open(&self, generation: u64) -> bool {
        self.enter(generation, |state| {
            state.opened = Instant::now();
            state.give_up = None;
            state.due = None;
            state.phase = Phase::Open;
        })
    }

    /// The connection was lost after it had worked, and is about to be opened again.
    pub(crate) fn enter_opening(&self, generation: u64) -> bool {
        self.enter(generation, |state| {
            state.due = Some(Instant::now());
            state.phase = Phase::Opening;
        })
    }

    /// The server cannot be reached: what waits fails, and what comes fails at once. The next attempt begins after `pause`.
    pub(crate) fn enter_down(&self, generation: u64, failure: Failure, pause: Duration) -> bool {
        let caused = failure.caused(format!("there is no connection to {}", self.name));
        let mut unsent = None;
        let entered = self.enter(generation, |state| {
            state.due = Some(Instant::now() + pause);
            state.phase = Phase::Down(failure);
            unsent = Some(state.outbox.give_up());
        });
        if let Some(unsent) = unsent {
            unsent.fail(&caused);
        }
        entered
    }

    fn enter(&self, generation: u64, change: impl FnOnce(&mut State<P>)) -> bool {
        let mut state = self.lock();
        if state.generation != generation || matches!(state.phase, Phase::Closed) {
            return false;
        }
        change(&mut state);
        true
    }

    /// The task behind has ended, however it did. The next caller may be in another runtime, and starts another one.
    pub(crate) fn abandon(&self, generation: u64) {
        let mut state = self.lock();
        if state.generation != generation {
            return;
        }
        let failure = if matches!(state.phase, Phase::Closed) {
            closed()
        } else {
            let is_waited_for = state.in_flight + state.outbox.requests() > 0;
            state.desertions = if is_waited_for { state.desertions.saturating_add(1) } else { 0 };
            if state.desertions >= DESERTED {
                self.deserted.store(true, Relaxed);
            }
            state.phase = Phase::Idle;
            abandoned().with_fate(Fate::Unsent)
        };
        state.driver = None;
        state.in_flight = 0;
        state.due = None;
        let unsent = state.outbox.give_up();
        drop(state);
        unsent.fail(&failure);
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.lock().phase, Phase::Open)
    }
}

impl<P: Protocol> fmt::Debug for Shared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let phase: &dyn fmt::Debug = match &state.phase {
            Phase::Idle => &"idle",
            Phase::Opening => &"opening",
            Phase::Open => &"open",
            Phase::Down(failure) => failure,
            Phase::Closed => &"closed",
        };
        let in_flight = state.outbox.requests() + state.in_flight;
        f.debug_struct("Connection")
            .field("server", &self.name)
            .field("phase", phase)
            .field("in_flight", &in_flight)
            .finish_non_exhaustive()
    }
}

pub(crate) fn closed() -> Failure {
    Failure::new(ErrorKind::Closed, "the store was closed")
}

pub(crate) fn abandoned() -> Failure {
    Failure::unavailable("the runtime that served the connection has ended").with_fate(Fate::Abandoned)
}

fn busy(message: String) -> Failure {
    Failure::new(ErrorKind::Busy, message).with_origin(Origin::Here)
}

#[cfg(all(test, larder_loom))]
mod models;
