//! What is known about a value without looking at it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;

use super::Stamps;
use crate::{clock::Timestamp, random, ttl::Ttl};

/// Two moments: until when an entry is fresh, and when it is gone. `fresh_until` is never after `expires`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// Until then the entry may be used at once.
    pub fresh_until: Timestamp,
    /// From then on the entry does not exist.
    pub expires: Timestamp,
}

impl Lifetime {
    /// For how long from now on the store is to keep it.
    pub(crate) fn ttl(self, now: Timestamp) -> Ttl {
        if self.expires == Timestamp::NEVER { Ttl::Never } else { Ttl::After(self.expires.since(now)) }
    }

    /// Fresh until the first of these moments, or the second if that is earlier; gone from the second on.
    pub const fn new(fresh_until: Timestamp, expires: Timestamp) -> Self {
        let fresh_until = if fresh_until.as_millis() < expires.as_millis() { fresh_until } else { expires };
        Self { fresh_until, expires }
    }

    /// A TTL without a stale part: fresh until it is gone.
    pub const fn until(expires: Timestamp) -> Self {
        Self { fresh_until: expires, expires }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Kind {
    /// A value.
    #[default]
    Value,
    /// A value that says "there is none". It is never served stale, and its TTL does not slide.
    Negative,
    /// No value: a load in progress, in whatever process.
    Lease,
}

/// Small pieces of data that travel with a value and are read without decoding it.
pub type UserMeta = Arc<[(Arc<str>, Bytes)]>;

/// How names of user metadata begin that are Larder's own. A caller's may not.
pub const RESERVED: &str = "larder.";

/// What is known about a value without looking at it.
///
/// What few entries have stands behind one pointer, so that the others do not pay for it in memory.
#[derive(Debug, Clone)]
#[non_exhaustive]
// What a hit looks at stands first, side by side: an entry in memory is looked at far more often than it is written.
#[repr(C)]
pub struct Meta {
    /// How long it is fresh, and how long it exists.
    pub lifetime: Lifetime,
    /// The namespace levels and tags it was written under, with their versions.
    pub stamps: Stamps,
    load_micros: u64,
    /// What it is.
    pub kind: Kind,
    /// When the value was made.
    pub created: Timestamp,
    /// A number that no other write of any process has: it distinguishes two writes of one key.
    pub revision: u64,
    rare: Option<Box<Rare>>,
}

/// What few entries have.
#[derive(Debug, Clone)]
struct Rare {
    slides: Option<Duration>,
    user: UserMeta,
    expires_in: Option<Duration>,
}

impl Meta {
    /// For a value made now that lives this long, with nothing else known.
    pub fn new(created: Timestamp, lifetime: Lifetime) -> Self {
        Self::of(created, lifetime, random::unique())
    }

    /// The same for an entry that has its revision already.
    pub(crate) fn of(created: Timestamp, lifetime: Lifetime, revision: u64) -> Self {
        Self {
            lifetime,
            stamps: Stamps::default(),
            load_micros: 0,
            kind: Kind::Value,
            created,
            revision,
            rare: None,
        }
    }

    /// The same for a value that took this long to make, which is kept in whole microseconds.
    pub fn with_load_cost(mut self, load_cost: Duration) -> Self {
        self.load_micros = u64::try_from(load_cost.as_micros()).unwrap_or(u64::MAX);
        self
    }

    /// The same under this revision.
    pub fn with_revision(mut self, revision: u64) -> Self {
        self.revision = revision;
        self
    }

    /// The same for an entry of this kind.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same with this TTL of its own where reading extends TTLs.
    pub fn with_slides(mut self, ttl: Option<Duration>) -> Self {
        if ttl.is_some() || self.rare.is_some() {
            self.rare().slides = ttl;
        }
        self
    }

    /// The same, written under these versions.
    pub fn with_stamps(mut self, stamps: Stamps) -> Self {
        self.stamps = stamps;
        self
    }

    /// The same with this data beside the value.
    pub fn with_user(mut self, user: UserMeta) -> Self {
        if !user.is_empty() || self.rare.is_some() {
            self.rare().user = user;
        }
        self
    }

    /// The same with another TTL.
    pub fn with_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// The same, made at this time.
    pub fn with_created(mut self, created: Timestamp) -> Self {
        self.created = created;
        self
    }

    /// The same as a store read it that keeps it for this much longer: see [`expires_in`](Self::expires_in).
    pub fn with_expires_in(mut self, left: Option<Duration>) -> Self {
        if left.is_some() || self.rare.is_some() {
            self.rare().expires_in = left;
        }
        self
    }

    /// How long the loader took to make the value; zero when it was not loaded.
    #[inline]
    pub fn load_cost(&self) -> Duration {
        Duration::from_micros(self.load_micros)
    }

    /// The same in microseconds.
    #[inline]
    pub(crate) fn load_micros(&self) -> u64 {
        self.load_micros
    }

    /// The TTL that a read gives it where reading extends TTLs, if that is not the cache's own.
    pub fn slides(&self) -> Option<Duration> {
        self.rare.as_ref()?.slides
    }

    /// How much longer the store keeps the entry by its own clock, as of the moment at which it answered; `None` if it did not
    /// say. [`lifetime`](Self::lifetime) is by the clock of the writer, which may differ: where another store is to hold a
    /// copy for no longer than this one, this is what counts.
    pub fn expires_in(&self) -> Option<Duration> {
        self.rare.as_ref()?.expires_in
    }

    /// What the program put beside the value under this name.
    pub fn user(&self, name: &str) -> Option<&Bytes> {
        self.all_user().iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// Everything that the program put beside the value.
    pub fn all_user(&self) -> &[(Arc<str>, Bytes)] {
        self.rare.as_ref().map_or(&[], |rare| &*rare.user)
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare
            .get_or_insert_with(|| Box::new(Rare { slides: None, user: no_user_meta(), expires_in: None }))
    }
}

/// The one empty list of user metadata, which costs no allocation.
fn no_user_meta() -> UserMeta {
    static NONE: OnceLock<UserMeta> = OnceLock::new();
    Arc::clone(NONE.get_or_init(|| Arc::from(Vec::new())))
}
