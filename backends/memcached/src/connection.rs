//! One connection to one server, as callers see it: requests go in, replies come out. Behind it a task opens
//! the socket, serves it, and opens it again when it was lost, so that no caller ever connects.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use larder_core::ErrorKind;
use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    backoff::Backoff,
    driver::{self, End},
    error::Failure,
    handshake,
    outbox::{Outbox, Replies},
    protocol::{Reply, Request},
    server::Server,
    stream::Opener,
};

/// The most bytes that wait to be sent on a connection. One request may be larger, if nothing else waits.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// A connection, whatever state it is in.
///
/// Dropping it ends it once what was asked has been answered.
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

/// What callers and the task behind the connection share.
pub(crate) struct Shared {
    pub(crate) server: Arc<Server>,
    state: Mutex<State>,
    /// Requests that the driver has taken and that are not answered yet.
    in_flight: AtomicUsize,
    /// Ends the waits of the task behind when the connection is closed.
    closing: Notify,
}

struct State {
    phase: Phase,
    outbox: Outbox,
    /// Wakes the driver when it sleeps.
    driver: Option<Waker>,
    task: Option<JoinHandle<()>>,
}

enum Phase {
    /// Nobody has asked for anything yet, or the runtime that served the connection is gone.
    Idle,
    /// Being opened, for the first time or just after it was lost: requests wait for it.
    Opening,
    /// Serving.
    Open,
    /// The server could not be reached. Requests fail at once, and attempts go on behind.
    Down(Failure),
    /// Closed by its owner.
    Closed,
}

impl Connection {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        let state = State { phase: Phase::Idle, outbox: Outbox::default(), driver: None, task: None };
        let shared = Shared {
            server,
            state: Mutex::new(state),
            in_flight: AtomicUsize::new(0),
            closing: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Asks one thing. The request is on its way when this returns; what it gives only waits for the reply, and
    /// may be dropped.
    pub(crate) fn ask(&self, request: &Request<'_>) -> Asked<Result<Reply, Failure>> {
        let (to, from) = oneshot::channel();
        Asked(self.submit(1, |outbox| outbox.push(request, to)).map(|()| from))
    }

    /// Asks several things at once, `count` of them and at least one. The replies are in the order of the
    /// requests.
    pub(crate) fn ask_many<'a>(
        &self,
        count: usize,
        requests: impl IntoIterator<Item = Request<'a>>,
    ) -> Asked<Replies> {
        let (to, from) = oneshot::channel();
        Asked(self.submit(count, |outbox| outbox.push_many(requests, to)).map(|()| from))
    }

    fn submit(&self, count: usize, fill: impl FnOnce(&mut Outbox)) -> Result<(), Failure> {
        let shared = &self.shared;
        let mut state = shared.lock();
        match &state.phase {
            Phase::Opening | Phase::Open => {}
            Phase::Down(failure) => return Err(failure.clone()),
            Phase::Closed => return Err(closed()),
            Phase::Idle => {
                let Ok(runtime) = Handle::try_current() else {
                    let message = "a memcached store can only be used inside a Tokio runtime";
                    return Err(Failure::new(ErrorKind::NoRuntime, message));
                };
                state.phase = Phase::Opening;
                state.task = Some(runtime.spawn(run(Arc::clone(shared))));
            }
        }
        let waiting = state.outbox.requests() + shared.in_flight.load(Ordering::Relaxed);
        if waiting + count > shared.server.settings.max_in_flight && waiting > 0 {
            return Err(busy(format!("{waiting} requests wait for replies of {}", shared.server)));
        }
        if state.outbox.bytes() > MAX_WAITING_BYTES {
            return Err(busy(format!("{} bytes wait to be sent to {}", state.outbox.bytes(), shared.server)));
        }
        fill(&mut state.outbox);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Ok(())
    }

    /// Takes no further requests. What was asked is still answered, or given up after the server was silent
    /// for too long; the future waits for that.
    pub(crate) async fn close(&self) {
        let task = self.shared.close();
        if let Some(task) = task {
            // It was not aborted, and if it panicked it is over as well.
            let _ = task.await;
        }
    }
}

/// Something that was asked, or why it could not be.
#[must_use]
pub(crate) struct Asked<T>(Result<oneshot::Receiver<T>, Failure>);

impl Asked<Result<Reply, Failure>> {
    pub(crate) async fn reply(self) -> Result<Reply, Failure> {
        self.0?.await.unwrap_or_else(|_| Err(abandoned()))
    }
}

