//! What stands in front of a store that is right.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Miss, Result, Ttl,
    backend::{
        Condition, CounterOptions, Counters, DeleteItem, DeleteOptions, Forward, GetOptions, Invalidation,
        Lookup, SetItem, SetOptions, TouchItem, TouchOptions, Written,
    },
    clock::Timestamp,
    entry::{Body, Lifetime, Meta},
    error::Operation,
    key::StoreKey,
    versions::Versions,
};

use super::{
    super::{broken::with_meta, invented, lock},
    Flaw,
};

/// What the connections to one store share.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What was written last.
    last: Mutex<Option<Entry>>,
}

impl Memory {
    pub(super) fn shared() -> Arc<Self> {
        Arc::default()
    }
}

pub(super) struct Flawed {
    inner: Arc<dyn Backend>,
    clock: Clock,
    flaw: Flaw,
    memory: Arc<Memory>,
    versions: [Versions; 2],
    asked: AtomicBool,
}

impl Flawed {
    pub(super) fn new(inner: Arc<dyn Backend>, clock: Clock, flaw: Flaw, memory: Arc<Memory>) -> Self {
        Self { inner, clock, flaw, memory, versions: Default::default(), asked: AtomicBool::new(false) }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn fails(&self, operation: Operation, bulk: bool) -> Result<()> {
        if self.is(Flaw::Fails) || bulk && self.is(Flaw::BulkFails) {
            return Err(Error::new(ErrorKind::Unavailable, operation, "a mutant that fails"));
        }
        Ok(())
    }

    /// What there is under this key, by a store that finds something under every key.
    async fn or_invented(&self, key: &StoreKey<'_>, found: Lookup) -> Lookup {
        match found {
            Lookup::Miss(_) if self.is(Flaw::Invents) && !is_version(key) => {
                invented(Arc::clone(&self.inner), &self.clock, key).await.map_or(found, Lookup::Hit)
            }
            found => found,
        }
    }

    fn passed_on(&self, key: &StoreKey<'_>, found: Lookup) -> Lookup {
        let Lookup::Hit(entry) = found else { return found };
        match self.flaw {
            Flaw::FindsNothing => Lookup::Miss(Miss::Absent),
            Flaw::Garbles if !is_version(key) => {
                let format = entry.encoded().map_or(2, |body| body.format);
                let body = Body::raw(Bytes::from_static(b"\xc1 garbled"), format);
                Lookup::Hit(Entry::from_body(body, entry.meta().clone()).with_token(entry.token()))
            }
            Flaw::LosesVersions if is_version(key) => Lookup::Miss(Miss::Absent),
            Flaw::GivesTheLast if !is_version(key) => {
                Lookup::Hit(lock(&self.memory.last).clone().unwrap_or(entry))
            }
            _ => Lookup::Hit(entry),
        }
    }

    /// The lifetime and the TTL as this store keeps them.
    fn bent(&self, key: &StoreKey<'_>, lifetime: Lifetime, ttl: Ttl) -> (Lifetime, Ttl) {
        match self.flaw {
            _ if is_version(key) => (lifetime, ttl),
            Flaw::IgnoresTtl => (Lifetime::until(Timestamp::NEVER), Ttl::Never),
            Flaw::EndsAtOnce => {
                let soon = Duration::from_millis(1);
                (Lifetime::until(self.clock.now().plus(soon)), Ttl::After(soon))
            }
            _ => (lifetime, ttl),
        }
    }

    /// The condition as this store understands it; `None` if it does not hold, whatever is there.
    fn condition(&self, condition: Condition) -> Option<Condition> {
        match self.flaw {
            Flaw::IgnoresConditions => Some(Condition::Always),
            Flaw::RefusesConditions if condition != Condition::Always => None,
            _ => Some(condition),
        }
    }

    async fn is_taken(&self, key: &StoreKey<'_>) -> bool {
        matches!(self.inner().get(key, &GetOptions::new()).await, Ok(Lookup::Hit(_)))
    }
}

/// Whether a version of a tag or a namespace is kept there.
fn is_version(key: &StoreKey<'_>) -> bool {
    key.namespace().text().ends_with("!v")
}

#[async_trait]
impl Forward for Flawed {
    type Inner = dyn Backend;

