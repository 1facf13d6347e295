//! Stores of envelopes that are wrong in one way.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Miss, Result,
    backend::{
        Capabilities, Condition, DeleteOptions, GetOptions, Lookup, SetOptions, TouchOptions, Written,
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

macro_rules! mutants {
    ($($flaw:ident $name:literal => $caught_by:literal;)*) => {
        /// The one way in which a store is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Flaw { $($flaw),* }

        pub(super) const MUTANTS: &[Mutant] = &[$(
            Mutant {
                name: $name,
                caught_by: $caught_by,
                make: |clock| store(&clock, Some(Flaw::$flaw)),
                healthy: |clock| store(&clock, None),
            },
        )*];
    };
}

mutants! {
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
    Panics "panics on damaged bytes" => "envelope::foreign_bytes_are_a_miss";
}

/// The largest envelope that is taken.
const LIMIT: u64 = 1024 * 1024;

/// A store that keeps envelopes, with its bytes open to everybody.
fn store(clock: &Clock, flaw: Option<Flaw>) -> Store {
    let bytes = Arc::new(Bytestore {
        kept: Mutex::default(),
        last_good: Mutex::default(),
        clock: clock.clone(),
        flaw,
    });
    let (written, read, second) = (Arc::clone(&bytes), Arc::clone(&bytes), Arc::clone(&bytes));
    Store::new(bytes)
        .with_peer(move |_| Arc::clone(&second))
        .with_vandal(move |key, bytes| {
            let expires = written.kept().get(key).map_or(Timestamp::NEVER, |kept| kept.1);
            written.kept().insert(key.to_owned(), (Bytes::copy_from_slice(bytes), expires));
        })
        .with_spy(move |key| read.kept().get(key).map(|(bytes, _)| bytes.to_vec()))
}

struct Bytestore {
    kept: Mutex<HashMap<String, (Bytes, Timestamp)>>,
    last_good: Mutex<HashMap<String, Entry>>,
    clock: Clock,
    flaw: Option<Flaw>,
}

impl Bytestore {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, (Bytes, Timestamp)>> {
        lock(&self.kept)
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn live(&self, text: &str) -> Option<Bytes> {
        let now = self.clock.now();
        self.kept().get(text).filter(|(_, expires)| now < *expires).map(|(bytes, _)| bytes.clone())
    }

    fn look_up(&self, key: &StoreKey<'_>) -> Result<Lookup> {
        let text = key.to_string();
        let Some(bytes) = self.live(&text) else { return Ok(Lookup::Miss(Miss::Absent)) };
        let mut last_good = lock(&self.last_good);
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
        Capabilities::shared().with_max_value(Some(LIMIT))
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.look_up(key)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let plain = entry.with_meta(entry.meta().clone().with_kind(Kind::Value));
        let written = if self.is(Flaw::WritesValues) { &plain } else { entry };
        let bytes = Envelope::write(key, written).await?.to_bytes();
        let text = key.to_string();
        if bytes.len() as u64 > LIMIT {
            let removes = match options.condition {
                Condition::Always => !self.is(Flaw::KeepsTheReplaced),
                _ => self.is(Flaw::DropsOnAdd),
            };
            if removes {
                self.kept().remove(&text);
            }
            return Err(Error::new(ErrorKind::TooLarge, Operation::Set, "more than a mebibyte"));
        }
        let applies = holds(options.condition, self.live(&text).as_ref());
        if applies {
            self.kept().insert(text, (bytes, options.ttl.expires(self.clock.now())));
        }
        Ok(Written::when(applies, entry))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let text = key.to_string();
        let Some(bytes) = self.live(&text).filter(|bytes| holds(options.condition, Some(bytes))) else {
            return Ok(false);
        };
        if bytes.len() < envelope::FIXED {
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
        let text = key.to_string();
        let is_meant = self.live(&text).is_some_and(|bytes| holds(options.condition, Some(&bytes)));
        if is_meant || options.condition == Condition::Always {
            self.kept().remove(&text);
        }
        Ok(is_meant)
    }

    async fn close(&self) -> Result<()> {
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
