//! A store as a remote one is: it has bytes, tokens and a clock of its own, and knows nothing of objects and versions.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Key, Miss, Result,
    backend::{
        Capabilities, Condition, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem, SetOptions,
        TouchItem, TouchOptions, Written,
    },
    clock::Timestamp,
    entry::Token,
    envelope::{self, Envelope},
    error::Operation,
    key::{Namespace, StoreKey},
};

use super::{
    Act, Keys, NAMESPACE, Op, READS, WRITES,
    rules::{Rule, failure},
};

/// By what a store knows the states of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// The revision in the envelope.
    Revision,
    /// Numbers of its own, as Memcached has them.
    Own,
}

/// Shared by as many caches as a test makes.
pub struct Remote {
    kept: Mutex<Kept>,
    /// Held while one operation looks and changes: a store does one after the other.
    turn: Mutex<()>,
    clock: Clock,
    capabilities: Capabilities,
    tokens: Tokens,
    rules: Mutex<Vec<Rule>>,
    /// Every call, in order: one is one round trip.
    calls: Mutex<Vec<(Op, Vec<String>)>>,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<String, Record>,
    writes: u64,
}

/// What a store had at some moment.
pub struct Saved(HashMap<String, Record>);

#[derive(Clone)]
struct Record {
    bytes: Bytes,
    expires: Timestamp,
    token: Token,
}

impl Remote {
    pub fn new(clock: &Clock) -> Arc<Self> {
        Self::with_tokens(clock, Tokens::Revision)
    }

    pub fn with_tokens(clock: &Clock, tokens: Tokens) -> Arc<Self> {
        Self::with(clock, tokens, Capabilities::shared())
    }

    pub fn with(clock: &Clock, tokens: Tokens, capabilities: Capabilities) -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::default(),
            turn: Mutex::default(),
            clock: clock.clone(),
            capabilities,
            tokens,
            rules: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    /// From now on such operations fare so. Of several rules that fit, the latest holds.
    pub fn on(&self, ops: &'static [Op], keys: Keys, act: Act) {
        self.rules.lock().unwrap().push(Rule { ops, keys, act });
    }

    pub fn on_all(&self, act: &Act) {
        self.on(READS, Keys::Any, act.clone());
        self.on(WRITES, Keys::Any, act.clone());
    }

    /// From now on all goes as it should.
    pub fn heal(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// How many round trips there have been.
    pub fn round_trips(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// How many of these.
    pub fn count(&self, ops: &[Op], keys: Keys) -> usize {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|(op, texts)| ops.contains(op) && keys.are_meant(texts))
            .count()
    }

    /// What was called since there had been so many round trips.
    pub fn since(&self, round_trips: usize) -> Vec<(Op, Vec<String>)> {
        self.calls.lock().unwrap()[round_trips..].to_vec()
    }

    /// Whether there are live bytes, whatever they are.
    pub fn has(&self, key: &Key) -> bool {
        self.live(&text_of(key)).is_some()
    }

    /// The entry as it is, a stale or leased one, too.
    pub fn entry(&self, key: &Key) -> Option<Entry> {
        let namespace = Namespace::new(NAMESPACE, 0).unwrap();
        let record = self.live(&text_of(key))?;
        envelope::read(&StoreKey::new(&namespace, key), &record.bytes).ok()
    }

    /// As another program writes that knows nothing of caches.
    pub fn put(&self, key: &Key, bytes: impl Into<Bytes>) {
        self.insert(text_of(key), bytes.into(), Timestamp::NEVER, 0);
    }

    /// As the store does that needs room, or that is restarted empty.
    pub fn evict(&self, keys: Keys) {
        self.kept.lock().unwrap().entries.retain(|text, _| !keys.are_meant(std::slice::from_ref(text)));
    }

    /// What it would be restarted from.
    pub fn saved(&self) -> Saved {
        Saved(self.kept.lock().unwrap().entries.clone())
    }

    /// As a store that is restarted from what it had saved.
    pub fn returns_to(&self, saved: Saved) {
        self.kept.lock().unwrap().entries = saved.0;
    }

    fn live(&self, text: &str) -> Option<Record> {
        let now = self.clock.now();
        self.kept.lock().unwrap().entries.get(text).filter(|record| now < record.expires).cloned()
    }

    fn insert(&self, text: String, bytes: Bytes, expires: Timestamp, revision: u64) -> Token {
        let mut kept = self.kept.lock().unwrap();
        kept.writes += 1;
        let token = Token(if self.tokens == Tokens::Own { kept.writes } else { revision });
        kept.entries.insert(text, Record { bytes, expires, token });
        token
    }

    /// One call of the store: noted, held up as the rules say, and done.
    async fn call<R>(&self, op: Op, texts: Vec<String>, work: impl FnOnce() -> R) -> Result<R> {
        let act = {
            let rules = self.rules.lock().unwrap();
            let rule = rules.iter().rev().find(|rule| rule.ops.contains(&op) && rule.keys.are_meant(&texts));
            rule.map(|rule| rule.act.clone())
        };
        self.calls.lock().unwrap().push((op, texts));
        match &act {
            Some(Act::Delay(delay)) => tokio::time::sleep(*delay).await,
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Fail(kind)) => return Err(failure(op, *kind)),
            Some(Act::Hold(gate)) => gate.pass().await,
            _ => {}
        }
        let done = {
            let _turn = self.turn.lock().unwrap();
            work()
        };
        match act {
            Some(Act::HoldAnswer(gate)) => gate.pass().await,
            Some(Act::LoseAnswer) => return Err(failure(op, ErrorKind::Timeout)),
            _ => {}
        }
        Ok(done)
    }

