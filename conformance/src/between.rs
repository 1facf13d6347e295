//! What the suite puts between a layer and a store that it is around: it counts what the store is asked, holds calls and answers
//! back, makes calls fail, and muffles the store's bus.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use async_trait::async_trait;
use larder_core::{
    Backend, Entry, Error, ErrorKind, Result,
    backend::{
        Bus, DeleteItem, DeleteOptions, Ear, Forward, GetOptions, Lookup, Notice, SetItem, SetOptions,
        TouchItem, TouchOptions, Written,
    },
    error::Operation,
    key::{Namespace, StoreKey},
};

use crate::gate::Gate;

/// Which calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    All,
    Reads,
    /// Touches as well.
    Writes,
    Deletes,
}

impl Calls {
    fn mean(self, call: Self) -> bool {
        self == Self::All || self == call
    }
}

/// What becomes of a call.
#[derive(Clone)]
pub(crate) enum Act {
    /// It fails in this way, and the store is not asked.
    Fails(ErrorKind),
    /// It waits at the gate before the store is asked.
    Held(Gate),
    /// The store does it, and its answer waits at the gate.
    AnswerHeld(Gate),
    /// The store does it, and its caller gets an error.
    LosesReply,
}

#[derive(Clone)]
struct Rule {
    calls: Calls,
    /// The text of a key; `None` for any.
    key: Option<String>,
    act: Act,
}

/// The store, as the layer sees it. Clones are the same.
#[derive(Clone)]
pub(crate) struct Between {
    inner: Arc<dyn Backend>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    /// Each key that the store was asked for, or told of, in order.
    asked: Mutex<Vec<(Calls, String)>>,
    ears: Mutex<Vec<Arc<Muffled>>>,
    is_muffled: Mutex<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Between {
    pub(crate) fn new(inner: Arc<dyn Backend>) -> Self {
        Self { inner, shared: Arc::default() }
    }

    /// From now on this becomes of such calls of this key. Of several rules that fit the latest holds.
    pub(crate) fn on(&self, calls: Calls, key: &str, act: Act) {
        lock(&self.shared.rules).push(Rule { calls, key: Some(key.to_owned()), act });
    }

    /// From now on every call fails in this way.
    pub(crate) fn fails(&self, kind: ErrorKind) {
        lock(&self.shared.rules).push(Rule { calls: Calls::All, key: None, act: Act::Fails(kind) });
    }

    /// From now on all goes as it should. What is held already stays so until its gate is opened.
    pub(crate) fn heal(&self) {
        lock(&self.shared.rules).clear();
    }

    /// How often such calls had a key whose text is this, or begins with it where it ends in ":".
    pub(crate) fn asked(&self, calls: Calls, text: &str) -> usize {
        let is_meant = |key: &str| if text.ends_with(':') { key.starts_with(text) } else { key == text };
        lock(&self.shared.asked).iter().filter(|(call, key)| calls.mean(*call) && is_meant(key)).count()
    }

    /// Whether nothing comes through of what the bus tells, not even that it is alive.
    pub(crate) fn muffle(&self, is_muffled: bool) {
        *lock(&self.shared.is_muffled) = is_muffled;
    }

    /// Everybody who listens hears that something may have been missed.
    pub(crate) fn gap(&self) {
        let ears = lock(&self.shared.ears).clone();
        ears.iter().filter_map(|ear| ear.outer.upgrade()).for_each(|ear| ear.hear(Notice::Gap));
    }

    /// One call: noted, and done as the rules say.
    async fn call<'k, R>(
        &self,
        (call, operation): (Calls, Operation),
        keys: impl IntoIterator<Item = &'k StoreKey<'k>>,
        work: impl Future<Output = R>,
    ) -> Result<R> {
        let act = {
            let texts: Vec<String> = keys.into_iter().map(ToString::to_string).collect();
            let rules = lock(&self.shared.rules);
            let is_meant = |rule: &&Rule| {
                rule.calls.mean(call) && rule.key.as_ref().is_none_or(|key| texts.contains(key))
            };
            let act = rules.iter().rev().find(is_meant).map(|rule| rule.act.clone());
            drop(rules);
            lock(&self.shared.asked).extend(texts.into_iter().map(|text| (call, text)));
            act
        };
        match &act {
            Some(Act::Fails(kind)) => return Err(Error::new(*kind, operation, "it was told to fail")),
            Some(Act::Held(gate)) => gate.pass().await,
            _ => {}
        }
        let done = work.await;
        match act {
            Some(Act::AnswerHeld(gate)) => gate.pass().await,
            Some(Act::LosesReply) => {
                return Err(Error::new(ErrorKind::Timeout, operation, "its reply was lost"));
            }
            _ => {}
        }
        Ok(done)
    }
}

/// One answer each; the same failure for all if the call failed.
fn each<R>(answers: Result<Vec<Result<R>>>, count: usize) -> Vec<Result<R>> {
    answers.unwrap_or_else(|error| (0..count).map(|_| Err(error.clone())).collect())
}

const READ: (Calls, Operation) = (Calls::Reads, Operation::Get);
const WRITE: (Calls, Operation) = (Calls::Writes, Operation::Set);
const TOUCH: (Calls, Operation) = (Calls::Writes, Operation::Touch);
const DELETE: (Calls, Operation) = (Calls::Deletes, Operation::Delete);

#[async_trait]
impl Forward for Between {
    type Inner = dyn Backend;

    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    /// Whatever it is, it is asked by calls.
    fn get_now(&self, _: &StoreKey<'_>) -> Option<Lookup> {
        None
    }

    fn bus(&self) -> Option<&dyn Bus> {
        self.inner().bus().is_some().then_some(self)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.call(READ, [key], self.inner().get(key, options)).await?
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.call(WRITE, [key], self.inner().set(key, entry, options)).await?
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.call(TOUCH, [key], self.inner().touch(key, options)).await?
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.call(DELETE, [key], self.inner().delete(key, options)).await?
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        each(self.call(READ, keys, self.inner().get_many(keys, options)).await, keys.len())
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let keys = items.iter().map(|item| &item.key);
        each(self.call(WRITE, keys, self.inner().set_many(items)).await, items.len())
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let keys = items.iter().map(|item| &item.key);
        each(self.call(TOUCH, keys, self.inner().touch_many(items)).await, items.len())
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let keys = items.iter().map(|item| &item.key);
        each(self.call(DELETE, keys, self.inner().delete_many(items)).await, items.len())
    }
}

impl Bus for Between {
    fn listen(&self, namespace: &Namespace, ear: Weak<dyn Ear>) {
        let Some(bus) = self.inner().bus() else { return };
        let muffled = Arc::new(Muffled { outer: ear, shared: Arc::downgrade(&self.shared) });
        lock(&self.shared.ears).push(Arc::clone(&muffled));
        // From here on a weak one of another type.
        let muffled: Arc<dyn Ear> = muffled;
        bus.listen(namespace, Arc::downgrade(&muffled));
    }
}

/// Hands on what is heard, unless it is muffled.
struct Muffled {
    outer: Weak<dyn Ear>,
    shared: Weak<Shared>,
}

impl Ear for Muffled {
    fn hear(&self, notice: Notice<'_>) {
        let is_muffled = self.shared.upgrade().is_none_or(|shared| *lock(&shared.is_muffled));
        if let (false, Some(outer)) = (is_muffled, self.outer.upgrade()) {
            outer.hear(notice);
        }
    }
}

impl fmt::Debug for Muffled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Muffled").finish_non_exhaustive()
    }
}

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Between").field("inner", &self.inner).finish_non_exhaustive()
    }
}
