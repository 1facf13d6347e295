//! Stores that say they keep nothing, and are wrong about it in one way.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Result,
    backend::{
        Capabilities, Condition, CounterOptions, Counters, DeleteOptions, GetOptions, Invalidation, Lookup,
        SetOptions, TouchOptions, Written,
    },
    key::StoreKey,
};

use super::{Mutant, invented};
use crate::{reference::ReferenceBackend, store::Store};

mutants! {
    |clock, flaw| Store::new(BrokenNull::new(clock, flaw));

    Keeps "keeps what it should forget" => "null::set_succeeds_and_get_misses";
    AddIsFalse "refuses to add" => "null::add_is_always_true";
    TouchIsTrue "says it touched what it never had" => "null::the_store_itself_has_nothing";
    Counts "goes on counting from what it should forget" => "null::a_counter_is_always_new";
    Invents "keeps nothing, and finds what nobody wrote" => "null::callers_at_once_share_a_load";
    DeleteIsTrue "says it removed what it never had" => "null::the_store_itself_has_nothing";
}

/// The store without a flaw.
pub(super) fn healthy(clock: Clock) -> Store {
    Store::new(BrokenNull::new(clock, None))
}

struct BrokenNull {
    kept: Arc<ReferenceBackend>,
    clock: Clock,
    flaw: Option<Flaw>,
}

impl BrokenNull {
    fn new(clock: Clock, flaw: Option<Flaw>) -> Self {
        Self { kept: Arc::new(ReferenceBackend::new(clock.clone())), clock, flaw }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

#[async_trait]
impl Backend for BrokenNull {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Backend::capabilities(&*self.kept);
        capabilities.keeps = false;
        capabilities
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        if self.is(Flaw::Invents)
            && let Some(entry) = invented(self.kept.clone(), &self.clock, key).await
        {
            return Ok(Lookup::Hit(entry));
        }
        Backend::get(&*self.kept, key, options).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        match (self.flaw, options.condition) {
            (Some(Flaw::Keeps), _) => Backend::set(&*self.kept, key, entry, options).await,
            (Some(Flaw::AddIsFalse), Condition::Absent)
            | (_, Condition::Present | Condition::Unchanged(_)) => Ok(Written::No),
            _ => Ok(Written::when(true, entry)),
        }
    }

    async fn touch(&self, _: &StoreKey<'_>, _: &TouchOptions) -> Result<bool> {
        Ok(self.is(Flaw::TouchIsTrue))
    }

    async fn delete(&self, _: &StoreKey<'_>, _: &DeleteOptions) -> Result<bool> {
        Ok(self.is(Flaw::DeleteIsTrue))
    }

    async fn close(&self) -> Result<()> {
        Backend::close(&*self.kept).await
    }

    fn invalidation(&self) -> Invalidation<'_> {
        Backend::invalidation(&*self.kept)
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }
}

#[async_trait]
impl Counters for BrokenNull {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        if self.is(Flaw::Counts) { self.kept.increment(key, by, options).await } else { Ok(options.initial) }
    }
}

impl fmt::Debug for BrokenNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokenNull({:?})", self.flaw)
    }
}
