//! Stores of envelopes that are wrong in one way.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Miss, Result,
    backend::{
        Capabilities, Condition, DeleteItem, DeleteOptions, GetOptions, Lookup, SetOptions, TouchOptions,
        Written,
    },
    clock::Timestamp,
    entry::Kind,
    envelope::{self, Envelope},
    error::Operation,
    key::StoreKey,
    miss::Undecodable,
};

use super::{Mutant, lock};
use crate::store::Store;

mutants! {
    |clock, flaw| store(&clock, flaw);

    TrustsKeys "takes another key's bytes for its own" => "envelope::another_keys_bytes_are_a_miss";
    ServesTheLastGood "answers with the last good bytes when they are damaged" => "envelope::a_flipped_bit_in_every_byte_is_a_miss";
    FailsOnDamage "fails where it should miss" => "envelope::every_read_takes_foreign_bytes_for_a_miss";
    RemovesTheFuture "removes what a newer program wrote" => "envelope::a_future_version_survives_reads";
    GivesNoReason "says that damaged bytes are absent" => "envelope::every_truncation_is_a_miss";
    TouchSkipsTheEnvelope "touches without telling the envelope" => "ttl::another_process_sees_a_touch";
    ForgetsTheFormat "takes every body for MessagePack" => "encoding::an_unknown_format_is_a_miss";
    KeepsTheReplaced "keeps the old value when the new one is too large" =>
        "limits::too_large_removes_the_old_value";
    DropsOnAdd "drops the old value when one too large is added" =>
        "limits::too_large_to_add_leaves_the_old_value";
    WritesValues "writes every entry as a value" => "kinds::the_kind_is_in_the_stored_bytes";
    TouchesTheFuture "touches what a newer program wrote" => "envelope::the_stores_touch_leaves_a_future_version";
    WritesOverTheFuture "writes over a newer program's envelope by any token" =>
        "envelope::a_wrong_token_writes_nothing_over_a_future_version";
    SpyIsBlind "has a spy that sees nothing" => "hooks::the_spy_sees_what_was_written";
    SpySeesTheFirst "has a spy that sees what it saw first" => "hooks::the_spy_sees_nothing_where_nothing_is";
    VandalWritesNothing "has a vandal that writes nothing" => "hooks::the_vandals_bytes_reach_the_store";
    FreesNothing "frees nothing that has expired" => "freed::what_was_touched_is_freed_at_its_end";
    KeepsTheRemoved "hides what is removed in bulk, and keeps it" => "freed::what_was_deleted_in_bulk_is_freed";
    FreesTooEarly "frees what was touched at its old end" => "freed::a_longer_touch_keeps_it";
    Panics "panics on damaged bytes" => "envelope::foreign_bytes_are_a_miss";
}

/// The largest envelope that a mutant takes.
const LIMIT: u64 = 1024 * 1024;

/// The store without a flaw.
#[allow(clippy::needless_pass_by_value, reason = "as a mutant is made")]
pub(super) fn healthy(clock: Clock) -> Store {
    store(&clock, None)
}

/// The same with room for this many bytes a value, and no more.
#[cfg(test)]
pub(crate) fn with_limit(clock: &Clock, limit: u64) -> Store {
    store_of(clock, None, limit)
}

/// A store that keeps envelopes, with its bytes open to everybody.
fn store(clock: &Clock, flaw: Option<Flaw>) -> Store {
    store_of(clock, flaw, LIMIT)
}

fn store_of(clock: &Clock, flaw: Option<Flaw>, limit: u64) -> Store {
    let shared = Arc::new(Shared::default());
    let connect = {
        let clock = clock.clone();
        move || Bytestore {
            shared: Arc::clone(&shared),
            closed: AtomicBool::new(false),
            clock: clock.clone(),
            flaw,
            limit,
        }
    };
    let (written, read) = (connect(), connect());
    Store::new(connect())
        .with_peer(move |_| connect())
        .with_vandal(move |key, bytes| {
            if written.is(Flaw::VandalWritesNothing) {
                return;
            }
            let expires = written.kept().get(key).map_or(Timestamp::NEVER, |kept| kept.1);
            written.kept().insert(key.to_owned(), (Bytes::copy_from_slice(bytes), expires));
        })
        .with_spy(move |key| read.spied(key))
}