impl Asked<Replies> {
    pub(crate) async fn replies(self) -> Replies {
        let failure = match self.0 {
            Ok(from) => match from.await {
                Ok(replies) => return replies,
                Err(_) => abandoned(),
            },
            Err(failure) => failure,
        };
        Replies { replies: Vec::new(), failure: Some(failure) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        let phase: &dyn fmt::Debug = match &state.phase {
            Phase::Idle => &"idle",
            Phase::Opening => &"opening",
            Phase::Open => &"open",
            Phase::Down(failure) => failure,
            Phase::Closed => &"closed",
        };
        let in_flight = state.outbox.requests() + self.shared.in_flight.load(Ordering::Relaxed);
        f.debug_struct("Connection")
            .field("phase", phase)
            .field("in_flight", &in_flight)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the driver does in each of its turns: looks whether there is something to send, and leaves word
    /// how to wake it.
    pub(crate) fn turn<T>(
        &self,
        in_flight: usize,
        waker: &Waker,
        take: impl FnOnce(&mut Outbox) -> T,
    ) -> (T, bool) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
        let mut state = self.lock();
        let taken = take(&mut state.outbox);
        match &mut state.driver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        (taken, matches!(state.phase, Phase::Closed))
    }

    /// What the driver says when it ends.
    pub(crate) fn none_in_flight(&self) {
        self.in_flight.store(0, Ordering::Relaxed);
    }

    fn close(&self) -> Option<JoinHandle<()>> {
        let mut state = self.lock();
        let was_open = matches!(state.phase, Phase::Open);
        state.phase = Phase::Closed;
        let driver = state.driver.take();
        let task = state.task.take();
        // Without a driver nobody would answer.
        let waiting = if was_open { Vec::new() } else { state.outbox.give_up() };
        drop(state);
        waiting.into_iter().for_each(|waiting| waiting.fail(&closed()));
        self.closing.notify_one();
        if let Some(driver) = driver {
            driver.wake();
        }
        task
    }

    /// Goes to another phase, unless the connection was closed: `false` then.
    fn enter(&self, phase: Phase) -> bool {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Closed) {
            return false;
        }
        let waiting = match &phase {
            Phase::Down(_) => state.outbox.give_up(),
            _ => Vec::new(),
        };
        let failure = if let Phase::Down(failure) = &phase { Some(failure.clone()) } else { None };
        state.phase = phase;
        drop(state);
        if let Some(failure) = failure {
            waiting.into_iter().for_each(|waiting| waiting.fail(&failure));
        }
        true
    }
}

/// Opens the connection, serves it, and begins anew when it is lost.
async fn run(shared: Arc<Shared>) {
    let abandoned = Abandoned(Arc::clone(&shared));
    let mut opener = Opener::new();
    let mut backoff = Backoff::new();
    let mut was_down = false;
    loop {
        let failure = match until_closed(&shared, open(&shared, &mut opener)).await {
            None => break,
            Some(Err(failure)) => failure,
            Some(Ok(session)) => {
                if !shared.enter(Phase::Open) {
                    break;
                }
                if was_down {
                    tracing::info!(server = %shared.server, "memcached is there again");
                    was_down = false;
                }
                match driver::drive(&shared, session).await {
                    End::Closed => break,
                    End::Lost { failure, answered } => {
                        tracing::debug!(server = %shared.server, why = failure.message(), "connection lost");
                        if answered {
                            // It worked until now: the next attempt may be waited for.
                            backoff.reset();
                            if shared.enter(Phase::Opening) {
                                continue;
                            }
                            break;
                        }
                        failure
                    }
                }
            }
        };
        if !was_down {
            tracing::warn!(server = %shared.server, why = failure.message(), "memcached cannot be used");
            was_down = true;
        }
        if !shared.enter(Phase::Down(failure)) || until_closed(&shared, sleep(backoff.next())).await.is_none()
        {
            break;
        }
    }
    drop(abandoned);
}

async fn open(shared: &Shared, opener: &mut Opener) -> Result<handshake::Session, Failure> {
    let server = &shared.server;
    let deadline = Instant::now() + server.settings.connect_timeout;
    let stream = opener.open(server, deadline).await.map_err(|failure| failure.at(server))?;
    match timeout_at(deadline, handshake::greet(stream, server)).await {
        Ok(session) => session.map_err(|failure| failure.at(server)),
        Err(_) => Err(Failure::unavailable("the server takes the connection and does not answer").at(server)),
    }
}

/// `None` if the connection is closed first.
async fn until_closed<T>(shared: &Shared, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = shared.closing.notified() => None,
        done = work => Some(done),
    }
}

/// Leaves the connection fit for use when the task behind it ends, however it does: a runtime that shuts down
/// drops its tasks, and the next caller may be in another one.
struct Abandoned(Arc<Shared>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        let shared = &self.0;
        let mut state = shared.lock();
        let failure = if matches!(state.phase, Phase::Closed) {
            closed()
        } else {
            state.phase = Phase::Idle;
            abandoned()
        };
        state.driver = None;
        let waiting = state.outbox.give_up();
        drop(state);
        shared.none_in_flight();
        waiting.into_iter().for_each(|waiting| waiting.fail(&failure));
    }
}

fn closed() -> Failure {
    Failure::new(ErrorKind::Closed, "the store was closed")
}

fn abandoned() -> Failure {
    Failure::unavailable("the runtime that served the connection has ended")
}

fn busy(message: String) -> Failure {
    Failure::new(ErrorKind::Busy, message)
}
