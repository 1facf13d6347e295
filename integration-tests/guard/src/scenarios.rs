//! What is counted, by name.

mod envelope;
mod far;
mod keys;
mod memory;

use crate::{Outcome, rounds::Work};

/// One thing whose cost is guarded.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    about: &'static str,
    /// Whether it needs the URL of a Redis.
    needs_redis: bool,
    /// Gets that URL.
    pub(crate) prepare: fn(Option<&str>) -> Outcome<Box<dyn Work>>,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "near-get",
        about: "`get` of an entry in quick-cache",
        needs_redis: false,
        prepare: memory::near_get,
    },
    Scenario {
        name: "near-get-or-load",
        about: "`get_or_load` of an entry in quick-cache",
        needs_redis: false,
        prepare: memory::near_get_or_load,
    },
    Scenario {
        name: "miss",
        about: "`get_or_load` of an absent key in quick-cache, with a loader that answers at once",
        needs_redis: false,
        prepare: memory::miss,
    },
    Scenario {
        name: "far-get",
        about: "`get` of a struct as MessagePack in Redis, with a deadline: the client's side",
        needs_redis: true,
        prepare: far::get,
    },
    Scenario {
        name: "far-set",
        about: "`set` of the same, its making included",
        needs_redis: true,
        prepare: far::set,
    },
    Scenario {
        name: "key-short",
        about: "building and hashing a key of five short parts",
        needs_redis: false,
        prepare: keys::short,
    },
    Scenario {
        name: "key-long",
        about: "building, digesting and hashing a key of 300 bytes",
        needs_redis: false,
        prepare: keys::long,
    },
    Scenario {
        name: "envelope-read",
        about: "reading an envelope with a body of 1 KiB",
        needs_redis: false,
        prepare: envelope::read,
    },
];

/// Prints a line for each scenario: name, `redis` or `-`, and what it is, with tabs between.
pub(crate) fn list() {
    for Scenario { name, about, needs_redis, .. } in SCENARIOS {
        println!("{name}\t{}\t{about}", if *needs_redis { "redis" } else { "-" });
    }
}