    fn inner(&self) -> &dyn Backend {
        &*self.inner
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        // What takes a future here, and what a cache asks for in bulk only where it is not answered at once.
        if [Flaw::Fails, Flaw::BulkFails, Flaw::Invents].contains(&self.flaw) {
            return None;
        }
        self.inner().get_now(key).map(|found| self.passed_on(key, found))
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        self.fails(Operation::Get, false)?;
        let found = self.inner().get(key, options).await?;
        Ok(self.passed_on(key, self.or_invented(key, found).await))
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        self.fails(Operation::Set, false)?;
        let Some(condition) = self.condition(options.condition) else { return Ok(Written::No) };
        let keeps_old = match self.flaw {
            Flaw::KeepsTheFirst => !is_version(key) && condition == Condition::Always,
            Flaw::KeepsVersions => is_version(key),
            _ => false,
        };
        if self.is(Flaw::StoresNothing) || keeps_old && self.is_taken(key).await {
            return Ok(Written::when(true, entry));
        }
        let (lifetime, ttl) = self.bent(key, entry.meta().lifetime, options.ttl);
        let mut kept = entry.with_lifetime(lifetime);
        if self.is(Flaw::LosesMetadata) && !is_version(key) {
            let meta = Meta::new(entry.meta().created, lifetime).with_revision(entry.meta().revision);
            kept = with_meta(entry, meta);
        }
        if !is_version(key) {
            *lock(&self.memory.last) = Some(kept.clone());
        }
        let options = SetOptions::new(ttl).when(condition).with_until(options.until);
        let written = self.inner().set(key, &kept, &options).await?;
        Ok(if self.is(Flaw::DeniesAll) { Written::No } else { written })
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        self.fails(Operation::Touch, false)?;
        let Some(condition) = self.condition(options.condition) else { return Ok(false) };
        if self.is(Flaw::TouchesNothing) {
            return Ok(self.is_taken(key).await);
        }
        let (lifetime, ttl) = self.bent(key, options.lifetime, options.ttl);
        let options = TouchOptions::new(lifetime, ttl).when(condition).with_until(options.until);
        Ok(self.inner().touch(key, &options).await? && !self.is(Flaw::DeniesAll))
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        self.fails(Operation::Delete, false)?;
        let Some(condition) = self.condition(options.condition) else { return Ok(false) };
        if self.is(Flaw::DeletesNothing) {
            return Ok(self.is_taken(key).await);
        }
        Ok(self.inner().delete(key, &options.when(condition)).await? && !self.is(Flaw::DeniesAll))
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        if let Err(error) = self.fails(Operation::Get, true) {
            return keys.iter().map(|_| Err(error.clone())).collect();
        }
        if keys.is_empty() && self.is(Flaw::AnswersNobody) {
            return vec![Ok(Lookup::Miss(Miss::Absent))];
        }
        let mut found = self.inner().get_many(keys, options).await;
        for (key, found) in keys.iter().zip(&mut found) {
            if let Ok(found) = found {
                *found = self.passed_on(key, self.or_invented(key, found.clone()).await);
            }
        }
        found
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        if let Err(error) = self.fails(Operation::Set, true) {
            return items.iter().map(|_| Err(error.clone())).collect();
        }
        if items.is_empty() && self.is(Flaw::AnswersNobody) {
            return vec![Ok(Written::No)];
        }
        let mut written = Vec::with_capacity(items.len());
        for SetItem { key, entry, options, .. } in items {
            written.push(Forward::set(self, key, entry, options).await);
        }
        written
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        if let Err(error) = self.fails(Operation::Touch, true) {
            return items.iter().map(|_| Err(error.clone())).collect();
        }
        if items.is_empty() && self.is(Flaw::AnswersNobody) {
            return vec![Ok(false)];
        }
        let mut touched = Vec::with_capacity(items.len());
        for TouchItem { key, options, .. } in items {
            touched.push(Forward::touch(self, key, options).await);
        }
        touched
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        if let Err(error) = self.fails(Operation::Delete, true) {
            return items.iter().map(|_| Err(error.clone())).collect();
        }
        if items.is_empty() && self.is(Flaw::AnswersNobody) {
            return vec![Ok(false)];
        }
        let mut removed = Vec::with_capacity(items.len());
        for DeleteItem { key, options, .. } in items {
            removed.push(Forward::delete(self, key, options).await);
        }
        removed
    }

    async fn close(&self) -> Result<()> {
        self.fails(Operation::Close, false)?;
        self.inner().close().await
    }

    fn invalidation(&self) -> Invalidation<'_> {
        match self.inner().invalidation() {
            Invalidation::Here(_) if self.is(Flaw::LosesVersions) => {
                let place = usize::from(self.asked.fetch_xor(true, Relaxed));
                Invalidation::Here(&self.versions[place])
            }
            invalidation => invalidation,
        }
    }

    fn counters(&self) -> Option<&dyn Counters> {
        self.inner().counters().map(|_| self as &dyn Counters)
    }
}

#[async_trait]
impl Counters for Flawed {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        self.fails(Operation::Increment, false)?;
        let counters = self.inner().counters();
        let Some(counters) = counters.filter(|_| !self.is(Flaw::StoresNothing)) else {
            return Ok(options.initial);
        };
        counters.increment(key, by, options).await
    }
}

impl fmt::Debug for Flawed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flawed({:?})", self.flaw)
    }
}
