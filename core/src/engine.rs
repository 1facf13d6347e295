//! The engine: what happens between a call on a cache and its store. Types, each knowing only what stands above it in this
//! list; `docs/ARCHITECTURE.md` goes through a read, a load and an invalidation.
//!
//! | module | what it is |
//! |---|---|
//! | [`budget`] | how much of the time that a call may wait for its store is left |
//! | [`waits`] | which load waits for which |
//! | [`pauses`] | what is left alone for a while |
//! | [`freshness`] | the arithmetic of a policy |
//! | [`events`], [`stats`], [`departures`], [`throttle`] | what happens, told and counted |
//! | [`encoding`], [`weight`], [`fetched`], [`reading`], [`loaded`] | values, as bytes and as objects, and what surrounds them |
//! | [`panics`], [`loader`], [`call`] | a caller's code, and what its call says |
//! | [`stamps`] | what entries are written under |
//! | [`register`] | where the versions of tags and namespaces live: here or there |
//! | [`store`] | the only one who calls a backend |
//! | [`lease`] | the right to load, across processes |
//! | [`flight`] | loads in progress |
//! | [`kit`] | all of these, for one cache |
//! | [`slide`] | reading that extends a TTL |
//! | [`look`] | plain reading |
//! | [`wanted`] | one key that a load is for |
//! | [`keep`] | what becomes of what a loader made |
//! | [`run`] | a load, from its permit to its landing |
//! | [`remove`], [`change`], [`count`] | removing, touching and invalidating; writing; counters |
//! | [`ask`] | from a key to a value: serve, wait or load |

pub(crate) mod ask;
pub(crate) mod budget;
pub(crate) mod call;
pub(crate) mod change;
pub(crate) mod count;
pub(crate) mod departures;
pub(crate) mod encoding;
pub(crate) mod events;
pub(crate) mod fetched;
pub(crate) mod flight;
pub(crate) mod freshness;
pub(crate) mod keep;
pub(crate) mod kit;
pub(crate) mod lease;
pub(crate) mod loaded;
pub(crate) mod loader;
pub(crate) mod look;
pub(crate) mod near;
pub(crate) mod own;
pub(crate) mod panics;
pub(crate) mod pauses;
pub(crate) mod reading;
pub(crate) mod register;
pub(crate) mod remove;
pub(crate) mod run;
pub(crate) mod slide;
pub(crate) mod stamps;
pub(crate) mod stats;
pub(crate) mod store;
pub(crate) mod tally;
pub(crate) mod throttle;
pub(crate) mod waits;
pub(crate) mod wanted;
pub(crate) mod watcher;
pub(crate) mod weight;

/// What there is usually one of: in place, without an allocation, up to one.
pub(crate) type Few<T> = smallvec::SmallVec<[T; 1]>;
