//! The refresh gap: a write is acknowledged before searches see it, so an answer that was made in between is old although it is new.
//!
//! "Dirty until" is kept beside an index's generation, in the store that all proxies share and by its clock, and is read with it.

use std::time::{Duration, SystemTime};

/// What a write's `refresh` parameter asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// `refresh`, `refresh=true`, `refresh=wait_for`: when the answer is there, searches see the write.
    BeforeAnswer,
    /// Absent, or `refresh=false`: searches see it when the interval is over.
    Later,
}

/// Since a write, how long searches may not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dirty {
    /// They see everything.
    Clean,
    /// They see everything from this instant on.
    Until(SystemTime),
    /// They see it when somebody asks for a refresh: the index has no interval (`refresh_interval: -1`).
    UntilRefresh,
}

impl Refresh {
    /// By the query string of a write. What is not known counts as absent.
    pub fn of(query: Option<&str>) -> Self {
        let parameters = crate::query::parse(query.unwrap_or_default()).unwrap_or_default();
        match parameters.get("refresh") {
            Some("" | "true" | "wait_for") => Self::BeforeAnswer,
            _ => Self::Later,
        }
    }

    /// How long the index is dirty, for the mark that is set after the answer to a write.
    ///
    /// `answered` is the time at which the answer came: the next refresh may begin an interval later. `interval` is the
    /// index's `refresh_interval` (1 s by default), none where it has none. `margin` is what a refresh itself may take, and
    /// what clocks may differ.
    ///
    /// A failed or lost answer counts as [`Later`](Self::Later): the write may have happened.
    pub fn dirty(self, answered: SystemTime, interval: Option<Duration>, margin: Duration) -> Dirty {
        match (self, interval) {
            (Self::BeforeAnswer, _) => Dirty::Clean,
            (Self::Later, None) => Dirty::UntilRefresh,
            (Self::Later, Some(interval)) => interval
                .checked_add(margin)
                .and_then(|gap| answered.checked_add(gap))
                .map_or(Dirty::UntilRefresh, Dirty::Until),
        }
    }
}

impl Dirty {
    /// The mark that is set before a write is forwarded, whatever it asks for: until its answer comes at the latest by
    /// `deadline`, and an interval from then on. A proxy that dies in between leaves this one.
    pub fn before(now: SystemTime, deadline: Duration, interval: Option<Duration>, margin: Duration) -> Self {
        now.checked_add(deadline)
            .map_or(Self::UntilRefresh, |answered| Refresh::Later.dirty(answered, interval, margin))
    }

    /// The later of two marks of one index: a clean write does not end the gap of another.
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }

    /// How long an answer may be stored that was asked for at `asked`, of `ttl`. None: not at all.
    ///
    /// The instant before the upstream was asked counts: what it has seen is at least what there was then. An answer of the gap
    /// ends with it.
    ///
    /// ```
    /// # use std::time::{Duration, SystemTime};
    /// # use larder_http::search::{Dirty, Refresh};
    /// let (now, second) = (SystemTime::now(), Duration::from_secs(1));
    /// let dirty = Refresh::of(Some("routing=a")).dirty(now, Some(second), Duration::ZERO);
    /// assert_eq!(dirty.ttl(60 * second, now + second / 4), Some(second * 3 / 4));
    /// assert_eq!(dirty.ttl(60 * second, now + second), Some(60 * second));
    /// ```
    pub fn ttl(self, ttl: Duration, asked: SystemTime) -> Option<Duration> {
        match self {
            Self::Clean => Some(ttl),
            Self::UntilRefresh => None,
            Self::Until(until) => match until.duration_since(asked) {
                Ok(left) if !left.is_zero() => Some(ttl.min(left)),
                _ => Some(ttl),
            },
        }
    }
}
