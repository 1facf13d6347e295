//! What a store can do, in figures.

use std::time::Duration;

/// What a store can do, in figures. It describes the whole stack: a layer changes what it changes.
///
/// Abilities that are behaviour are not here: they are methods that either work or say
/// [`ErrorKind::Unsupported`](crate::ErrorKind).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not states")]
#[must_use]
pub struct Capabilities {
    /// Lives are rounded up to a multiple of this, and an entry may be gone up to this much later than asked.
    pub ttl_resolution: Duration,
    /// The largest envelope the store takes, in bytes, where that is known. `None` for no limit that is known.
    pub max_value: Option<u64>,
    /// Whether of several concurrent adds of one key exactly one succeeds.
    pub atomic_add: bool,
    /// Whether [`Condition::Unchanged`](super::Condition) is supported.
    pub compare_and_set: bool,
    /// Whether entries outlive this process.
    pub survives_restart: bool,
    /// Whether other processes see the same entries.
    pub shared: bool,
    /// Whether the store keeps anything at all. Only the null backend does not.
    pub keeps: bool,
    /// The longest that one operation takes before it is an error, where something sees to that
    /// ([`Deadline`](crate::layer::Deadline)). It is also the most that a whole call waits for the store.
    pub deadline: Option<Duration>,
    /// What counters do at their ends.
    pub counter_ends: CounterEnds,
    /// In a [chain](crate::chain::Chain): how old a near copy may be. What [`get_now`](super::Backend::get_now) gives is then such a
    /// copy. `None` elsewhere.
    pub near_ttl: Option<Duration>,
}

/// What a counter does below zero and above [`u64::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CounterEnds {
    /// It stops at both.
    #[default]
    Stop,
    /// It stops at zero, and above the largest number it begins at zero again, as Memcached's do.
    StopAndWrap,
    /// It holds the numbers from zero to [`i64::MAX`]; a step beyond either is
    /// [`ErrorKind::OutOfRange`](crate::ErrorKind) and changes nothing.
    Refuse,
}

impl Capabilities {
    /// A store in this process's memory: millisecond lives, atomic, forgotten at exit.
    pub const fn in_process() -> Self {
        Self {
            ttl_resolution: Duration::from_millis(1),
            max_value: None,
            atomic_add: true,
            compare_and_set: true,
            survives_restart: false,
            shared: false,
            keeps: true,
            deadline: None,
            counter_ends: CounterEnds::Stop,
            near_ttl: None,
        }
    }

    /// A server that several processes share.
    pub const fn shared() -> Self {
        Self { survives_restart: true, shared: true, ..Self::in_process() }
    }

    /// The same with lives in steps of this length.
    pub const fn with_ttl_resolution(mut self, resolution: Duration) -> Self {
        self.ttl_resolution = resolution;
        self
    }

    /// The same with a largest value, in bytes.
    pub const fn with_max_value(mut self, bytes: Option<u64>) -> Self {
        self.max_value = bytes;
        self
    }

    /// The same with this answer to whether of several concurrent adds exactly one succeeds.
    pub const fn with_atomic_add(mut self, atomic: bool) -> Self {
        self.atomic_add = atomic;
        self
    }

    /// The same with this answer to whether compare-and-set is supported.
    pub const fn with_compare_and_set(mut self, supported: bool) -> Self {
        self.compare_and_set = supported;
        self
    }

    /// The same with this deadline for each operation.
    pub const fn with_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same with near copies that may be this old.
    pub const fn with_near_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.near_ttl = ttl;
        self
    }

    /// The same with counters that do this at their ends.
    pub const fn with_counter_ends(mut self, ends: CounterEnds) -> Self {
        self.counter_ends = ends;
        self
    }
}
