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
use tokio::time::Instant;

use super::{Meant, RedisBackend, known, scripted::Sent, touching};
use crate::{
    commands,
    resp::{Reply, Request},
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
    pub(crate) async fn look_up_all(
        &self,
        keys: &[StoreKey<'_>],
        until: Option<Instant>,
    ) -> Vec<Result<Lookup>> {
        if keys.len() <= READ_AT_ONCE {
            return self.look_up_chunk(keys, until).await;
        }
        let mut chunks = keys.chunks(READ_AT_ONCE);
        let mut ahead = FuturesOrdered::new();
        let mut found = Vec::with_capacity(keys.len());
        loop {
            let room = READS_AHEAD - ahead.len();
            ahead.extend(chunks.by_ref().take(room).map(|chunk| self.look_up_chunk(chunk, until)));
            match ahead.next().await {
                Some(chunk) => found.extend(chunk),
                None => return found,
            }
        }
    }

    async fn look_up_chunk(&self, keys: &[StoreKey<'_>], until: Option<Instant>) -> Vec<Result<Lookup>> {
        let replies = match self.connections.get_many(keys, until).await {
            // One reply in place of all: the server refuses.
            Ok(replies) => match &*replies {
                [refused @ Reply::Refused(_)] if keys.len() != 1 => {
                    return fail_all(keys.len(), &self.unexpected(Operation::Get, refused));
                }
                _ => replies,
            },
            Err(error) => return fail_all(keys.len(), &error),
        };
        let absent: Vec<usize> = (0..replies.len()).filter(|&at| replies[at] == Reply::Nil).collect();
        let mut found: Vec<_> =
            keys.iter().zip(replies).map(|(key, reply)| self.lookup(key, reply)).collect();
        if !absent.is_empty() {
            self.look_closer(keys, &absent, until, &mut found).await;
        }
        found
    }

    /// `MGET` says nil of a key that holds a list, too. Of those that it said so of, one command says how many there are:
    /// usually none. Else each is asked alone.
    async fn look_closer(
        &self,
        keys: &[StoreKey<'_>],
        absent: &[usize],
        until: Option<Instant>,
        found: &mut [Result<Lookup>],
    ) {
        let nil: Vec<StoreKey<'_>> = absent.iter().map(|&at| keys[at]).collect();
        let count = self.connections.read_all(until, || std::iter::once(Request::Exist(&nil))).await;
        if count.is_ok_and(|count| count == [Reply::Number(0)]) {
            return;
        }
        let alone = self.connections.read_all(until, || nil.iter().map(|key| Request::Get(*key))).await;
        match alone {
            Ok(replies) => {
                for (&at, reply) in absent.iter().zip(replies) {
                    found[at] = self.lookup(&keys[at], reply);
                }
            }
            Err(error) => absent.iter().for_each(|&at| found[at] = Err(error.clone())),
        }
    }

    /// Removes entries: one command each, since one for all would only say how many there were.
    pub(crate) async fn remove_all(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let until = items.iter().filter_map(|item| item.options.until).min();
        let conditions = items.iter().map(|item| item.options.condition);
        self.change_all((Operation::Delete, until), conditions, |index, token| {
            let key = items[index].key;
            match token {
                Some(token) => Sent::script(move |name| commands::remove(name, &key, token)),
                None => Sent::Plain(Request::Delete(key)),
            }
        })
        .await
    }

    /// Gives entries other TTLs.
    pub(crate) async fn touch_all(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let until = items.iter().filter_map(|item| item.options.until).min();
        let conditions = items.iter().map(|item| item.options.condition);
        self.change_all((Operation::Touch, until), conditions, |index, token| {
            let item = &items[index];
            Sent::script(move |name| touching(&item.key, &item.options, token, name))
        })
        .await
    }

    /// Changes those entries that are what their conditions say, in their order.
    async fn change_all<'a>(
        &self,
        (operation, until): (Operation, Option<Instant>),
        conditions: impl Iterator<Item = Condition> + Send,
        request: impl Fn(usize, Option<Token>) -> Sent<'a> + Send + Sync,
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
            let requests: Vec<Sent<'a>> =
                chunk.iter().map(|(index, token)| request(*index, *token)).collect();
            match self.send_all(operation, until, &requests).await {
                Ok(replies) => {
                    for ((index, _), reply) in chunk.iter().zip(replies) {
                        changed[*index] = self.done(operation, &reply);
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
        self.sizes.check(envelope.len() as u64)?;
        Ok(envelope)
    }

    async fn write_batch(&self, batch: &mut Batch<'_, '_>) -> Vec<Result<bool>> {
        let Batch { items, .. } = std::mem::take(batch);
        let until = items.iter().filter_map(|(item, _)| item.options.until).min();
        let requests: Vec<Sent<'_>> = items
            .iter()
            .map(|(SetItem { key, options, .. }, envelope)| match options.condition {
                Condition::Unchanged(token) => {
                    Sent::script(move |name| commands::replace(name, key, envelope, options.ttl, token))
                }
                condition => Sent::Plain(Request::Set { key: *key, envelope, ttl: options.ttl, condition }),
            })
            .collect();
        match self.send_all(Operation::Set, until, &requests).await {
            Ok(replies) => replies.iter().map(|reply| self.done(Operation::Set, reply)).collect(),
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
