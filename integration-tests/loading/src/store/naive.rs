//! Near copies as they are often made: whoever has read the store keeps what it said, however much later that is, and removes what
//! is heard of. Reads that were on their way meanwhile put back what they read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use async_trait::async_trait;
use larder_core::{
    Backend, Entry, Result,
    backend::{
        Bus, Capabilities, DeleteOptions, Ear, Forward, GetOptions, Lookup, Notice, SILENCE, SetOptions,
        TouchOptions, Written,
    },
    entry::Kind,
    key::{Namespace, StoreKey},
};

/// Such copies before a store.
#[derive(Debug)]
pub(super) struct Naive<B> {
    far: B,
    near: Arc<Near>,
}

#[derive(Debug, Default)]
struct Near {
    copies: Mutex<HashMap<String, Entry>>,
    outer: Mutex<Vec<Weak<dyn Ear>>>,
}

impl Near {
    fn copies(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear for Near {
    fn hear(&self, notice: Notice<'_>) {
        match notice {
            Notice::Changed(text) => drop(self.copies().remove(text)),
            Notice::Gap => self.copies().clear(),
            _ => {}
        }
        let outer = self.outer.lock().unwrap_or_else(PoisonError::into_inner);
        outer.iter().filter_map(Weak::upgrade).for_each(|ear| ear.hear(notice));
    }
}

impl<B: Backend> Naive<B> {
    pub(super) fn new(far: B) -> Self {
        Self { far, near: Arc::default() }
    }

    fn keep(&self, key: &StoreKey<'_>, found: &Result<Lookup>) {
        if let Ok(Lookup::Hit(entry)) = found
            && entry.kind() == Kind::Value
            && !key.namespace().text().contains('!')
        {
            self.near.copies().insert(key.to_string(), entry.clone());
        }
    }

    fn forget(&self, key: &StoreKey<'_>) {
        self.near.copies().remove(&key.to_string());
    }
}

#[async_trait]
impl<B: Backend> Forward for Naive<B> {
    type Inner = B;

    fn inner(&self) -> &B {
        &self.far
    }

    fn capabilities(&self) -> Capabilities {
        self.far.capabilities().with_near_ttl(Some(SILENCE))
    }

    fn bus(&self) -> Option<&dyn Bus> {
        Some(self)
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        self.near.copies().get(&key.to_string()).cloned().map(Lookup::Hit)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        let found = self.far.get(key, options).await;
        self.keep(key, &found);
        found
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let found = self.far.get_many(keys, options).await;
        keys.iter().zip(&found).for_each(|(key, found)| self.keep(key, found));
        found
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let written = self.far.set(key, entry, options).await;
        self.forget(key);
        written
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let touched = self.far.touch(key, options).await;
        self.forget(key);
        touched
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let removed = self.far.delete(key, options).await;
        self.forget(key);
        removed
    }
}

impl<B: Backend> Bus for Naive<B> {
    fn listen(&self, namespace: &Namespace, ear: Weak<dyn Ear>) {
        self.near.outer.lock().unwrap_or_else(PoisonError::into_inner).push(ear);
        let own: Arc<dyn Ear> = Arc::clone(&self.near) as _;
        if let Some(bus) = self.far.bus() {
            bus.listen(namespace, Arc::downgrade(&own));
        }
    }
}
