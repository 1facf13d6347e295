//! The [`Backend`] on Redis.

mod bulk;
mod counters;
mod listing;
mod scripted;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use larder_core::{
    Backend, Error, ErrorKind, Miss, Result,
    backend::{
        Bus, Capabilities, Condition, CounterEnds, Counters, DeleteItem, DeleteOptions, GetOptions, Listing,
        Lookup, SetItem, SetOptions, TouchItem, TouchOptions, Written,
    },
    entry::{Entry, Token},
    envelope::{self, Envelope},
    error::Operation,
    key::StoreKey,
    miss::Undecodable,
};
use larder_net::{CredentialsProvider, Pace, on_its_own};
use redis::Cmd;

use self::scripted::Scripting;
use crate::{
    bus::RedisBus,
    commands::{self, Name},
    config::{RedisConfig, Settings},
    connections::Connections,
    error,
    resp::{Reply, Request},
    server::RedisServer,
    sizes::Sizes,
};

/// A store on a Redis or Valkey server.
///
/// Entries are [envelopes](envelope) under the key's text. Lives are kept by the server, to the millisecond.
/// Nothing else is stored, and nothing that others keep in the same database is touched unless it has the key
/// of an entry.
///
/// Constructing connects to nothing and needs no runtime; the first call opens the connection, in a task of the
/// runtime it is called in. From then on the connection is kept open, and opened again whenever it ends, until
/// the store is closed or dropped. While the server cannot be reached, calls fail at once.
///
/// Give it a [`Deadline`](larder_core::layer::Deadline): without one it waits for a reply as long as
/// [`response_timeout`](RedisConfig::response_timeout) allows.
pub struct RedisBackend {
    server: Arc<RedisServer>,
    pub(crate) connections: Connections,
    pub(crate) sizes: Sizes,
    pub(crate) scripting: Scripting,
    bus: RedisBus,
    max_value: u64,
}

impl RedisBackend {
    /// A store with these settings. Connects to nothing; reads the files they name.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the name of the setting that is wrong.
    pub fn new(config: RedisConfig) -> Result<Self> {
        Ok(Self::with(config.check(None)?))
    }

    /// The same, logging in with what `provider` gives for each connection, in place of a user and a password that the
    /// configuration names.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the name of the setting that is wrong; a password beside the provider is.
    pub fn with_credentials(config: RedisConfig, provider: Arc<dyn CredentialsProvider>) -> Result<Self> {
        Ok(Self::with(config.check(Some(provider))?))
    }

    fn with(Settings { server, connections, max_value }: Settings) -> Self {
        let server = Arc::new(server);
        let pace = Arc::new(Pace::new(1));
        let connections = Connections::new(&server, &pace, connections);
        let (sizes, scripting) = (Sizes::new(max_value), Scripting::new());
        let bus = RedisBus::new(&server, &pace);
        Self { server, connections, sizes, scripting, bus, max_value }
    }

    /// What a reply to `GET`, or one of those to `MGET`, says about this key.
    pub(crate) fn lookup(&self, key: &StoreKey<'_>, reply: Reply) -> Result<Lookup> {
        match reply {
            Reply::Value(bytes) => {
                // A program may keep the entry, and with it what it is a part of.
                let lookup = Lookup::from(envelope::read_with(key, &bytes, on_its_own));
                self.connections.recognized(!matches!(lookup, Lookup::Miss(Miss::OtherKey)));
                Ok(lookup)
            }
            Reply::Nil => Ok(Lookup::Miss(Miss::Absent)),
            Reply::Refused(line) if error::is_wrong_type(&line) => {
                Ok(Lookup::Miss(Undecodable::Foreign.into()))
            }
            other => Err(self.unexpected(Operation::Get, &other)),
        }
    }

    /// Whether a `SET`, an `UNLINK` or a script has changed something.
    pub(crate) fn done(&self, operation: Operation, reply: &Reply) -> Result<bool> {
        match reply {
            Reply::Done | Reply::Number(1) => Ok(true),
            Reply::Nil | Reply::Number(0) => Ok(false),
            other => Err(self.unexpected(operation, other)),
        }
    }

    /// The error of a reply that is none of those the command has.
    pub(crate) fn unexpected(&self, operation: Operation, reply: &Reply) -> Error {
        let Reply::Refused(line) = reply else { return self.connections.nonsense(operation) };
        if error::is_replica(line) {
            self.connections.doubt_primary();
        }
        error::refusal(operation, line)
    }

    /// A value that is too large replaces nothing, and what it was to replace would be a lie. A condition that
    /// was not met, or not even checked, leaves it.
    pub(crate) async fn drop_replaced(&self, key: &StoreKey<'_>, options: &SetOptions, why: Error) -> Error {
        if why.kind() != ErrorKind::TooLarge || options.condition != Condition::Always {
            return why;
        }
        let removed = self.connections.remove(key, options.until).await;
        removed.and_then(|reply| self.done(Operation::Delete, &reply)).err().unwrap_or(why)
    }

