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
    Backend, Error, ErrorKind, Miss, Result, Ttl,
    backend::{Capabilities, Condition, Lookup, SetItem, SetOptions},
    entry::{Entry, Lifetime},
    envelope::{self, Envelope},
    error::Operation,
    key::StoreKey,
    miss::Undecodable,
};
use redis::Value;

use crate::{
    commands::{self, Named},
    config::{RedisConfig, Settings},
    connection::Connections,
    error,
    scripts::{self, Lua},
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
/// Give it a [`Deadline`](larder_core::layer::Deadline): by itself it waits for a reply as long as
/// [`response_timeout`](RedisConfig::response_timeout) allows.
pub struct RedisBackend {
    pub(crate) settings: Arc<Settings>,
    pub(crate) connections: Connections,
    /// The largest entry that is sent. The server hangs up on one that is too large for it, on all who use the
    /// connection: no entry of that size is tried again.
    largest: AtomicU64,
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
        Ok(Self { settings, connections, largest })
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

    /// Whether a `SET` or a script has written.
    pub(crate) fn written(&self, operation: Operation, reply: Value) -> Result<bool> {
        match reply {
            Value::Okay | Value::Int(1) => Ok(true),
            Value::Nil | Value::Int(0) => Ok(false),
            other => Err(self.unexpected(operation, other)),
        }
    }

    /// Whether an `UNLINK` has removed something.
    pub(crate) fn removed(&self, reply: Value) -> Result<bool> {
        self.written(Operation::Delete, reply)
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

    /// Runs a script, sending it as a whole if the server does not know it.
    pub(crate) async fn run(
        &self,
        operation: Operation,
        script: &'static Lua,
        command: impl Fn(Named) -> redis::Cmd + Send,
    ) -> Result<bool> {
        let known = command(Named::Hash(script));
        let mut reply = self.connections.write(operation, &known).await?;
        if error::is_unknown_script(&reply) {
            let unknown = command(Named::Whole(script));
            reply = self.connections.write(operation, &unknown).await?;
        }
        self.written(operation, reply)
    }

    /// A value that is too large replaces nothing, and what it was to replace would be a lie. A condition that
    /// was not met, or not even checked, leaves it.
    pub(crate) async fn drop_replaced(&self, key: &StoreKey<'_>, options: &SetOptions, why: Error) -> Error {
        if why.kind() == ErrorKind::TooLarge
            && options.condition == Condition::Always
            && let Err(error) = self.delete(key).await
        {
            return error;
        }
        why
    }

    /// Writes an envelope that fits.
    pub(crate) async fn write(
        &self,
        key: &StoreKey<'_>,
        envelope: &Envelope,
        options: &SetOptions,
    ) -> Result<bool> {
        let written = if let Condition::Unchanged(token) = options.condition {
            let command = |script| commands::replace(script, key, envelope, options.ttl, token);
            self.run(Operation::Set, &scripts::REPLACE, command).await
        } else {
            let command = commands::set(key, envelope, options);
            let reply = self.connections.write(Operation::Set, &command).await?;
            self.written(Operation::Set, reply)
        };
        match written {
            Err(why) if why.kind() == ErrorKind::TooLarge => {
                self.largest.fetch_min(envelope.len() as u64 - 1, Ordering::Relaxed);
                Err(self.drop_replaced(key, options, why).await)
            }
            written => written,
        }
    }
}

/// Refuses a condition that a later version of the core may have.
pub(crate) fn known(condition: Condition) -> Result<()> {
    match condition {
        Condition::Always | Condition::Absent | Condition::Present | Condition::Unchanged(_) => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            Operation::Set,
            "a Redis store cannot check the condition",
        )),
    }
}

#[async_trait]
impl Backend for RedisBackend {
    fn capabilities(&self) -> Capabilities {
        // `shared` says the rest: milliseconds, atomic adds, compare-and-set.
        Capabilities::shared().with_max_value(Some(self.settings.max_value))
    }

    async fn get(&self, key: &StoreKey<'_>) -> Result<Lookup> {
        let reply = self.connections.read(Operation::Get, &commands::get(key)).await?;
        self.lookup(key, reply)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<bool> {
        known(options.condition)?;
        let envelope = Envelope::write(key, entry).await?;
        match self.fits(&envelope) {
            Ok(()) => self.write(key, &envelope, options).await,
            Err(why) => Err(self.drop_replaced(key, options, why).await),
        }
    }

    async fn touch(&self, key: &StoreKey<'_>, lifetime: Lifetime, ttl: Ttl) -> Result<bool> {
        let block = envelope::lifetime_block(key, lifetime);
        let command = |script| commands::touch(script, key, &block, ttl);
        self.run(Operation::Touch, &scripts::TOUCH, command).await
    }

    async fn delete(&self, key: &StoreKey<'_>) -> Result<bool> {
        let reply = self.connections.write(Operation::Delete, &commands::delete(key)).await?;
        self.removed(reply)
    }

    async fn close(&self) -> Result<()> {
        self.connections.close();
        Ok(())
    }

    async fn get_many(&self, keys: &[StoreKey<'_>]) -> Vec<Result<Lookup>> {
        self.look_up_all(keys).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<bool>> {
        self.write_all(items).await
    }

    async fn delete_many(&self, keys: &[StoreKey<'_>]) -> Vec<Result<bool>> {
        self.remove_all(keys).await
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
