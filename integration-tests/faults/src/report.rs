//! What a worker receives as its orders, and what it reports.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{fault::Work, store::Client};

/// The time that a call may wait for its store.
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);
/// How long a loader takes.
pub(crate) const LOADER: Duration = Duration::from_millis(10);

/// What a worker receives.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) store: String,
    pub(crate) client: Client,
    pub(crate) work: Work,
    pub(crate) from_start: bool,
    pub(crate) ends: bool,
    pub(crate) calls: u64,
    /// Between the beginnings of two calls.
    pub(crate) pause: Duration,
    /// How many keys are known before the fault begins.
    pub(crate) keys: u64,
    pub(crate) seed: u64,
}

/// What a worker has measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Calls that were made while the fault was there.
    pub(crate) calls: u64,
    /// Calls, in all phases, that got no value.
    pub(crate) errors: u64,
    /// Values, in all phases, that were another key's.
    pub(crate) wrong: u64,
    /// Values that were invalidated before the call began, in all phases.
    pub(crate) stale: u64,
    /// The first of each of these.
    pub(crate) examples: Vec<String>,
    /// Times of the calls that were made while the fault was there.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
    /// By how much two bare timers, of deadline and loader, were late, begun with the calls: 99 in 100 by no more.
    pub(crate) late: Duration,
    /// Calls for known keys, how many of them were hits, how many different keys those were for, and how many different
    /// keys the others were for.
    pub(crate) known: u64,
    pub(crate) hits: u64,
    pub(crate) keys_hit: u64,
    pub(crate) keys_missed: u64,
    /// How often the store failed while the fault was there, by kind.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Entries that were found under another key, in all phases.
    pub(crate) foreign: u64,
    /// Lines in the log at the level `INFO` and above, from the fault's beginning to the end of the trial, and the first.
    pub(crate) lines: u64,
    pub(crate) log: Vec<String>,
    /// From the end of the fault until all of several keys were hits again.
    pub(crate) back: Option<Duration>,
    pub(crate) tasks: Left,
    pub(crate) descriptors: Left,
}

/// Something that must be as many afterwards as it was before.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Before the store was opened.
    pub(crate) at_first: u64,
    /// With the store in use, before the fault and after it; not known where the fault was there from the start.
    pub(crate) before: Option<u64>,
    pub(crate) after: u64,
    /// When the store was closed and dropped.
    pub(crate) at_last: u64,
}

impl Left {
    /// How many there are too many.
    pub(crate) fn too_many(self) -> u64 {
        let in_use = self.before.map_or(0, |before| self.after.saturating_sub(before));
        in_use.max(self.at_last.saturating_sub(self.at_first))
    }
}
