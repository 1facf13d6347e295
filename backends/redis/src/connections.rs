//! The connections to one server, and how a call goes over one of them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use larder_core::{Error, ErrorKind, Result, error::Operation, key::StoreKey};
use larder_net::{Connection, Failure, Limits, Pace, Repeat, again};
use tokio::time::Instant;

use crate::{
    error,
    resp::{Reply, Request},
    server::{RedisServer, STAYS_PRIMARY},
};

/// How many answers in a row that have another key's entry end the connections. One may be an entry that somebody renamed.
const STRANGERS: u32 = 2;

/// The connections to one server: one, unless configured otherwise.
pub(crate) struct Connections {
    all: Box<[Connection<RedisServer>]>,
    next: AtomicUsize,
    limits: Limits,
    /// How many answers in a row had another key's entry.
    strangers: AtomicU32,
}

impl Connections {
    /// Connects to nothing.
    pub(crate) fn new(server: &Arc<RedisServer>, pace: &Arc<Pace>, connections: usize) -> Self {
        let all = (0..connections).map(|_| Connection::with_pace(Arc::clone(server), pace)).collect();
        Self { all, next: AtomicUsize::new(0), limits: server.limits, strangers: AtomicU32::new(0) }
    }

    /// Reads one key, together with others that are read at the same time.
    pub(crate) async fn get(&self, key: &StoreKey<'_>, until: Option<Instant>) -> Result<Reply> {
        let connection = self.reader();
        match again(self.limits, (Repeat::Harmless, until), || connection.read(key).reply()).await {
            // Boxed, since it is rarer than a hit and would make every call's future larger.
            Ok(Reply::NilAmongOthers) => Box::pin(self.get_alone(key, until)).await,
            reply => reply.map_err(|failure| failure.during(Operation::Get)),
        }
    }

    /// Asked alone, the server distinguishes nothing from what is no value.
    async fn get_alone(&self, key: &StoreKey<'_>, until: Option<Instant>) -> Result<Reply> {
        let connection = self.reader();
        let ask = || connection.ask(&Request::Get(*key)).reply();
        let reply = again(self.limits, (Repeat::Harmless, until), ask).await;
        reply.map_err(|failure| failure.during(Operation::Get))
    }

    /// Reads keys in one command: a value for each, or that there is none or no value.
    pub(crate) async fn get_many(&self, keys: &[StoreKey<'_>], until: Option<Instant>) -> Result<Vec<Reply>> {
        let connection = self.reader();
        let ask = || connection.ask_parts(&Request::GetMany(keys), Some(keys.len())).whole();
        let replies = again(self.limits, (Repeat::Harmless, until), ask).await;
        replies.map_err(|failure| failure.during(Operation::Get))
    }

    /// Makes requests that change nothing in one go: one reply each.
    pub(crate) async fn read_all<'a, I>(
        &self,
        until: Option<Instant>,
        requests: impl Fn() -> I,
    ) -> Result<Vec<Reply>>
    where
        I: ExactSizeIterator<Item = Request<'a>>,
    {
        let connection = self.reader();
        let ask = || connection.ask_many(requests()).whole();
        let replies = again(self.limits, (Repeat::Harmless, until), ask).await;
        replies.map_err(|failure| failure.during(Operation::Get))
    }

    /// Removes what must not stay, whoever wrote it, as [`write`](Self::write) does, but as insistently as a read: a
    /// server that has just refused a value for its size may be about to hang up.
    pub(crate) async fn remove(&self, key: &StoreKey<'_>, until: Option<Instant>) -> Result<Reply> {
        let ask = || self.first().ask(&Request::Delete(*key)).reply();
        let reply = again(self.limits, (Repeat::Harmless, until), ask).await;
        reply.map_err(|failure| failure.during(Operation::Delete))
    }

    /// Makes a request that changes something: once, whatever happens. It may have been done although no reply came, and
    /// somebody else may have written since.
    ///
    /// All of them go over the first connection: what was given up while it was being sent must not arrive after what
    /// came later, or a load would bring back what was removed since.
    pub(crate) async fn write(
        &self,
        operation: Operation,
        request: &Request<'_>,
        until: Option<Instant>,
    ) -> Result<Reply> {
        let reply = again(self.limits, (Repeat::Never, until), || self.first().ask(request).reply()).await;
        reply.map_err(|failure| failure.during(operation))
    }

    /// Makes several requests that change something in one go: one reply each.
    pub(crate) async fn write_all<'a, I>(
        &self,
        operation: Operation,
        until: Option<Instant>,
        requests: impl Fn() -> I,
    ) -> Result<Vec<Reply>>
    where
        I: ExactSizeIterator<Item = Request<'a>>,
    {
        let ask = || self.first().ask_many(requests()).whole();
        let replies = again(self.limits, (Repeat::Never, until), ask).await;
        replies.map_err(|failure| failure.during(operation))
    }

    /// An answer was this key's own, or another's. The latter is a miss; twice in a row, no connection is trusted any more.
    pub(crate) fn recognized(&self, is_own: bool) {
        if !is_own {
            if self.strangers.fetch_add(1, Ordering::Relaxed) + 1 >= STRANGERS {
                self.strangers.store(0, Ordering::Relaxed);
                let why = Failure::protocol("two replies in a row held entries of other keys");
                self.each(|connection| connection.give_up(why.clone()));
            }
        } else if self.strangers.load(Ordering::Relaxed) > 0 {
            self.strangers.store(0, Ordering::Relaxed);
        }
    }

    /// A reply made no sense. No connection is trusted any more, and the caller receives this error.
    pub(crate) fn nonsense(&self, operation: Operation) -> Error {
        let error = error::nonsense(operation);
        self.each(|connection| connection.give_up(Failure::from_error(&error)));
        error
    }

    /// The server said that it is a replica. If it has been so for a while, its name may mean another server by now.
    pub(crate) fn doubt_primary(&self) {
        let why = Failure::new(ErrorKind::ReadOnly, "the server is a replica; looking for the primary");
        self.each(|connection| connection.give_up_if_older(why.clone(), STAYS_PRIMARY));
    }

    /// Ends all connections for good, when they have answered what was asked.
    pub(crate) async fn close(&self) {
        for connection in &self.all {
            connection.close().await;
        }
    }

    fn each(&self, act: impl Fn(&Connection<RedisServer>)) {
        self.all.iter().for_each(act);
    }

    fn first(&self) -> &Connection<RedisServer> {
        // The configuration allows one connection or more.
        &self.all[0]
    }

    /// The next connection in turn, or another one that is open while that one is not.
    fn reader(&self) -> &Connection<RedisServer> {
        if let [only] = &*self.all {
            return only;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.all.len();
        let next = &self.all[turn];
        if next.is_open() {
            return next;
        }
        next.begin();
        self.all.iter().find(|connection| connection.is_open()).unwrap_or(next)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}
