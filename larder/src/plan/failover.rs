//! `[stores.NAME] failover`: a store that another one stands in for.

use std::sync::Arc;

use figment::value::{Dict, Value};
use larder_core::{
    Backend,
    layer::{Breaker, Failover},
};

use super::{Planner, names::unknown, traced::traced};
use crate::{
    config::{Section, quoted},
    model::NONE,
};

/// A store that waits for its second one.
pub(super) struct First<'p> {
    pub(super) name: String,
    /// What is Larder's own in it.
    pub(super) section: Section<'p>,
    pub(super) store: Breaker<Arc<dyn Backend>>,
    pub(super) second: String,
    /// Whether each call makes a span.
    pub(super) trace: bool,
}

impl<'p> Planner<'p> {
    /// Whether the store of the second name can stand in for the one of the first, as far as names tell. If not, it was said.
    pub(super) fn can_be_second(&mut self, name: &str, second: &str, section: &Section<'p>) -> bool {
        let is_known = |known: &String| known == second;
        let message = if second == name {
            format!("names this store itself; name another one, that answers while {} is away", quoted(name))
        } else if !self.store_names.iter().chain(&self.also_stores).any(is_known) {
            let others = self.store_names.iter().map(String::as_str).filter(|other| *other != name);
            unknown("store", second, others)
        } else {
            match self.failover_of(second) {
                Some(back) if back == name => format!(
                    "the stores {} and {} name each other; only the one that is used first has a failover",
                    quoted(name),
                    quoted(second)
                ),
                Some(third) => format!(
                    "the store {} has a failover itself, to {}; a store that stands in for another has none",
                    quoted(second),
                    quoted(third)
                ),
                None => return true,
            }
        };
        self.mistakes.add(section.mistake("failover", message));
        false
    }

    /// What this store names as its failover.
    fn failover_of(&self, name: &str) -> Option<&'p str> {
        let section = |dict: &'p Dict, key: &str| dict.get(key).and_then(Value::as_dict);
        let store = section(section(&self.tree.root, "stores")?, name)?;
        store.get("failover").and_then(Value::as_str).filter(|second| *second != NONE)
    }

    /// Makes one of the two stores.
    pub(super) fn plan_failover(&mut self, first: First<'p>) {
        let First { name, section, store, second, trace } = first;
        // What is wrong with that one was said.
        let Some(standby) = self.stores.get(&second).map(Arc::clone) else { return };
        match Failover::new(store, standby, self.clock) {
            Ok(store) => drop(self.stores.insert(name.clone(), traced(Arc::new(store), &name, trace))),
            Err(error) => self.mistakes.add(section.mistake("failover", error.message())),
        }
    }
}
