//! Many keys at once: `MGET` for reading, one command each in one go for writing, so that each has its own answer.

use futures_util::{StreamExt as _, stream::FuturesOrdered};
use larder_core::{
    Error, Result,
    backend::{Condition, DeleteItem, Lookup, SetItem, TouchItem},
    entry::Token,
    envelope::Envelope,
    error::Operation,
    key::StoreKey,
};
use redis::{Cmd, Value};

use crate::{
    backend::{Meant, RedisBackend, known, removal, touching},
    commands::{self, Name},
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

    /// Removes entries: one command each, since one for all would only say how many there were.
    pub(crate) async fn remove_all(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let conditions = items.iter().map(|item| item.options.condition);
        self.change_all(Operation::Delete, conditions, |index, token, name| {
            removal(&items[index].key, token, name)
        })
        .await
    }

    /// Gives entries other TTLs.
    pub(crate) async fn touch_all(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let conditions = items.iter().map(|item| item.options.condition);
        self.change_all(Operation::Touch, conditions, |index, token, name| {
            touching(&items[index].key, &items[index].options, token, name)
        })
        .await
    }

    /// Changes those entries that are what their conditions say, in their order.
    async fn change_all(
        &self,
        operation: Operation,
        conditions: impl Iterator<Item = Condition> + Send,
        command: impl Fn(usize, Option<Token>, Name) -> Cmd + Send + Sync,
    ) -> Vec<Result<bool>> {
        let mut changed = Vec::new();
        let mut sent = Vec::new();
        for (index, condition) in conditions.enumerate() {
            changed.push(Ok(false));
            match Meant::by(condition, operation) {
                Ok(Meant::Any) => sent.push((index, None)),
                Ok(Meant::This(token)) => sent.push((index, Some(token))),
                Ok(Meant::None) => {}
                Err(why) => changed[index] = Err(why),
            }
        }
        for chunk in sent.chunks(WRITE_AT_ONCE) {
            let is_scripted = |at: usize| operation == Operation::Touch || chunk[at].1.is_some();
            let command = |at: usize, name| command(chunk[at].0, chunk[at].1, name);
            match self.send_all(operation, chunk.len(), is_scripted, command).await {
                Ok(replies) => {
                    for ((index, _), reply) in chunk.iter().zip(replies) {
                        changed[*index] = self.done(operation, reply);
                    }
                }
                Err(error) => chunk.iter().for_each(|(index, _)| changed[*index] = Err(error.clone())),
            }
        }
        changed
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
        known(item.options.condition, Operation::Set)?;
        let envelope = Envelope::write(&item.key, &item.entry).await?;
        self.fits(&envelope)?;
        Ok(envelope)
    }

    async fn write_batch(&self, batch: &mut Batch<'_, '_>) -> Vec<Result<bool>> {
        let Batch { items, .. } = std::mem::take(batch);
        let command = |index: usize, name| {
            let (SetItem { key, options, .. }, envelope) = &items[index];
            match options.condition {
                Condition::Unchanged(token) => commands::replace(name, key, envelope, options.ttl, token),
                _ => commands::set(key, envelope, options),
            }
        };
        let is_scripted = |at: usize| matches!(items[at].0.options.condition, Condition::Unchanged(_));
        match self.send_all(Operation::Set, items.len(), is_scripted, command).await {
            Ok(replies) => replies.into_iter().map(|reply| self.done(Operation::Set, reply)).collect(),
            Err(error) => fail_all(items.len(), &error),
        }
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
