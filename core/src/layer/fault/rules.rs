//! What goes wrong, with which calls, how often and when.

use std::time::Duration;

use crate::error::ErrorKind;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mishap {
    /// It fails in this way, and the store is not asked.
    Fails(ErrorKind),
    /// It begins this much later. Then the rules that follow are looked at.
    Delays(Duration),
    /// It never ends, and the store is not asked.
    Hangs,
    /// The store does it, and its caller gets an error of this kind: a write has landed all the same.
    LosesReply(ErrorKind),
}

/// Which calls are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Calls {
    /// All of them, except closing.
    #[default]
    All,
    /// Reads.
    Reads,
    /// Writes, touches and changes of counters.
    Writes,
    /// Removals.
    Deletes,
}

impl Calls {
    pub(super) fn mean(self, call: Self) -> bool {
        self == Self::All || self == call
    }
}

/// What goes wrong, with which calls, how often and when. Unless it says otherwise: with all calls, always.
///
/// ```
/// use larder_core::{ErrorKind, layer::{Calls, FaultRule, Mishap}};
/// use std::time::Duration;
///
/// // One read in ten is 30 ms late, and from the fifth to the tenth second no write arrives.
/// let rules = [
///     FaultRule::new(Mishap::Delays(Duration::from_millis(30))).on(Calls::Reads).with_probability(0.1),
///     FaultRule::new(Mishap::Fails(ErrorKind::Unavailable))
///         .on(Calls::Writes)
///         .between(Duration::from_secs(5), Duration::from_secs(10)),
/// ];
/// # assert_eq!(rules.len(), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct FaultRule {
    pub(super) mishap: Mishap,
    pub(super) calls: Calls,
    pub(super) probability: f64,
    pub(super) from: Duration,
    pub(super) until: Duration,
}

impl FaultRule {
    /// With all calls, always.
    pub const fn new(mishap: Mishap) -> Self {
        Self { mishap, calls: Calls::All, probability: 1.0, from: Duration::ZERO, until: Duration::MAX }
    }

    /// With these calls only.
    pub const fn on(mut self, calls: Calls) -> Self {
        self.calls = calls;
        self
    }

    /// With this share of them, chosen randomly: from 0, never, to 1, always. A bulk call is one.
    pub const fn with_probability(mut self, share: f64) -> Self {
        self.probability = share;
        self
    }

    /// Only from the one time to the other, which is not included, both since the rules were set.
    pub const fn between(mut self, from: Duration, until: Duration) -> Self {
        (self.from, self.until) = (from, until);
        self
    }
}
