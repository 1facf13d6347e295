//! Many keys at once: `MGET` for reading, one command each in one go for writing, so that each has its own answer.

use futures_util::{StreamExt as _, stream::FuturesOrdered};
use larder_core::{
    Error, Result,
    backend::{Condition, Lookup, SetItem},
    envelope::Envelope,
    error::Operation,
    key::StoreKey,
};
use redis::{Pipeline, Value};

use crate::{
    backend::{RedisBackend, known},
    commands::{self, Named},
    error, scripts,
};

/// How many keys are read by one command. The server does nothing else meanwhile, and its answer is one piece;
/// `benches/bulk.rs` shows what more or fewer cost.
const READ_AT_ONCE: usize = 256;
/// How many such commands are on the way at the same time.
const READS_AHEAD: usize = 4;
/// How many commands are written in one go.
const WRITE_AT_ONCE: usize = 256;
/// How many bytes of values, about, are written in one go: the buffers in between hold them three times. No
/// server can be set to refuse a value of this size.
const WRITE_BYTES_AT_ONCE: usize = 1024 * 1024;

impl RedisBackend {
    /// Looks keys up, in their order.
    pub(crate) async fn look_up_all(&self, keys: &[StoreKey<'_>]) -> Vec<Result<Lookup>> {
        let mut chunks = keys.chunks(READ_AT_ONCE);
        let mut ahead = FuturesOrdered::new();
        let mut found = Vec::with_capacity(keys.len());
        loop {
            ahead.extend(
                chunks.by_ref().take(READS_AHEAD - ahead.len()).map(|chunk| self.look_up_chunk(chunk)),
            );
            match ahead.next().await {
                Some(chunk) => found.extend(chunk),
                None => return found,
            }
        }
    }

    async fn look_up_chunk(&self, keys: &[StoreKey<'_>]) -> Vec<Result<Lookup>> {
        let reply = match self.connections.read(Operation::Get, &commands::get_many(keys)).await {
            Ok(reply) => reply,
            Err(error) => return fail_all(keys.len(), &error),
        };
        match reply {
            Value::Array(replies) if replies.len() == keys.len() => {
                keys.iter().zip(replies).map(|(key, reply)| self.lookup(key, reply)).collect()
            }
            other => fail_all(keys.len(), &self.unexpected(Operation::Get, other)),
        }
    }

    /// Removes keys: one `UNLINK` each, since one for all would only say how many there were.
    pub(crate) async fn remove_all(&self, keys: &[StoreKey<'_>]) -> Vec<Result<bool>> {
        let mut removed = Vec::with_capacity(keys.len());
        for keys in keys.chunks(WRITE_AT_ONCE) {
            let mut commands = Pipeline::with_capacity(keys.len());
            for key in keys {
                commands.add_command(commands::delete(key));
            }
            match self.send_all(Operation::Delete, &commands).await {
                Ok(replies) => removed.extend(replies.into_iter().map(|reply| self.removed(reply))),
                Err(error) => removed.extend(fail_all(keys.len(), &error)),
            }
        }
        removed
    }

    /// Writes items in their order, so that of two for one key the later one stays.
    pub(crate) async fn write_all(&self, items: &[SetItem<'_>]) -> Vec<Result<bool>> {
        let mut written = Vec::with_capacity(items.len());
        let mut batch = Batch::default();
        for item in items {
            let SetItem { key, options, .. } = item;
            match self.envelope(item).await {
                Ok(envelope) if envelope.len() <= WRITE_BYTES_AT_ONCE => {
                    batch.add(item, envelope);
                    if batch.is_full() {
                        written.extend(self.write_batch(&mut batch).await);
                    }
                }
                // Alone: a server that refuses one value for its size refuses whatever was sent with it.
                Ok(envelope) => {
                    written.extend(self.write_batch(&mut batch).await);
                    written.push(self.write(key, &envelope, options).await);
                }
                Err(why) => {
                    // The same key may be in the batch, and is to be absent after it.
                    written.extend(self.write_batch(&mut batch).await);
                    written.push(Err(self.drop_replaced(key, options, why).await));
                }
            }
        }
        written.extend(self.write_batch(&mut batch).await);
        written
    }

    async fn envelope(&self, item: &SetItem<'_>) -> Result<Envelope> {
        known(item.options.condition)?;
        let envelope = Envelope::write(&item.key, &item.entry).await?;
        self.fits(&envelope)?;
        Ok(envelope)
    }

    async fn write_batch(&self, batch: &mut Batch<'_, '_>) -> Vec<Result<bool>> {
        let Batch { items, .. } = std::mem::take(batch);
        let mut commands = Pipeline::with_capacity(items.len());
        for (item, envelope) in &items {
            let SetItem { key, options, .. } = item;
            commands.add_command(match options.condition {
                Condition::Unchanged(token) => {
                    commands::replace(Named::Hash(&scripts::REPLACE), key, envelope, options.ttl, token)
                }
                _ => commands::set(key, envelope, options),
            });
        }
        let replies = match self.send_all(Operation::Set, &commands).await {
            Ok(replies) => replies,
            Err(error) => return fail_all(items.len(), &error),
        };
        let mut written = Vec::with_capacity(items.len());
        for ((item, envelope), reply) in items.iter().zip(replies) {
            written.push(if error::is_unknown_script(&reply) {
                self.write(&item.key, envelope, &item.options).await
            } else {
                self.written(Operation::Set, reply)
            });
        }
        written
    }

    async fn send_all(&self, operation: Operation, commands: &Pipeline) -> Result<Vec<Value>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let replies = self.connections.write_all(operation, commands).await?;
        if replies.len() == commands.len() { Ok(replies) } else { Err(self.connections.nonsense(operation)) }
    }
}

/// Items that are about to be written in one go.
#[derive(Default)]
struct Batch<'i, 'k> {
    items: Vec<(&'i SetItem<'k>, Envelope)>,
    bytes: usize,
}

impl<'i, 'k> Batch<'i, 'k> {
    fn add(&mut self, item: &'i SetItem<'k>, envelope: Envelope) {
        self.bytes += envelope.len();
        self.items.push((item, envelope));
    }

    fn is_full(&self) -> bool {
        self.items.len() >= WRITE_AT_ONCE || self.bytes >= WRITE_BYTES_AT_ONCE
    }
}

fn fail_all<T>(count: usize, error: &Error) -> Vec<Result<T>> {
    (0..count).map(|_| Err(error.clone())).collect()
}
