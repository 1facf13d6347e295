//! One connection: redis-rs's multiplexer on a stream of ours, and what is known about its health.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use larder_core::{Error, ErrorKind, Result, error::Operation};
use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, Value, aio::MultiplexedConnection,
};
use tokio::{
    sync::Notify,
    time::{Duration, Instant, timeout_at},
};

use crate::{
    config::Settings,
    error, handshake,
    stream::{Opener, unavailable},
    watched::Watched,
};

/// How many requests redis-rs takes before the next caller has to wait for it to send some.
const QUEUE: usize = 256;
/// A server that refuses writes for longer than this is looked for anew, by its name: it may have been the
/// primary before.
const STAYS_PRIMARY: Duration = Duration::from_secs(10);

/// The greeting has been done when redis-rs gets the stream: it says nothing of its own.
static GREETED: LazyLock<RedisConnectionInfo> =
    LazyLock::new(|| RedisConnectionInfo::default().set_skip_set_lib_name());

/// What is known about a connection.
#[derive(Debug)]
pub(crate) struct Health {
    begun: AtomicU64,
    ended: AtomicU64,
    max_in_flight: u64,
    silent: AtomicBool,
    opened: Instant,
    given_up: Notify,
}

impl Health {
    /// How many calls have begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether, of the first so many calls, one certainly still waits. Calls that have begun since cannot have
    /// ended in its stead unless they were dropped, which this is not meant to notice.
    pub(crate) fn is_waited_for(&self, begun: u64) -> bool {
        self.ended.load(Ordering::Relaxed) < begun
    }

    /// The server has not answered for too long.
    pub(crate) fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }
}

/// One connection. Cloning shares it; requests of all clones leave as they come and are answered in that order.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    connection: MultiplexedConnection,
    health: Arc<Health>,
}

/// Why a request has no reply.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There are too many requests on the way already; this one was not sent.
    TooMany,
    /// Nothing came for too long, and the connection was given up.
    Silent,
    /// The connection ended. Whether the server has done it is not known.
    Lost(RedisError),
}

impl Failure {
    pub(crate) fn into_error(self, operation: Operation) -> Error {
        match self {
            Self::TooMany => Error::new(
                ErrorKind::Busy,
                operation,
                "as many calls wait for replies as `max_in_flight` allows on one connection",
            ),
            Self::Silent => error::silent(operation),
            Self::Lost(why) => error::no_reply(operation, &why),
        }
    }
}

impl Link {
    /// Opens a connection. The second half has to be polled for as long as it is used, and is done when the
    /// connection has ended.
    pub(crate) async fn open(
        opener: &mut Opener,
        settings: &Settings,
    ) -> Result<(Self, impl Future<Output = ()> + use<>)> {
        let deadline = Instant::now() + settings.connect_timeout;
        let mut stream = opener.open(deadline).await?;
        timeout_at(deadline, handshake::greet(&mut *stream, settings)).await.map_err(|_| {
            unavailable("the server takes connections and does not answer within `connect_timeout`")
        })??;

        let health = Arc::new(Health {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            max_in_flight: settings.max_in_flight as u64,
            silent: AtomicBool::new(false),
            opened: Instant::now(),
            given_up: Notify::new(),
        });
        let stream = Watched::new(stream, Arc::clone(&health), settings.response_timeout);
        let config = AsyncConnectionConfig::new()
            .set_pipeline_buffer_size(QUEUE)
            // `Watched` sees to it for all requests at once; a timer for each would cost more than the rest.
            .set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(&GREETED, stream, config)
            .await
            .map_err(|why| error::no_reply(Operation::Connect, &why))?;
        Ok((Self { connection, health }, driver))
    }

    /// Sends a command and waits for its reply, which may be a refusal.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        let _call = self.begin()?;
        let reply = self.connection.clone().send_packed_command(command).await;
        reply.map_err(|why| self.failure(why))
    }

    /// Sends several commands in one go and waits for all replies, each of which may be a refusal.
    pub(crate) async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let _call = self.begin()?;
        let replies = self.connection.clone().send_packed_commands(commands, 0, commands.len()).await;
        replies.map_err(|why| self.failure(why))
    }

    /// Ends the connection: what it answered cannot be trusted. Callers who still wait on it get an error.
    pub(crate) fn give_up(&self) {
        self.health.given_up.notify_one();
    }

    /// The server says that it takes no writes. If it has been so for a while, its name may mean another
    /// server by now.
    pub(crate) fn doubt_primary(&self) {
        if self.health.opened.elapsed() > STAYS_PRIMARY {
            self.give_up();
        }
    }

    /// Waits until somebody has given the connection up.
    pub(crate) async fn given_up(&self) {
        self.health.given_up.notified().await;
    }

    /// How long the connection has been there.
    pub(crate) fn age(&self) -> Duration {
        self.health.opened.elapsed()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.health, &other.health)
    }

    fn begin(&self) -> Result<Call<'_>, Failure> {
        let before = self.health.begun.fetch_add(1, Ordering::Relaxed);
        let call = Call(&self.health);
        let in_flight = before.saturating_sub(self.health.ended.load(Ordering::Relaxed));
        if in_flight < self.health.max_in_flight { Ok(call) } else { Err(Failure::TooMany) }
    }

    fn failure(&self, why: RedisError) -> Failure {
        if self.health.silent.load(Ordering::Relaxed) { Failure::Silent } else { Failure::Lost(why) }
    }
}

/// A call that has begun. It ends when the caller has the reply, or has gone without it.
struct Call<'a>(&'a Health);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}