    fn look(&self, key: &StoreKey<'_>) -> Lookup {
        let Some(record) = self.live(&key.to_string()) else { return Lookup::Miss(Miss::Absent) };
        match envelope::read(key, &record.bytes) {
            Ok(entry) if self.tokens == Tokens::Own => Lookup::Hit(entry.with_token(record.token)),
            read => read.into(),
        }
    }

    fn holds(&self, text: &str, condition: Condition) -> bool {
        let live = self.live(text);
        match condition {
            Condition::Always => true,
            Condition::Absent => live.is_none(),
            Condition::Present => live.is_some(),
            Condition::Unchanged(token) => live.is_some_and(|live| live.token == token),
            other => panic!("a condition that this store does not know: {other:?}"),
        }
    }

    fn write(
        &self,
        key: &StoreKey<'_>,
        entry: &Entry,
        envelope: &Envelope,
        options: &SetOptions,
    ) -> Result<Written> {
        let text = key.to_string();
        if self.capabilities.max_value.is_some_and(|limit| envelope.len() as u64 > limit) {
            if options.condition == Condition::Always {
                self.kept.lock().unwrap().entries.remove(&text);
            }
            return Err(Error::new(ErrorKind::TooLarge, Operation::Set, "larger than the test allows"));
        }
        if !self.holds(&text, options.condition) {
            return Ok(Written::No);
        }
        let expires = options.ttl.expires(self.clock.now());
        Ok(Written::Yes(self.insert(text, envelope.to_bytes(), expires, entry.meta().revision)))
    }

    fn change(&self, key: &StoreKey<'_>, options: &TouchOptions) -> bool {
        let text = key.to_string();
        if !self.holds(&text, options.condition) {
            return false;
        }
        let Some(mut record) = self.live(&text) else { return false };
        let mut bytes = record.bytes.to_vec();
        if bytes.len() >= envelope::FIXED {
            bytes[envelope::LIFETIME].copy_from_slice(&envelope::lifetime_block(key, options.lifetime));
        }
        record.bytes = bytes.into();
        record.expires = options.ttl.expires(self.clock.now());
        self.kept.lock().unwrap().entries.insert(text, record);
        true
    }

    fn remove(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> bool {
        let text = key.to_string();
        let was_there = self.live(&text).is_some() && self.holds(&text, options.condition);
        if was_there || options.condition == Condition::Always {
            self.kept.lock().unwrap().entries.remove(&text);
        }
        was_there
    }
}

/// Where a key of the tests' namespace is.
fn text_of(key: &Key) -> String {
    format!("{NAMESPACE}:{}", key.text())
}

fn texts<'a>(keys: impl IntoIterator<Item = &'a StoreKey<'a>>) -> Vec<String> {
    keys.into_iter().map(ToString::to_string).collect()
}

/// One answer each, the same failure for all if the call failed.
fn each<R>(answers: Result<Vec<Result<R>>>, count: usize) -> Vec<Result<R>> {
    answers.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
}

#[async_trait]
impl Backend for Remote {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn get(&self, key: &StoreKey<'_>, _: &GetOptions) -> Result<Lookup> {
        self.call(Op::Get, texts([key]), || self.look(key)).await
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], _: &GetOptions) -> Vec<Result<Lookup>> {
        let looked = || keys.iter().map(|key| Ok(self.look(key))).collect();
        each(self.call(Op::GetMany, texts(keys), looked).await, keys.len())
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let envelope = Envelope::write(key, entry).await?;
        self.call(Op::Set, texts([key]), || self.write(key, entry, &envelope, options)).await?
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut envelopes = Vec::with_capacity(items.len());
        for item in items {
            envelopes.push(Envelope::write(&item.key, &item.entry).await);
        }
        let written = || {
            let written = items.iter().zip(&envelopes).map(|(item, envelope)| match envelope {
                Ok(envelope) => self.write(&item.key, &item.entry, envelope, &item.options),
                Err(error) => Err(error.clone()),
            });
            written.collect()
        };
        let keys = texts(items.iter().map(|item| &item.key));
        each(self.call(Op::SetMany, keys, written).await, items.len())
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.call(Op::Touch, texts([key]), || self.change(key, options)).await
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let touched = || items.iter().map(|item| Ok(self.change(&item.key, &item.options))).collect();
        let keys = texts(items.iter().map(|item| &item.key));
        each(self.call(Op::TouchMany, keys, touched).await, items.len())
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.call(Op::Delete, texts([key]), || self.remove(key, options)).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let removed = || items.iter().map(|item| Ok(self.remove(&item.key, &item.options))).collect();
        let keys = texts(items.iter().map(|item| &item.key));
        each(self.call(Op::DeleteMany, keys, removed).await, items.len())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}
