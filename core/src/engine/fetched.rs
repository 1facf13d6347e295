//! What a read gives.

use std::{fmt, fmt::Write as _, ops::Deref, sync::Arc, time::Duration};

use bytes::Bytes;

use super::encoding::Encoding;
use crate::{
    clock::Timestamp,
    entry::{Body, Entry, Meta},
    error::Result,
    miss::{Miss, Undecodable},
    ttl::Ttl,
    value::Value,
};

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// From the store, fresh.
    Hit,
    /// From the loader, and stored.
    Loaded,
    /// From the loader, and not stored: the store failed, or the key was invalidated while it was loading.
    LoadedNotStored,
    /// From the loader that another caller had begun.
    Joined,
    /// From the store, stale: a new value is being made behind it, or could not be made.
    Stale,
}

impl Status {
    /// The name used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Loaded => "loaded",
            Self::LoadedNotStored => "loaded_not_stored",
            Self::Joined => "joined",
            Self::Stale => "stale",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value out of a cache, and what is known about it. Derefs to the value; cloning shares it, as an `Arc` would.
pub struct Fetched<T> {
    /// The value, where it is not the live object of the entry.
    apart: Option<Arc<T>>,
    pub(crate) entry: Entry,
    pub(crate) status: Status,
    is_near: bool,
    pub(crate) at: Timestamp,
}

impl<T: Send + Sync + 'static> Fetched<T> {
    /// The value of an entry: this one or, if there is none, its live object, which is of this type then.
    pub(crate) fn new(apart: Option<Arc<T>>, entry: Entry, status: Status, at: Timestamp) -> Self {
        debug_assert!(apart.is_some() || entry.object::<T>().is_some());
        Self { apart, entry, status, is_near: false, at }
    }

    /// The live object of the entry, if it is one of this type.
    #[inline]
    pub(crate) fn live(entry: Entry, status: Status, at: Timestamp) -> Option<Self> {
        entry.object::<T>()?;
        Some(Self { apart: None, entry, status, is_near: false, at })
    }

    /// The same value under another entry that shares its object.
    pub(crate) fn under(&self, entry: Entry, status: Status, at: Timestamp) -> Self {
        Self { apart: self.apart.clone(), entry, status, is_near: false, at }
    }
}

impl<T> Fetched<T> {
    /// The same out of a near copy, or not.
    #[inline]
    pub(crate) fn near(mut self, is_near: bool) -> Self {
        self.is_near = is_near;
        self
    }

    /// Where the value came from.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether a near copy answered, and the store was not asked: only in a [chain](crate::chain::Chain), and of a
    /// [hit](Status::Hit).
    pub fn is_near(&self) -> bool {
        self.is_near
    }

    /// How old the value was when it was read.
    pub fn age(&self) -> Duration {
        self.at.since(self.entry.meta().created)
    }

    /// How long the value was still fresh when it was read; zero when it is stale.
    pub fn remaining(&self) -> Ttl {
        remaining(self.entry.meta(), self.at)
    }

    /// How long the loader took to make the value; zero when it was not loaded.
    pub fn load_cost(&self) -> Duration {
        self.entry.meta().load_cost()
    }

    /// What is known about the value.
    pub fn meta(&self) -> &Meta {
        self.entry.meta()
    }

    /// The value of the HTTP field `Cache-Status` (RFC 9211) that says this: `larder; hit; ttl=57`; with a
    /// negative `ttl` when the value is stale, and `detail=near` when a near copy answered.
    pub fn cache_status(&self) -> String {
        cache_status((self.status, self.is_near), self.entry.meta(), self.at)
    }

    /// The value of the HTTP field `Age` (RFC 9111): [`age`](Self::age) in whole seconds.
    pub fn age_seconds(&self) -> u64 {
        self.age().as_secs()
    }
}

impl<T> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        Self {
            apart: self.apart.clone(),
            entry: self.entry.clone(),
            status: self.status,
            is_near: self.is_near,
            at: self.at,
        }
    }
}

impl<T: Send + Sync + 'static> Deref for Fetched<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.apart {
            Some(value) => value,
            // Whoever makes one of these has seen that the entry holds an object of this type, and an entry keeps what it holds.
            None => {
                self.entry.object().unwrap_or_else(|| unreachable!("the entry holds no value of this type"))
            }
        }
    }
}

