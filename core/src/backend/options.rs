//! How an operation is to be done, and what a write answers.

use tokio::time::Instant;

use crate::{
    entry::{Entry, Lifetime, Token},
    key::StoreKey,
    ttl::Ttl,
};

/// When an operation takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// Only if there is no live entry.
    Absent,
    /// Only if there is a live entry.
    Present,
    /// Only if the entry is still in the state that this token, from [`Entry::token`] or [`Written::Yes`], names.
    Unchanged(Token),
}

impl Condition {
    /// Whether it holds where there is this live entry, or none. For stores that look before they write, under a lock.
    pub fn holds(self, live: Option<&Entry>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => live.is_none(),
            Self::Present => live.is_some(),
            Self::Unchanged(token) => live.is_some_and(|entry| entry.token() == token),
        }
    }
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It took place, and the store knows what was written by this token.
    Yes(Token),
    /// The condition did not hold.
    No,
}

impl Written {
    /// For stores that know an entry by its revision, as [`Entry::token`] does unless the backend says otherwise.
    pub fn when(took_place: bool, entry: &Entry) -> Self {
        if took_place { Self::Yes(Token(entry.meta().revision)) } else { Self::No }
    }

    /// Whether it took place.
    pub const fn took_place(self) -> bool {
        matches!(self, Self::Yes(_))
    }
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[must_use]
pub struct GetOptions {
    /// When the caller stops waiting; `None` for no limit of its own.
    pub until: Option<Instant>,
    /// Whether a [chain](crate::chain::Chain) passes its near copies: the store itself is to answer.
    pub far: bool,
}

impl GetOptions {
    /// Without a limit.
    pub const fn new() -> Self {
        Self { until: None, far: false }
    }

    /// The same for a caller that waits until then.
    pub const fn with_until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// The same past near copies.
    pub const fn with_far(mut self, far: bool) -> Self {
        self.far = far;
        self
    }
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct SetOptions {
    /// How long the store keeps the entry; never zero. The entry's own [`Lifetime`] says the same as moments
    /// of the writer's clock; a store that counts time itself uses this one.
    pub ttl: Ttl,
    /// When the write takes place.
    pub condition: Condition,
    /// When the caller stops waiting; `None` for no limit of its own.
    pub until: Option<Instant>,
}

impl SetOptions {
    /// Always, for this long.
    pub const fn new(ttl: Ttl) -> Self {
        Self { ttl, condition: Condition::Always, until: None }
    }

    /// The same under a condition.
    pub const fn when(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// The same for a caller that waits until then.
    pub const fn with_until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }
}

/// How to change a TTL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct TouchOptions {
    /// The entry's new moments, by the writer's clock.
    pub lifetime: Lifetime,
    /// How long the store keeps the entry from now on; never zero.
    pub ttl: Ttl,
    /// Which entry is meant.
    pub condition: Condition,
    /// When the caller stops waiting; `None` for no limit of its own.
    pub until: Option<Instant>,
}

impl TouchOptions {
    /// Whatever live entry is there.
    pub const fn new(lifetime: Lifetime, ttl: Ttl) -> Self {
        Self { lifetime, ttl, condition: Condition::Always, until: None }
    }

    /// The same under a condition.
    pub const fn when(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// The same for a caller that waits until then.
    pub const fn with_until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }
}

/// How to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[must_use]
pub struct DeleteOptions {
    /// Which entry is meant.
    pub condition: Condition,
    /// When the caller stops waiting; `None` for no limit of its own.
    pub until: Option<Instant>,
}

impl DeleteOptions {
    /// Whatever is there.
    pub const fn new() -> Self {
        Self { condition: Condition::Always, until: None }
    }

    /// The same under a condition.
    pub const fn when(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// The same for a caller that waits until then.
    pub const fn with_until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }
}

/// One write of many.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SetItem<'a> {
    /// Where.
    pub key: StoreKey<'a>,
    /// What.
    pub entry: Entry,
    /// How.
    pub options: SetOptions,
}

impl<'a> SetItem<'a> {
    /// This entry under this key.
    pub const fn new(key: StoreKey<'a>, entry: Entry, options: SetOptions) -> Self {
        Self { key, entry, options }
    }
}

/// One new TTL of many.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TouchItem<'a> {
    /// Where.
    pub key: StoreKey<'a>,
    /// How.
    pub options: TouchOptions,
}

impl<'a> TouchItem<'a> {
    /// The entry under this key.
    pub const fn new(key: StoreKey<'a>, options: TouchOptions) -> Self {
        Self { key, options }
    }
}

/// One removal of many.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeleteItem<'a> {
    /// Where.
    pub key: StoreKey<'a>,
    /// How.
    pub options: DeleteOptions,
}

impl<'a> DeleteItem<'a> {
    /// The entry under this key.
    pub const fn new(key: StoreKey<'a>, options: DeleteOptions) -> Self {
        Self { key, options }
    }
}
