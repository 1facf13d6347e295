//! Bounds: an optional ability of a store.

use std::{
    fmt::{self, Debug},
    sync::Weak,
};

use crate::{
    entry::Entry,
    key::{Namespace, StoreKey},
};

/// How full a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// How many entries it keeps, expired ones that are not freed yet included.
    pub entries: u64,
    /// What they count together, in the unit of the bound.
    pub weight: u64,
    /// The bound.
    pub bound: Bound,
}

impl Usage {
    /// So many entries of this weight in a store of this bound.
    pub const fn new(entries: u64, weight: u64, bound: Bound) -> Self {
        Self { entries, weight, bound }
    }
}

/// What a store is bounded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// This many entries, whatever their size.
    Entries(u64),
    /// This many bytes.
    Bytes(u64),
}

impl Bound {
    /// The most weight that the store holds: a number of entries or of bytes.
    pub const fn capacity(self) -> u64 {
        let (Self::Entries(capacity) | Self::Bytes(capacity)) = self;
        capacity
    }
}

/// Why an entry is no longer in its store, although nobody has removed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// It was usable, and the store needed the room. Where this is most of them, the store is too small.
    Evicted,
    /// Its TTL was over. Where this is most of them, the store is large enough, and a longer TTL would find more.
    Expired,
    /// Another one was written under its key.
    Replaced,
}

impl Cause {
    /// The name used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Is told of entries that leave a store. Called by whoever wrote, read or swept when they left, with no lock of the store
/// held: it must neither block nor take long.
pub trait Observer: Send + Sync {
    /// The entry under this key, without its namespace, has left.
    fn left(&self, key: &str, entry: &Entry, cause: Cause);
}

/// A store that is bounded in this process's memory, knows how full it is, and tells what it drops.
///
/// # Contract
/// - At no time do the entries weigh more than the bound; a store that evicts in the background may exceed it by a few
///   percent for a moment. Weights saturate: an entry that is too heavy is
///   [`ErrorKind::TooLarge`](crate::ErrorKind), whatever its weigher answers.
/// - What is made later counts as well: see [`grew`](Self::grew).
/// - Every entry that leaves is reported once, with its cause, to every observer of its namespace that still exists. What was
///   removed by [`delete`](super::Backend::delete) is not told; nor is a touch. A dead entry, whose tag or namespace was
///   invalidated, counts as usable: the store does not know.
pub trait Bounded: Send + Sync + Debug {
    /// How full it is. May walk over the store's parts.
    fn usage(&self) -> Usage;

    /// From now on tells this observer of entries of this namespace, and of no other, that leave the store. It is forgotten
    /// when it is dropped.
    fn observe(&self, namespace: &Namespace, observer: Weak<dyn Observer>);

    /// The entry under this key may take more memory than when it was written, since its bytes or its object were made
    /// meanwhile: it is weighed again, and the store makes room. An entry that has become too heavy is evicted.
    ///
    /// To be called after the bytes or the object were made, by whoever had them made.
    fn grew(&self, key: &StoreKey<'_>);

    /// The second entry is the first in a form that is read faster: decoded, with its value within. A store that holds the first
    /// itself (see [`Entry::is`]) holds the second from now on, with the TTL that the first has there, and weighs it. A store
    /// that holds another one, or none, does nothing; and so may any other.
    fn exchange(&self, key: &StoreKey<'_>, from: &Entry, to: &Entry) {
        let _ = (key, from, to);
    }
}
