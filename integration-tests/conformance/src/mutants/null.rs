//! Stores that say they keep nothing, and are wrong about it in one way.

use std::fmt;

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Result, Ttl,
    backend::{Capabilities, Condition, Lookup, SetOptions},
    entry::Lifetime,
    key::StoreKey,
    versions::Versions,
};

use super::Mutant;
use crate::{reference::ReferenceBackend, store::Store};

macro_rules! mutants {
    ($($flaw:ident $name:literal => $caught_by:literal;)*) => {
        /// The one way in which a store is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Flaw { $($flaw),* }

        pub(super) const MUTANTS: &[Mutant] = &[$(
            Mutant {
                name: $name,
                caught_by: $caught_by,
                make: |clock: Clock| {
                    Store::new(BrokenNull { kept: ReferenceBackend::new(clock), flaw: Flaw::$flaw })
                },
            },
        )*];
    };
}

mutants! {
    Keeps "keeps what it should forget" => "null::get_misses_after_a_set";
    AddIsFalse "refuses to add" => "null::add_is_true_every_time";
    DeleteIsTrue "says it removed what it never had" => "null::delete_is_false";
}

struct BrokenNull {
    kept: ReferenceBackend,
    flaw: Flaw,
}

#[async_trait]
impl Backend for BrokenNull {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.kept.capabilities();
        capabilities.stores = false;
        capabilities
    }

    async fn get(&self, key: &StoreKey<'_>) -> Result<Lookup> {
        self.kept.get(key).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<bool> {
        match (self.flaw, options.condition) {
            (Flaw::Keeps, _) => self.kept.set(key, entry, options).await,
            (Flaw::AddIsFalse, Condition::Absent) | (_, Condition::Present | Condition::Unchanged(_)) => {
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    async fn touch(&self, _: &StoreKey<'_>, _: Lifetime, _: Ttl) -> Result<bool> {
        Ok(false)
    }

    async fn delete(&self, _: &StoreKey<'_>) -> Result<bool> {
        Ok(self.flaw == Flaw::DeleteIsTrue)
    }

    async fn close(&self) -> Result<()> {
        self.kept.close().await
    }

    fn versions(&self) -> Option<&Versions> {
        self.kept.versions()
    }
}

impl fmt::Debug for BrokenNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokenNull({:?})", self.flaw)
    }
}
