//! One connection to one server, as callers see it: requests go in, replies come out. A task in the background opens the
//! socket, serves it, and opens it again when it was lost, so that no caller ever connects.

use std::{fmt, sync::Arc, time::Duration};

use larder_core::ErrorKind;
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    failure::Failure,
    line::Replies,
    outbox::Outbox,
    pace::Pace,
    phase::Wake,
    protocol::{Collects, Protocol},
    server::Server,
    shared::{Shared, abandoned},
    supervisor,
};

/// A connection, whatever state it is in. It connects to nothing until the first request, and is opened again whenever it
/// ends. Dropping it ends it once what was asked has been answered.
///
/// # Cancellation safety
/// A request is on its way when the call that makes it returns a future. Dropping that future leaves the reply to be read and
/// discarded in its place; no other request receives it.
pub struct Connection<S: Server> {
    server: Arc<S>,
    shared: Arc<Shared<S::Protocol>>,
    pace: Arc<Pace>,
}

type Reply<S> = <<S as Server>::Protocol as Protocol>::Reply;
type Request<'a, S> = <<S as Server>::Protocol as Protocol>::Request<'a>;

impl<S: Server> Connection<S> {
    /// A connection of a store that has no other. Connects to nothing.
    pub fn new(server: Arc<S>) -> Self {
        Self::with_pace(server, &Arc::new(Pace::new(1)))
    }

    /// One of several connections of a store, which share a pace. Connects to nothing.
    pub fn with_pace(server: Arc<S>, pace: &Arc<Pace>) -> Self {
        let shared = Shared::new(server.name(), server.limits());
        Self { server, shared: Arc::new(shared), pace: Arc::clone(pace) }
    }

    /// The server.
    pub fn server(&self) -> &Arc<S> {
        &self.server
    }

    /// Whether it is open at the moment.
    pub fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// Asks one thing.
    pub fn ask(&self, request: &Request<'_, S>) -> Asked<Result<Reply<S>, Failure>> {
        let (to, from) = oneshot::channel();
        self.submit(1, |outbox| outbox.push(request, to)).then(from)
    }

    /// Asks for the value of one key. Reads that wait at the same time leave as one request; one that waits alone leaves at
    /// once, alone.
    pub fn read(&self, key: &<S::Protocol as Collects>::Key<'_>) -> Asked<Result<Reply<S>, Failure>>
    where
        S::Protocol: Collects,
    {
        let (to, from) = oneshot::channel();
        self.submit(1, |outbox| outbox.push_read(key, to)).then(from)
    }

    /// Asks one thing whose reply has parts: `wanted` of them, if that is known. An error in their place is the only one.
    pub fn ask_parts(&self, request: &Request<'_, S>, wanted: Option<usize>) -> Asked<Replies<Reply<S>>> {
        let (to, from) = oneshot::channel();
        self.submit(1, |outbox| outbox.push_parts(request, wanted, to)).then(from)
    }

    /// Asks several things in one go. The replies are in the order of the requests.
    pub fn ask_many<'a>(
        &self,
        requests: impl IntoIterator<Item = Request<'a, S>, IntoIter: ExactSizeIterator>,
    ) -> Asked<Replies<Reply<S>>> {
        let requests = requests.into_iter();
        let (to, from) = oneshot::channel();
        if requests.len() == 0 {
            let _ = to.send(Replies { replies: Vec::new(), failure: None });
            return Submitted::HERE.then(from);
        }
        self.submit(requests.len(), |outbox| outbox.push_many(requests, to)).then(from)
    }

    /// Begins to open the connection if nobody has, for those who come later.
    pub fn begin(&self) {
        // The one error there may be is returned to those who ask.
        let _ = self.put(0, |_| ());
    }

    fn submit(&self, count: usize, fill: impl FnOnce(&mut Outbox<S::Protocol>)) -> Submitted {
        if count > 0 && self.shared.is_deserted() {
            // A connection for this request alone, served by the caller's own runtime.
            let lone = Self::with_pace(Arc::clone(&self.server), &self.pace);
            return match lone.put(count, fill) {
                Ok(()) => Submitted(Ok(Some(Lone { _connection: Box::new(lone) }))),
                Err(failure) => Submitted(Err(failure)),
            };
        }
        Submitted(self.put(count, fill).map(|()| None))
    }

    fn put(&self, count: usize, fill: impl FnOnce(&mut Outbox<S::Protocol>)) -> Result<(), Failure> {
        match self.shared.submit(count, fill)? {
            Wake::Nobody => Ok(()),
            Wake::Driver(driver) => {
                driver.wake();
                Ok(())
            }
            Wake::Start(generation) => self.start(generation),
        }
    }

    fn start(&self, generation: u64) -> Result<(), Failure> {
        let Ok(runtime) = Handle::try_current() else {
            self.shared.abandon(generation);
            let message = "a store on the network can be used only inside a Tokio runtime";
            return Err(Failure::new(ErrorKind::NoRuntime, message));
        };
        let task = runtime.spawn(supervisor::run(
            Arc::clone(&self.server),
            Arc::clone(&self.shared),
            Arc::clone(&self.pace),
            generation,
        ));
        self.shared.started(generation, task, runtime.id());
        Ok(())
    }

    /// Has the connection given up, and another one opened: what it answered cannot be trusted.
    pub fn give_up(&self, why: Failure) {
        self.shared.give_up(why, Duration::ZERO);
    }

    /// The same, unless it was opened less than this long ago.
    pub fn give_up_if_older(&self, why: Failure, age: Duration) {
        self.shared.give_up(why, age);
    }

    /// Takes no further requests. What was asked is still answered, or given up after the server was silent for too long;
    /// the future waits for that.
    pub async fn close(&self) {
        if let Some(task) = self.shared.close() {
            // It was not aborted, and if it panicked it is over as well.
            let _ = task.await;
        }
    }
}

impl<S: Server> Drop for Connection<S> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<S: Server> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// Whether a request is on its way, and what has to live until it is answered.
struct Submitted(Result<Option<Lone>, Failure>);

impl Submitted {
    const HERE: Self = Self(Ok(None));

    fn then<T>(self, from: oneshot::Receiver<T>) -> Asked<T> {
        Asked(self.0.map(|lone| (from, lone)))
    }
}

/// A connection for one request, which ends with it.
struct Lone {
    _connection: Box<dyn Send + Sync>,
}

impl fmt::Debug for Lone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lone")
    }
}

/// Something that was asked, or why it could not be.
#[must_use]
#[derive(Debug)]
pub struct Asked<T>(Result<(oneshot::Receiver<T>, Option<Lone>), Failure>);

impl<R> Asked<Result<R, Failure>> {
    /// The reply.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn reply(self) -> Result<R, Failure> {
        let (from, _lone) = self.0?;
        from.await.unwrap_or_else(|_| Err(abandoned()))
    }
}

impl<R> Asked<Replies<R>> {
    /// The replies, or as many as there were.
    pub async fn replies(self) -> Replies<R> {
        let failure = match self.0 {
            Ok((from, _lone)) => match from.await {
                Ok(replies) => return replies,
                Err(_) => abandoned(),
            },
            Err(failure) => failure,
        };
        Replies { replies: Vec::new(), failure: Some(failure) }
    }

    /// All replies.
    ///
    /// # Errors
    /// Why some are missing.
    pub async fn whole(self) -> Result<Vec<R>, Failure> {
        let Replies { replies, failure } = self.replies().await;
        match failure {
            None => Ok(replies),
            Some(failure) => Err(failure),
        }
    }
}
