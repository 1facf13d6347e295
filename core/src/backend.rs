//! The trait that a store implements, and what its methods take and give.
//!
//! Users of a cache do not meet it: they have [`Cache`](crate::Cache). Implementors find the rules here, and
//! the conformance suite checks them.

mod bounded;
mod bus;
mod capabilities;
mod circuit;
mod counters;
mod era;
mod forward;
mod listing;
mod null;
mod options;
mod shards;

use std::fmt::Debug;

use async_trait::async_trait;

pub(crate) use self::bus::Pulse;
pub use self::{
    bounded::{Bound, Bounded, Cause, Observer, Usage},
    bus::{Bus, Ear, Notice, SILENCE},
    capabilities::{Capabilities, CounterEnds},
    circuit::{Circuit, CircuitState},
    counters::{CounterOptions, Counters},
    era::Era,
    forward::Forward,
    listing::{Listed, Listing},
    null::NullBackend,
    options::{
        Condition, DeleteItem, DeleteOptions, GetOptions, SetItem, SetOptions, TouchItem, TouchOptions,
        Written,
    },
    shards::Shards,
};
use crate::{entry::Entry, error::Result, key::StoreKey, miss::Miss, versions::Versions};

/// What a lookup found. The third possibility, that the store could not say, is an
/// [`Error`](crate::Error) around it and never a miss.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// There is an entry.
    Hit(Entry),
    /// There is none, and why.
    Miss(Miss),
}

impl Lookup {
    /// The entry, if there is one.
    pub fn entry(self) -> Option<Entry> {
        match self {
            Self::Hit(entry) => Some(entry),
            Self::Miss(_) => None,
        }
    }
}

impl From<Result<Entry, Miss>> for Lookup {
    fn from(read: Result<Entry, Miss>) -> Self {
        match read {
            Ok(entry) => Self::Hit(entry),
            Err(miss) => Self::Miss(miss),
        }
    }
}

/// Where the versions of tags and namespaces live.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Invalidation<'a> {
    /// In this process, beside the entries, which no other process sees and which end with it.
    Here(&'a Versions),
    /// In the store itself, as small entries of their own: the entries are seen by other processes, or outlive this one.
    There,
}

impl<'a> Invalidation<'a> {
    /// The versions, if they are in this process.
    pub const fn here(self) -> Option<&'a Versions> {
        match self {
            Self::Here(versions) => Some(versions),
            Self::There => None,
        }
    }
}