/// What all connections see.
#[derive(Default)]
struct Shared {
    kept: Mutex<HashMap<String, (Bytes, Timestamp)>>,
    /// Held from looking at a key to changing it: else two could both find it free.
    turn: Mutex<()>,
    last_good: Mutex<HashMap<String, Entry>>,
    /// What the spy saw first.
    seen: Mutex<HashMap<String, Option<Vec<u8>>>>,
    /// When each key was to end when it was written.
    ends: Mutex<HashMap<String, Timestamp>>,
}

/// A connection.
struct Bytestore {
    shared: Arc<Shared>,
    closed: AtomicBool,
    clock: Clock,
    flaw: Option<Flaw>,
    /// The largest envelope that is taken.
    limit: u64,
}

impl Bytestore {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, (Bytes, Timestamp)>> {
        lock(&self.shared.kept)
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn open(&self, operation: Operation) -> Result<()> {
        if self.closed.load(Relaxed) {
            return Err(Error::new(ErrorKind::Closed, operation, "the store was closed"));
        }
        Ok(())
    }

    /// What is stored under the key. What has expired is freed by then, and so is what was removed.
    fn spied(&self, text: &str) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let found = self.kept().get(text).cloned();
        let seen = match self.flaw {
            Some(Flaw::SpyIsBlind) => None,
            Some(Flaw::FreesNothing) => found,
            Some(Flaw::FreesTooEarly) => {
                found.filter(|_| lock(&self.shared.ends).get(text).is_none_or(|end| now < *end))
            }
            _ => found.filter(|(_, expires)| now < *expires),
        };
        let seen = seen.map(|(bytes, _)| bytes.to_vec());
        if self.is(Flaw::KeepsTheRemoved) {
            return seen.or_else(|| lock(&self.shared.seen).get(text).cloned().flatten());
        }
        if self.is(Flaw::SpySeesTheFirst) {
            return lock(&self.shared.seen).entry(text.to_owned()).or_insert(seen).clone();
        }
        seen
    }

    fn live(&self, text: &str) -> Option<Bytes> {
        let now = self.clock.now();
        self.kept().get(text).filter(|(_, expires)| now < *expires).map(|(bytes, _)| bytes.clone())
    }

    fn look_up(&self, key: &StoreKey<'_>) -> Result<Lookup> {
        let text = key.to_string();
        let Some(bytes) = self.live(&text) else { return Ok(Lookup::Miss(Miss::Absent)) };
        let mut last_good = lock(&self.shared.last_good);
        let miss = match envelope::read(key, &bytes) {
            Ok(entry) => {
                if self.is(Flaw::ForgetsTheFormat)
                    && let Some(body) = entry.encoded()
                {
                    let body = body.clone().with_format(2);
                    return Ok(Lookup::Hit(Entry::from_body(body, entry.meta().clone())));
                }
                last_good.insert(text, entry.clone());
                return Ok(Lookup::Hit(entry));
            }
            Err(miss) => miss,
        };
        match self.flaw {
            Some(Flaw::TrustsKeys) if miss == Miss::OtherKey => {
                let any = last_good.values().next().cloned();
                Ok(any.map_or(Lookup::Miss(miss), Lookup::Hit))
            }
            Some(Flaw::ServesTheLastGood) => {
                Ok(last_good.get(&text).cloned().map_or(Lookup::Miss(miss), Lookup::Hit))
            }
            Some(Flaw::FailsOnDamage) => Err(Error::new(ErrorKind::Decode, Operation::Get, "damaged")),
            Some(Flaw::RemovesTheFuture) if miss.is_from_the_future() => {
                self.kept().remove(&text);
                Ok(Lookup::Miss(miss))
            }
            Some(Flaw::GivesNoReason) => Ok(Lookup::Miss(Miss::Absent)),
            // Unwinding without a panic's message: it is meant.
            Some(Flaw::Panics) if miss == Undecodable::Foreign.into() => {
                std::panic::resume_unwind(Box::new("a mutant that panics"))
            }
            _ => Ok(Lookup::Miss(miss)),
        }
    }
}

