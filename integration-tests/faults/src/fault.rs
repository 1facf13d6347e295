//! The faults. One is an entry in one of the lists below: what is done to the servers, and what must be seen of it.

mod bus;
mod client;
mod one_of_three;
mod process;
mod refusals;
mod wire;

use std::time::Duration;

use larder_test_servers::Protocol;
use serde::{Deserialize, Serialize};

use crate::{
    Outcome,
    stage::Stage,
    store::{Store, Wants},
};

/// All of them, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Fault> {
    [process::FAULTS, wire::FAULTS, refusals::FAULTS, client::FAULTS, one_of_three::FAULTS, bus::FAULTS]
        .into_iter()
        .flatten()
}

/// What is tried in CI: of each kind what has found most.
pub(crate) const QUICK: &[&str] =
    &["none", "killed", "frozen", "delay-40", "cut", "garbage", "doubled", "too-large", "one-killed"];

/// Something that goes wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) on: On,
    pub(crate) through: Through,
    pub(crate) wants: Wants,
    /// It is there before the store is opened.
    pub(crate) from_start: bool,
    pub(crate) begin: Step,
    /// What is done again and again while it lasts.
    pub(crate) again: Option<(Duration, Step)>,
    /// What ends it; nothing does while the process runs, where this is missing.
    pub(crate) end: Option<Step>,
    pub(crate) work: Work,
    pub(crate) effect: Effect,
    pub(crate) serves: Serves,
}

pub(crate) type Step = fn(&Stage) -> Outcome;

/// What a fault is unless it says otherwise.
const USUAL: Fault = Fault {
    name: "",
    about: "",
    on: On::All,
    through: Through::Nothing,
    wants: Wants {
        password: false,
        no_eviction: false,
        few_clients: false,
        small_values: false,
        slow_start: false,
    },
    from_start: false,
    begin: |_| Ok(()),
    again: None,
    end: Some(|_| Ok(())),
    work: Work::Plain,
    effect: Effect::Fails,
    serves: Serves::Nothing,
};

/// On which stores there is such a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    All,
    Redis,
    /// Where several servers share the keys.
    Shards,
    /// Where a chain listens to what its far store tells.
    Buses,
}

/// What is between the client and the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    Nothing,
    Proxy,
    /// Where the server cannot be told to do it.
    ProxyIfNeeded,
}

/// What a worker does beside reading through the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    Plain,
    /// One in twenty values is larger than the server takes.
    TooLarge,
    /// The process may open nothing more.
    NoDescriptors,
    /// Keys are invalidated while the fault is there, and must stay so.
    Invalidates,
    /// The servers' names are unknown.
    UnknownNames,
}

/// How it shows that the fault was there at all: a trial in which it does not has tried nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Not: there is none.
    Nothing,
    /// Operations of the store fail, or connections are opened again.
    Fails,
    /// Half of the calls take at least this long.
    Slows(Duration),
    /// Known keys are missed.
    Misses,
}

/// What must come out of the store while the fault is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serves {
    /// It may be of no use.
    Nothing,
    /// Nine in ten of the known keys.
    Most,
    /// All known keys but those of one server.
    Others,
}

impl Fault {
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        all().find(|fault| fault.name == name)
    }

    pub(crate) fn exists_on(&self, store: &Store) -> bool {
        match self.on {
            On::All => true,
            On::Redis => store.protocol == Protocol::Resp,
            On::Shards => store.members > 1,
            On::Buses => store.is_chain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::STORES;

    #[test]
    fn names_are_names_of_one_fault_and_quick_ones_exist() {
        let mut names: Vec<_> = all().map(|fault| fault.name).collect();
        assert!(QUICK.iter().all(|name| names.contains(name)));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_store_has_most_of_them() {
        for store in STORES {
            assert!(all().filter(|fault| fault.exists_on(store)).count() > 25, "{}", store.name);
        }
    }
}