impl<T: fmt::Debug + Send + Sync + 'static> fmt::Debug for Fetched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("value", &**self)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl<T: PartialEq + Send + Sync + 'static> PartialEq<T> for Fetched<T> {
    fn eq(&self, other: &T) -> bool {
        **self == *other
    }
}

/// A value out of a cache in its encoded form: nothing was decompressed or deserialized.
///
/// The body of a cache with the gzip codec and the JSON format can be sent to an HTTP client as it is, under
/// [`content_encoding`](Self::content_encoding) and [`media_type`](Self::media_type).
#[derive(Clone)]
pub struct Encoded<T> {
    pub(crate) body: Body,
    pub(crate) entry: Entry,
    pub(crate) status: Status,
    pub(crate) is_near: bool,
    pub(crate) at: Timestamp,
    pub(crate) encoding: Arc<Encoding<T>>,
}

impl<T: Value> Encoded<T> {
    /// The bytes as they are stored, and how to read them.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The HTTP content coding of the bytes: `None` when they are not compressed, or in a way that has no name
    /// in HTTP; [`decompressed`](Self::decompressed) has them without.
    pub fn content_encoding(&self) -> Option<&'static str> {
        self.encoding.codec(self.body.codec)?.content_encoding()
    }

    /// The media type of the bytes before compression.
    pub fn media_type(&self) -> Option<&'static str> {
        self.encoding.formats.by_id(self.body.format).map(|format| format.media_type())
    }

    /// The bytes before compression. Decompresses on this thread; the same bytes where there is no
    /// compression.
    ///
    /// # Errors
    /// Why they cannot be had: an unknown codec, a damaged body.
    pub fn decompressed(&self) -> Result<Bytes, Undecodable> {
        self.encoding.decompress(&self.body)
    }

    /// Where the value came from.
    pub fn status(&self) -> Status {
        self.status
    }

    /// As [`Fetched::is_near`].
    pub fn is_near(&self) -> bool {
        self.is_near
    }

    /// How old the value was when it was read.
    pub fn age(&self) -> Duration {
        self.at.since(self.entry.meta().created)
    }

    /// How long the value was still fresh when it was read; zero when it is stale.
    pub fn remaining(&self) -> Ttl {
        remaining(self.entry.meta(), self.at)
    }

    /// What is known about the value.
    pub fn meta(&self) -> &Meta {
        self.entry.meta()
    }

    /// The value of the HTTP field `Age` (RFC 9111): [`age`](Self::age) in whole seconds.
    pub fn age_seconds(&self) -> u64 {
        self.age().as_secs()
    }

    /// As [`Fetched::cache_status`].
    pub fn cache_status(&self) -> String {
        cache_status((self.status, self.is_near), self.entry.meta(), self.at)
    }
}

impl<T> fmt::Debug for Encoded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded")
            .field("body", &self.body)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// What a plain lookup found: the value, or the reason why there is none.
#[derive(Debug, Clone)]
pub enum Found<T> {
    /// The value.
    Hit(T),
    /// Why there is none.
    Miss(Miss),
}

fn remaining(meta: &Meta, at: Timestamp) -> Ttl {
    match meta.lifetime.fresh_until {
        Timestamp::NEVER => Ttl::Never,
        end => Ttl::After(end.since(at)),
    }
}

fn cache_status((status, is_near): (Status, bool), meta: &Meta, at: Timestamp) -> String {
    let mut field = String::from(match status {
        // Served from the cache though stale is a hit with a negative life (RFC 9211, section 2.4).
        Status::Hit | Status::Stale => "larder; hit",
        Status::Loaded => "larder; fwd=miss; stored",
        Status::LoadedNotStored => "larder; fwd=miss",
        Status::Joined => "larder; fwd=miss; collapsed",
    });
    // Writing to a string cannot fail.
    let _ = match (status, meta.lifetime.fresh_until) {
        (_, Timestamp::NEVER) => Ok(()),
        (Status::Hit, end) => write!(field, "; ttl={}", end.since(at).as_secs()),
        (Status::Stale, end) => write!(field, "; ttl=-{}", at.since(end).as_secs().max(1)),
        _ => Ok(()),
    };
    if is_near {
        field.push_str("; detail=near");
    }
    field
}
