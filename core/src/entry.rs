//! An entry: a value and what is known about it.
//!
//! An entry, not bytes, crosses the [`Backend`](crate::Backend) trait. It holds the live object, its encoded
//! body, or both; each is produced when it is first needed and shared by all who hold the entry. So a store in memory
//! never serializes, and a remote store never decodes. (Threads that need it at the same moment may each produce it; one
//! result is kept.)

mod body;
mod meta;
mod object;
mod stamps;

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use self::object::{Apart, Object, Read, Shared, Within};
pub(crate) use self::stamps::LastStamps;
pub use self::{
    body::{Body, Encode, LEASE},
    meta::{Kind, Lifetime, Meta, RESERVED, UserMeta},
    stamps::{Scope, Stamp, Stamps},
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Operation, Result},
    offload, random,
};

/// A live value of whatever type the cache has.
pub type Live = dyn Any + Send + Sync;

/// Names one state of one key in one store, for [`Condition::Unchanged`](crate::backend::Condition).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// A value and its metadata. Cloning shares.
#[derive(Clone)]
pub struct Entry(Arc<Inner<dyn Object>>);

// What a hit looks at stands first, side by side and next to the counts of the `Arc`.
#[repr(C)]
struct Inner<O: Object + ?Sized> {
    meta: Meta,
    token: Token,
    body: OnceLock<Box<Body>>,
    encoder: Option<Arc<dyn Encode>>,
    object: O,
}

impl Entry {
    /// An entry that holds a value, and knows how to turn it into bytes should a store need them.
    pub fn of<T: Any + Send + Sync>(value: T, encoder: Arc<dyn Encode>, meta: Meta) -> Self {
        let token = Token(meta.revision);
        let object = Within(Some(value));
        Self(Arc::new(Inner { meta, token, body: OnceLock::new(), encoder: Some(encoder), object }))
    }

    /// The same for a value that is shared. Where it need not be, [`of`](Self::of) is one allocation less.
    pub fn from_live(live: Arc<Live>, encoder: Arc<dyn Encode>, meta: Meta) -> Self {
        let token = Token(meta.revision);
        let object = Apart(OnceLock::from(live));
        Self(Arc::new(Inner { meta, token, body: OnceLock::new(), encoder: Some(encoder), object }))
    }

    /// An entry that holds bytes.
    pub fn from_body(body: Body, meta: Meta) -> Self {
        let token = Token(meta.revision);
        let object = Read { body, live: OnceLock::new() };
        Self(Arc::new(Inner { meta, token, body: OnceLock::new(), encoder: None, object }))
    }

    /// An entry that stands for a load in progress.
    pub(crate) fn lease(meta: Meta) -> Self {
        let body = Body { bytes: Bytes::new(), format: LEASE, codec: 0, dictionary: 0, raw_len: 0 };
        Self::from_body(body, meta.with_kind(Kind::Lease))
    }