    /// Writes an envelope that fits.
    pub(crate) async fn write(
        &self,
        key: &StoreKey<'_>,
        envelope: &Envelope,
        options: &SetOptions,
    ) -> Result<bool> {
        let (until, len) = (options.until, envelope.len() as u64);
        let reply = if let Condition::Unchanged(token) = options.condition {
            let command = |name| commands::replace(name, key, envelope, options.ttl, token);
            self.run(Operation::Set, until, command).await
        } else {
            let (ttl, condition) = (options.ttl, options.condition);
            let request = Request::Set { key: *key, envelope, ttl, condition };
            self.connections.write(Operation::Set, &request, until).await
        };
        match reply.and_then(|reply| self.done(Operation::Set, &reply)) {
            Ok(took_place) => {
                self.sizes.taken(len);
                Ok(took_place)
            }
            Err(why) => {
                match why.kind() {
                    ErrorKind::TooLarge => self.sizes.refused(len),
                    ErrorKind::Unavailable => self.sizes.lost(len),
                    _ => {}
                }
                Err(self.drop_replaced(key, options, why).await)
            }
        }
    }
}

/// Refuses a condition that a later version of the core may have.
pub(crate) fn known(condition: Condition, operation: Operation) -> Result<()> {
    match condition {
        Condition::Always | Condition::Absent | Condition::Present | Condition::Unchanged(_) => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            operation,
            "the Redis store does not know this condition; is larder-redis older than larder-core?",
        )),
    }
}

/// Which entry an operation means that changes what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meant {
    Any,
    This(Token),
    /// It is to be absent, and what is absent cannot be changed.
    None,
}

impl Meant {
    pub(crate) fn by(condition: Condition, operation: Operation) -> Result<Self> {
        known(condition, operation)?;
        Ok(match condition {
            Condition::Unchanged(token) => Self::This(token),
            Condition::Absent => Self::None,
            _ => Self::Any,
        })
    }
}

/// Gives an entry another TTL under a condition.
pub(crate) fn touching(key: &StoreKey<'_>, options: &TouchOptions, token: Option<Token>, name: Name) -> Cmd {
    let block = envelope::lifetime_block(key, options.lifetime);
    commands::touch(name, key, &block, options.ttl, token)
}

#[async_trait]
impl Backend for RedisBackend {
    fn capabilities(&self) -> Capabilities {
        // `shared` says the rest: milliseconds, atomic adds, compare-and-set.
        Capabilities::shared().with_max_value(Some(self.max_value)).with_counter_ends(CounterEnds::Refuse)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.bus.begin();
        let reply = self.connections.get(key, options.until).await?;
        self.lookup(key, reply)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.bus.begin();
        known(options.condition, Operation::Set)?;
        let envelope = Envelope::write(key, entry).await?;
        let written = match self.sizes.check(envelope.len() as u64) {
            Ok(()) => self.write(key, &envelope, options).await,
            Err(why) => Err(self.drop_replaced(key, options, why).await),
        };
        written.map(|took_place| Written::when(took_place, entry))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let token = match Meant::by(options.condition, Operation::Touch)? {
            Meant::Any => None,
            Meant::This(token) => Some(token),
            Meant::None => return Ok(false),
        };
        let command = |name| touching(key, options, token, name);
        let reply = self.run(Operation::Touch, options.until, command).await?;
        self.done(Operation::Touch, &reply)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let reply = match Meant::by(options.condition, Operation::Delete)? {
            Meant::Any => {
                self.connections.write(Operation::Delete, &Request::Delete(*key), options.until).await?
            }
            Meant::This(token) => {
                let command = |name| commands::remove(name, key, token);
                self.run(Operation::Delete, options.until, command).await?
            }
            Meant::None => return Ok(false),
        };
        self.done(Operation::Delete, &reply)
    }

    async fn close(&self) -> Result<()> {
        self.bus.close();
        self.connections.close().await;
        Ok(())
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        self.bus.begin();
        self.look_up_all(keys, options.until).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let written = self.write_all(items).await.into_iter().zip(items);
        written.map(|(written, item)| written.map(|it| Written::when(it, &item.entry))).collect()
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        self.touch_all(items).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        self.remove_all(items).await
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }

    fn bus(&self) -> Option<&dyn Bus> {
        Some(&self.bus)
    }

    fn listing(&self) -> Option<&dyn Listing> {
        Some(self)
    }

    async fn about(&self) -> Result<Vec<String>> {
        Ok(self.server_version().await?.into_iter().collect())
    }

    fn advice(&self) -> Vec<String> {
        self.server.noticed.advice().map(str::to_owned).into_iter().chain(self.bus.advice()).collect()
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend")
            .field("server", &self.server.name)
            .field("database", &self.server.database)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