/// A store, or a layer around one.
///
/// # Contract
/// - **Three answers.** A lookup is a hit, a miss with a reason, or an error. A store that fails is an error,
///   never a miss and never an empty list.
/// - **No default that lies.** What a store cannot do is [`ErrorKind::Unsupported`](crate::ErrorKind).
/// - **Constructing connects to nothing.** A store that is down is an error of the first operation, and is
///   used again automatically when it is back.
/// - **Dropping a future is safe at every point.** A reply reaches only the request that caused it; a
///   connection whose state is in doubt is closed.
/// - **Bytes from a store are hostile.** Remote stores give them to [`envelope::read`](crate::envelope::read)
///   and return what it says.
/// - **Operations are bounded in time**, either here or by a [`Deadline`](crate::layer::Deadline) around. `until` in
///   the options is when the caller stops waiting; a store need not look at it, the layer does.
/// - Errors hold neither credentials nor values.
///
/// # Layers
/// A layer implements [`Forward`] instead and names only what it changes.
#[async_trait]
pub trait Backend: Send + Sync + Debug + 'static {
    /// What the store, with everything around it, can do.
    fn capabilities(&self) -> Capabilities;

    /// Looks a key up without waiting and without a future, if the store is in this process. `None` means
    /// "ask [`get`](Self::get)".
    ///
    /// Same behaviour as `get` otherwise. This is the hot path: it should not allocate.
    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        let _ = key;
        None
    }

    /// Looks a key up.
    ///
    /// - Never returns an entry whose TTL has ended by the store's own clock.
    /// - Does not change the entry's TTL.
    /// - Does not repair or remove bytes it cannot read: somebody may just have written better ones.
    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup>;

    /// Writes an entry: value, TTL and metadata are all replaced. Says whether the condition held and, if so, by which
    /// token the store knows what was written.
    ///
    /// - The entry ends after `options.ttl`, rounded up to the store's resolution.
    /// - Of several concurrent writes with [`Condition::Absent`] exactly one takes place, if
    ///   [`Capabilities::atomic_add`].
    /// - A value too large for the store is [`ErrorKind::TooLarge`](crate::ErrorKind), and the old entry is
    ///   gone, unless the write had a condition: then it is unchanged.
    /// - A condition the store cannot check is [`ErrorKind::Unsupported`](crate::ErrorKind).
    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written>;

    /// Gives a live entry another TTL; the value and its token are unchanged. `false` if there is none, or it is not the
    /// one of the condition ([`Condition::Always`] and [`Condition::Present`] mean any live entry).
    ///
    /// Later reads see the new [`Lifetime`](crate::entry::Lifetime), so a store of envelopes must also replace the moments
    /// in them.
    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool>;

    /// Removes an entry. `true` if a live one was there and the condition held; an expired one is none.
    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool>;

    /// Ends the backend's use: later operations fail with [`ErrorKind::Closed`](crate::ErrorKind). Closing
    /// twice is no error. Nothing in the store is removed.
    async fn close(&self) -> Result<()>;

    /// Looks several keys up. One answer per key, in the order of the keys; a part of the store that fails
    /// fails its own keys only; no keys, no I/O; more than the store takes at once is split.
    ///
    /// The default asks one by one.
    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.get(key, options).await);
        }
        found
    }

    /// Writes several entries; one answer each, as [`set`](Self::set) gives it.
    ///
    /// The default writes one by one.
    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut written = Vec::with_capacity(items.len());
        for item in items {
            written.push(self.set(&item.key, &item.entry, &item.options).await);
        }
        written
    }

    /// Gives several entries another TTL; one answer each, as [`touch`](Self::touch) gives it.
    ///
    /// The default touches one by one.
    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let mut touched = Vec::with_capacity(items.len());
        for item in items {
            touched.push(self.touch(&item.key, &item.options).await);
        }
        touched
    }

    /// Removes several entries; one answer each, as [`delete`](Self::delete) gives it.
    ///
    /// The default removes one by one.
    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let mut removed = Vec::with_capacity(items.len());
        for item in items {
            removed.push(self.delete(&item.key, &item.options).await);
        }
        removed
    }

    /// Where the versions of tags and namespaces live. An in-process backend holds one [`Versions`] for as long as it
    /// holds entries and returns it here; every other store keeps them as entries, which is the default.
    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::There
    }

    /// Counters, if the store has them.
    fn counters(&self) -> Option<&dyn Counters> {
        None
    }

    /// How this process hears what others change in the store, if it can.
    fn bus(&self) -> Option<&dyn Bus> {
        None
    }

    /// Lists keys, if the store can.
    fn listing(&self) -> Option<&dyn Listing> {
        None
    }

    /// What its servers say they are, such as `Redis 7.0.15`: those that say it, one for each. For people; a store in memory has
    /// nothing to say.
    ///
    /// # Errors
    /// Those of a read.
    async fn about(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// The parts in which the store fails, if there are several. `None`: it works or fails as a whole.
    fn shards(&self) -> Option<&dyn Shards> {
        None
    }

    /// Which store it is at the moment, if that changes: see [`Failover`](crate::layer::Failover). `None`: always the same.
    fn era(&self) -> Option<Era> {
        None
    }

    /// Whether its servers are asked at all: one for each [breaker](crate::layer::Breaker) around them. Empty without.
    fn circuits(&self) -> Vec<Circuit> {
        Vec::new()
    }

    /// What the store has noticed of its server that an operator should change, such as an eviction policy that is not one for
    /// a cache: a sentence each, without secrets. Asks nobody; costs no more than looking it up.
    fn advice(&self) -> Vec<String> {
        Vec::new()
    }

    /// What a store in this process's memory knows of its bound, if it has one.
    fn bounded(&self) -> Option<&dyn Bounded> {
        None
    }
}