#[async_trait]
impl Backend for Bytestore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::shared().with_max_value(Some(self.limit))
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.open(Operation::Get)?;
        self.look_up(key)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.open(Operation::Set)?;
        let plain = entry.with_meta(entry.meta().clone().with_kind(Kind::Value));
        let written = if self.is(Flaw::WritesValues) { &plain } else { entry };
        let bytes = Envelope::write(key, written).await?.to_bytes();
        let text = key.to_string();
        let _turn = lock(&self.shared.turn);
        if bytes.len() as u64 > self.limit {
            let removes = match options.condition {
                Condition::Always => !self.is(Flaw::KeepsTheReplaced),
                _ => self.is(Flaw::DropsOnAdd),
            };
            if removes {
                self.kept().remove(&text);
            }
            return Err(Error::new(ErrorKind::TooLarge, Operation::Set, "more than the store takes"));
        }
        let live = self.live(&text);
        let is_newer = live.as_ref().is_some_and(|bytes| bytes.get(4) == Some(&2));
        let applies = holds(options.condition, live.as_ref())
            || is_newer
                && self.is(Flaw::WritesOverTheFuture)
                && matches!(options.condition, Condition::Unchanged(_));
        if applies {
            lock(&self.shared.ends).insert(text.clone(), options.ttl.expires(self.clock.now()));
            self.kept().insert(text, (bytes, options.ttl.expires(self.clock.now())));
        }
        Ok(Written::when(applies, entry))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.open(Operation::Touch)?;
        let _turn = lock(&self.shared.turn);
        let text = key.to_string();
        let Some(bytes) = self.live(&text).filter(|bytes| holds(options.condition, Some(bytes))) else {
            return Ok(false);
        };
        let is_ours = bytes.starts_with(&envelope::MAGIC) && bytes.get(4) == Some(&envelope::VERSION);
        if bytes.len() < envelope::FIXED || !is_ours && !self.is(Flaw::TouchesTheFuture) {
            return Ok(false);
        }
        let mut bytes = bytes.to_vec();
        if !self.is(Flaw::TouchSkipsTheEnvelope) {
            bytes[envelope::LIFETIME].copy_from_slice(&envelope::lifetime_block(key, options.lifetime));
        }
        self.kept().insert(text, (bytes.into(), options.lifetime.expires));
        Ok(true)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.open(Operation::Delete)?;
        let _turn = lock(&self.shared.turn);
        let text = key.to_string();
        let is_meant = self.live(&text).is_some_and(|bytes| holds(options.condition, Some(&bytes)));
        if is_meant || options.condition == Condition::Always {
            self.kept().remove(&text);
        }
        Ok(is_meant)
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let mut removed = Vec::with_capacity(items.len());
        for item in items {
            let text = item.key.to_string();
            let before = self.kept().get(&text).cloned();
            removed.push(self.delete(&item.key, &item.options).await);
            if self.is(Flaw::KeepsTheRemoved)
                && let Some(before) = before
            {
                // Under a name that only the spy looks at.
                lock(&self.shared.seen).insert(text, Some(before.0.to_vec()));
            }
        }
        removed
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Relaxed);
        Ok(())
    }
}

/// Whether the condition holds where there are these live bytes, or none.
fn holds(condition: Condition, live: Option<&Bytes>) -> bool {
    match condition {
        Condition::Absent => live.is_none(),
        Condition::Present => live.is_some(),
        Condition::Unchanged(token) => live
            .and_then(|bytes| bytes.get(envelope::REVISION))
            .is_some_and(|revision| revision == token.0.to_le_bytes()),
        _ => true,
    }
}

impl fmt::Debug for Bytestore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytestore({:?})", self.flaw)
    }
}