    /// What it is.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.0.meta.kind
    }

    /// Whether the entry stands for a load in progress and has no value. To a store it is an entry like any other.
    #[inline]
    pub fn is_lease(&self) -> bool {
        self.kind() == Kind::Lease
    }

    /// The same value under this metadata. The value is shared, not copied; the token is kept.
    pub fn with_meta(&self, meta: Meta) -> Self {
        self.over(meta, self.0.token)
    }

    /// The same value with another TTL. The value is shared, not copied.
    pub fn with_lifetime(&self, lifetime: Lifetime) -> Self {
        self.with_meta(self.0.meta.clone().with_lifetime(lifetime))
    }

    /// The same value, found to be right at this time, with another TTL.
    pub(crate) fn renewed(&self, created: Timestamp, lifetime: Lifetime) -> Self {
        let revision = random::unique();
        let meta = self.0.meta.clone().with_created(created).with_lifetime(lifetime).with_revision(revision);
        self.over(meta, Token(revision))
    }

    /// The same entry, with the token by which its store knows this state of it.
    pub fn with_token(&self, token: Token) -> Self {
        self.over(self.0.meta.clone(), token)
    }

    /// The same value under these.
    fn over(&self, meta: Meta, token: Token) -> Self {
        let (body, encoder) = (self.0.body.clone(), self.0.encoder.clone());
        match self.0.object.for_other(self) {
            Shared::Read(object) => Self(Arc::new(Inner { meta, token, body, encoder, object })),
            Shared::Apart(object) => Self(Arc::new(Inner { meta, token, body, encoder, object })),
            Shared::Of(object) => Self(Arc::new(Inner { meta, token, body, encoder, object })),
        }
    }

    /// The same entry as stores keep it whose tokens are the revisions, wherever it comes from: one that another store gave
    /// out under a token of its own gets its revision for a token again. Any other is only shared.
    #[must_use]
    pub fn known_by_revision(&self) -> Self {
        let token = Token(self.0.meta.revision);
        if self.0.token == token { self.clone() } else { self.with_token(token) }
    }

    /// Whether this is the other one itself, shared, and not only equal to it.
    pub fn is(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }

    /// What is known about the value.
    #[inline]
    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }

    /// The token by which the store knows this state: what the backend set, else the revision.
    pub fn token(&self) -> Token {
        self.0.token
    }

    /// Whether the entry still exists at this time.
    #[inline]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.0.meta.lifetime.expires
    }

    /// Whether the entry may be used at this time without asking anybody.
    #[inline]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.0.meta.lifetime.fresh_until
    }

    /// The live object, if there is one already.
    #[inline]
    pub fn live_object(&self) -> Option<&Live> {
        self.0.object.live()
    }

    /// The same, if it is of this type.
    #[inline]
    pub(crate) fn object<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.object.of_type()
    }

    /// Keeps the live object that was made of the body, unless another thread was faster.
    pub(crate) fn keep_live(&self, live: Arc<Live>) {
        self.0.object.keep(live);
    }

    /// The same entry, which was made of bytes, with the value that they are within it, so that whoever reads it finds the value
    /// where the metadata are; and with these stamps, which are equal to its own.
    pub(crate) fn decoded<T: Any + Send + Sync>(&self, value: T, stamps: Stamps) -> Self {
        debug_assert_eq!(self.0.meta.stamps, stamps);
        let body = self.encoded().cloned().map_or_else(OnceLock::new, |body| OnceLock::from(Box::new(body)));
        let (meta, token) = (self.0.meta.clone().with_stamps(stamps), self.0.token);
        let encoder = self.0.encoder.clone();
        Self(Arc::new(Inner { meta, token, body, encoder, object: Within(Some(value)) }))
    }

    /// The encoded body, if there is one already.
    pub fn encoded(&self) -> Option<&Body> {
        match self.0.body.get() {
            Some(body) => Some(body),
            None => self.0.object.body(),
        }
    }

    /// Which of its two forms the entry holds by now: the live object, the encoded body.
    pub fn forms(&self) -> (bool, bool) {
        (self.live_object().is_some(), self.encoded().is_some())
    }

    /// The encoded body, made when it is first asked for. A large one is compressed off the threads that serve
    /// requests.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when the value cannot be serialized.
    pub async fn body(&self) -> Result<&Body> {
        if let Some(body) = self.encoded() {
            return Ok(body);
        }
        let (Some(live), Some(encoder)) = (self.live_object(), &self.0.encoder) else {
            // Every constructor fills one of the two.
            return Err(Error::new(ErrorKind::Encode, Operation::Encode, "the entry holds no value"));
        };
        let raw = encoder.serialize(live)?;
        let body = if raw.len() < offload::HEAVY || !encoder.compresses(raw.len()) {
            encoder.compress(raw)
        } else {
            let encoder = Arc::clone(encoder);
            offload::run(Operation::Encode, move || Ok(encoder.compress(raw))).await?
        };
        Ok(self.0.body.get_or_init(|| Box::new(body)))
    }

    /// About how many bytes the entry takes in memory, for stores that are bounded by bytes: what the cache's
    /// weigher says of the live object, or the length of the body. Metadata counts, the key does not.
    pub fn weight(&self) -> u64 {
        // Reckoned from the sizes of the parts, not measured: an entry without stamps and value.
        const OVERHEAD: u64 = 240;
        let body = self.encoded().map_or(0, |body| body.bytes.len() as u64);
        let live = match (self.live_object(), &self.0.encoder) {
            (Some(live), Some(encoder)) => encoder.weigh(live),
            // Decoded from a body: the object is about as large as its serialized form, unless it is the very bytes.
            (Some(live), None) => self.encoded().map_or(0, |body| match live.downcast_ref::<Bytes>() {
                Some(bytes) if bytes.as_ptr() == body.bytes.as_ptr() => 0,
                _ => body.raw_len,
            }),
            (None, _) => 0,
        };
        let stamps = 48 * self.0.meta.stamps.len() as u64;
        (OVERHEAD + stamps).saturating_add(body).saturating_add(live)
    }
}

impl<O: Object + ?Sized> Drop for Inner<O> {
    fn drop(&mut self) {
        object::drop_quietly(&mut self.object);
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("meta", &self.0.meta)
            .field("live", &self.live_object().is_some())
            .field("body", &self.encoded())
            .finish_non_exhaustive()
    }
}
