//! The [`Backend`] on Redis.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use larder_core::{
    Backend, Error, ErrorKind, Miss, Result,
    backend::{
        Capabilities, Condition, CounterEnds, Counters, DeleteItem, DeleteOptions, GetOptions, Lookup,
        SetItem, SetOptions, TouchItem, TouchOptions, Written,
    },
    entry::{Entry, Token},
    envelope::{self, Envelope},
    error::Operation,
    key::StoreKey,
    miss::Undecodable,
};
use redis::{Cmd, Value};

use crate::{
    commands::{self, Name},
    config::{RedisConfig, Settings},
    connection::Connections,
    error,
    scripted::Scripting,
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
    pub(crate) settings: Arc<Settings>,
    pub(crate) connections: Connections,
    /// The largest entry that is sent. The server hangs up on one that is too large for it, on all who use the
    /// connection: no entry of that size is tried again.
    largest: AtomicU64,
    pub(crate) scripting: Scripting,
}

impl RedisBackend {
    /// A store with these settings. Connects to nothing; reads the files they name.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the name of the setting that is wrong.
    pub fn new(config: RedisConfig) -> Result<Self> {
        let settings = Arc::new(config.check()?);
        let connections = Connections::new(&settings);
        let largest = AtomicU64::new(settings.max_value);
        Ok(Self { settings, connections, largest, scripting: Scripting::new() })
    }

    /// Checks that the store can take the entry at all.
    pub(crate) fn fits(&self, envelope: &Envelope) -> Result<()> {
        let (len, limit) = (envelope.len() as u64, self.largest.load(Ordering::Relaxed));
        if len > limit { Err(error::too_large(Operation::Set, len, limit)) } else { Ok(()) }
    }

    /// What a reply to `GET`, or one of those to `MGET`, says about this key.
    pub(crate) fn lookup(&self, key: &StoreKey<'_>, reply: Value) -> Result<Lookup> {
        match reply {
            // The vector becomes the entry's body as it is.
            Value::BulkString(bytes) => Ok(envelope::read(key, &Bytes::from(bytes)).into()),
            Value::Nil => Ok(Lookup::Miss(Miss::Absent)),
            Value::ServerError(error) if error::is_wrong_type(&error) => {
                Ok(Lookup::Miss(Undecodable::Foreign.into()))
            }
            other => Err(self.unexpected(Operation::Get, other)),
        }
    }

    /// Whether a `SET`, an `UNLINK` or a script has changed something.
    pub(crate) fn done(&self, operation: Operation, reply: Value) -> Result<bool> {
        match reply {
            Value::Okay | Value::Int(1) => Ok(true),
            Value::Nil | Value::Int(0) => Ok(false),
            other => Err(self.unexpected(operation, other)),
        }
    }

    /// The error of a reply that is none of those the command has.
    pub(crate) fn unexpected(&self, operation: Operation, reply: Value) -> Error {
        let Value::ServerError(refusal) = reply else { return self.connections.nonsense(operation) };
        let error = error::refusal(operation, &refusal);
        if refusal.code() == "READONLY" {
            self.connections.doubt_primary();
        }
        error
    }

    /// A value that is too large replaces nothing, and what it was to replace would be a lie. A condition that
    /// was not met, or not even checked, leaves it.
    pub(crate) async fn drop_replaced(&self, key: &StoreKey<'_>, options: &SetOptions, why: Error) -> Error {
        if why.kind() != ErrorKind::TooLarge || options.condition != Condition::Always {
            return why;
        }
        let removed = self.connections.remove(Operation::Delete, &commands::delete(key)).await;
        removed.and_then(|reply| self.done(Operation::Delete, reply)).err().unwrap_or(why)
    }

    /// Writes an envelope that fits.
    pub(crate) async fn write(
        &self,
        key: &StoreKey<'_>,
        envelope: &Envelope,
        options: &SetOptions,
    ) -> Result<bool> {
        let written = if let Condition::Unchanged(token) = options.condition {
            self.run(Operation::Set, |name| commands::replace(name, key, envelope, options.ttl, token)).await
        } else {
            self.connections.write(Operation::Set, &commands::set(key, envelope, options)).await
        };
        match written.and_then(|reply| self.done(Operation::Set, reply)) {
            Err(why) if why.kind() == ErrorKind::TooLarge => {
                self.largest.fetch_min(envelope.len() as u64 - 1, Ordering::Relaxed);
                Err(self.drop_replaced(key, options, why).await)
            }
            written => written,
        }
    }
}

/// Refuses a condition that a later version of the core may have.
pub(crate) fn known(condition: Condition, operation: Operation) -> Result<()> {
    match condition {
        Condition::Always | Condition::Absent | Condition::Present | Condition::Unchanged(_) => Ok(()),
        _ => Err(Error::new(ErrorKind::Unsupported, operation, "a Redis store cannot check the condition")),
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

/// Removes an entry under a condition.
pub(crate) fn removal(key: &StoreKey<'_>, token: Option<Token>, name: Name) -> Cmd {
    match token {
        Some(token) => commands::remove(name, key, token),
        None => commands::delete(key),
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
        Capabilities::shared()
            .with_max_value(Some(self.settings.max_value))
            .with_counter_ends(CounterEnds::Refuse)
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        let reply = self.connections.read(Operation::Get, &commands::get(key)).await?;
        self.lookup(key, reply)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        known(options.condition, Operation::Set)?;
        let envelope = Envelope::write(key, entry).await?;
        let written = match self.fits(&envelope) {
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
        let reply = self.run(Operation::Touch, |name| touching(key, options, token, name)).await?;
        self.done(Operation::Touch, reply)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        match Meant::by(options.condition, Operation::Delete)? {
            Meant::Any => {
                let reply = self.connections.write(Operation::Delete, &commands::delete(key)).await?;
                self.done(Operation::Delete, reply)
            }
            Meant::This(token) => {
                let reply = self.run(Operation::Delete, |name| removal(key, Some(token), name)).await?;
                self.done(Operation::Delete, reply)
            }
            Meant::None => Ok(false),
        }
    }

    async fn close(&self) -> Result<()> {
        self.connections.close();
        Ok(())
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], _: &GetOptions) -> Vec<Result<Lookup>> {
        self.look_up_all(keys).await
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
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend")
            .field("server", &format_args!("{}", self.settings.address))
            .field("database", &self.settings.database)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
