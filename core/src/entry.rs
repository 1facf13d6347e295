//! An entry: a value and what is known about it.
//!
//! An entry, not bytes, crosses the [`Backend`](crate::Backend) trait. It holds the live object, its encoded
//! body, or both; each is produced when it is first needed and shared by all who hold the entry. So a store in memory
//! never serializes, and a remote store never decodes. (Threads that need it at the same moment may each produce it; one
//! result is kept.)

mod stamps;

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;

pub use self::stamps::{Scope, Stamp, Stamps};
use crate::{
    backend::Capabilities,
    clock::Timestamp,
    error::{Error, ErrorKind, Operation, Result},
    offload, random,
    ttl::Ttl,
};

/// A live value of whatever type the cache has.
pub type Live = Arc<dyn Any + Send + Sync>;

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
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Meta {
    /// When the value was made.
    pub created: Timestamp,
    /// How long it is fresh, and how long it exists.
    pub lifetime: Lifetime,
    /// How long the loader took to make it; zero when it was not loaded.
    pub load_cost: Duration,
    /// A number that no other write of any process has: it distinguishes two writes of one key.
    pub revision: u64,
    /// What it is.
    pub kind: Kind,
    /// The TTL that a read gives it where reading extends TTLs, if that is not the cache's own.
    pub slides: Option<Duration>,
    /// The namespace levels and tags it was written under, with their versions.
    pub stamps: Stamps,
    /// What the program put beside the value.
    pub user: UserMeta,
}

impl Meta {
    /// For a value made now that lives this long, with nothing else known.
    pub fn new(created: Timestamp, lifetime: Lifetime) -> Self {
        Self {
            created,
            lifetime,
            load_cost: Duration::ZERO,
            revision: random::unique(),
            kind: Kind::Value,
            slides: None,
            stamps: Stamps::default(),
            user: no_user_meta(),
        }
    }

    /// The same for a value that took this long to make.
    pub fn with_load_cost(mut self, load_cost: Duration) -> Self {
        self.load_cost = load_cost;
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
        self.slides = ttl;
        self
    }

    /// The same, written under these versions.
    pub fn with_stamps(mut self, stamps: Stamps) -> Self {
        self.stamps = stamps;
        self
    }

    /// The same with this data beside the value.
    pub fn with_user(mut self, user: UserMeta) -> Self {
        self.user = user;
        self
    }

    /// The same, made at this time.
    pub fn with_created(mut self, created: Timestamp) -> Self {
        self.created = created;
        self
    }

    /// What the program put beside the value under this name.
    pub fn user(&self, name: &str) -> Option<&Bytes> {
        self.user.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }
}

/// The one empty list of user metadata, which costs no allocation.
fn no_user_meta() -> UserMeta {
    static NONE: OnceLock<UserMeta> = OnceLock::new();
    Arc::clone(NONE.get_or_init(|| Arc::from(Vec::new())))
}

/// Turns a live object into a body; what a cache puts into the entries it writes.
pub trait Encode: Send + Sync {
    /// Serializes the object.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when it cannot be serialized, [`ErrorKind::TooLarge`] when it is larger than the
    /// cache allows.
    fn serialize(&self, live: &Live) -> Result<Vec<u8>>;

    /// Compresses what [`serialize`](Self::serialize) gave, where that pays. Not called on a thread that
    /// serves requests when there is much of it.
    fn compress(&self, raw: Vec<u8>) -> Body;

    /// Whether [`compress`](Self::compress) would try so many bytes.
    fn compresses(&self, raw_len: usize) -> bool;

    /// About how many bytes the object takes in memory.
    fn weigh(&self, live: &Live) -> u64;
}

/// A value as bytes, and how to read them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Body {
    /// The bytes as they are stored: compressed, unless `codec` is 0.
    pub bytes: Bytes,
    /// The [format](crate::Format) that made the bytes before compression.
    pub format: u8,
    /// The [codec](crate::Codec) that compressed them; 0 for none.
    pub codec: u8,
    /// The dictionary the codec used; 0 for none.
    pub dictionary: u32,
    /// The length before compression.
    pub raw_len: u64,
}

impl Body {
    /// Bytes that are not compressed, in this format.
    pub fn raw(bytes: Bytes, format: u8) -> Self {
        let raw_len = bytes.len() as u64;
        Self { bytes, format, codec: 0, dictionary: 0, raw_len }
    }

    /// The same bytes, as what this codec made with this dictionary (0 for none) of so many.
    pub fn compressed_by(self, codec: u8, dictionary: u32, raw_len: u64) -> Self {
        Self { codec, dictionary, raw_len, ..self }
    }

    /// The same bytes, said to be of this format.
    pub fn with_format(self, format: u8) -> Self {
        Self { format, ..self }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cached values are other people's data: they do not belong in logs.
        f.debug_struct("Body")
            .field("len", &self.bytes.len())
            .field("format", &self.format)
            .field("codec", &self.codec)
            .field("dictionary", &self.dictionary)
            .field("raw_len", &self.raw_len)
            .finish()
    }
}

/// The format id that stands in the envelope of an entry of [`Kind::Lease`], which has no value. A program that does not
/// know of it finds a format that it does not know, which is a miss.
pub const LEASE: u8 = 127;

/// Names one state of one key in one store, for [`Condition::Unchanged`](crate::backend::Condition).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// A value and its metadata. Cloning shares.
#[derive(Clone)]
pub struct Entry(Arc<Inner>);

struct Inner {
    meta: Meta,
    token: Token,
    live: OnceLock<Live>,
    body: OnceLock<Box<Body>>,
    encoder: Option<Arc<dyn Encode>>,
}

impl Entry {
    /// An entry that holds a live object, and knows how to turn it into bytes should a store need them.
    pub fn from_live(live: Live, encoder: Arc<dyn Encode>, meta: Meta) -> Self {
        let token = Token(meta.revision);
        Self(Arc::new(Inner {
            meta,
            token,
            live: OnceLock::from(live),
            body: OnceLock::new(),
            encoder: Some(encoder),
        }))
    }

    /// An entry that holds bytes.
    pub fn from_body(body: Body, meta: Meta) -> Self {
        let token = Token(meta.revision);
        let body = OnceLock::from(Box::new(body));
        Self(Arc::new(Inner { meta, token, live: OnceLock::new(), body, encoder: None }))
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
        let Inner { token, live, body, encoder, .. } = &*self.0;
        let (live, body, encoder) = (live.clone(), body.clone(), encoder.clone());
        Self(Arc::new(Inner { meta, token: *token, live, body, encoder }))
    }

    /// The same value with another TTL. The value is shared, not copied.
    pub fn with_lifetime(&self, lifetime: Lifetime) -> Self {
        self.with_meta(Meta { lifetime, ..self.0.meta.clone() })
    }

    /// The same value, found to be right at this time, with another TTL.
    pub(crate) fn renewed(&self, created: Timestamp, lifetime: Lifetime) -> Self {
        let revision = random::unique();
        let meta = Meta { created, lifetime, revision, ..self.0.meta.clone() };
        self.with_meta(meta).with_token(Token(revision))
    }

    /// The same entry, with the token by which its store knows this state of it.
    pub fn with_token(&self, token: Token) -> Self {
        let Inner { meta, live, body, encoder, .. } = &*self.0;
        let (meta, live, body) = (meta.clone(), live.clone(), body.clone());
        Self(Arc::new(Inner { meta, token, live, body, encoder: encoder.clone() }))
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
        Arc::ptr_eq(&self.0, &other.0)
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
    pub fn live(&self) -> Option<&Live> {
        self.0.live.get()
    }

    /// Keeps the live object that was made of the body, unless another thread was faster; gives the one that is kept.
    pub(crate) fn keep_live(&self, live: Live) -> &Live {
        self.0.live.get_or_init(|| live)
    }

    /// The encoded body, if there is one already.
    pub fn encoded(&self) -> Option<&Body> {
        self.0.body.get().map(|body| &**body)
    }

    /// Which of its two forms the entry holds by now: the live object, the encoded body.
    pub fn forms(&self) -> (bool, bool) {
        (self.live().is_some(), self.encoded().is_some())
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
        let (Some(live), Some(encoder)) = (self.0.live.get(), &self.0.encoder) else {
            // Both constructors fill one of the two, and only `from_live` leaves the body out.
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

    /// Encodes the value ahead of time if this store is going to need its bytes.
    pub(crate) async fn body_if_needed(&self, store: &Capabilities) -> Result<()> {
        if store.shared && store.stores {
            self.body().await?;
        }
        Ok(())
    }

    /// About how many bytes the entry takes in memory, for stores that are bounded by bytes: what the cache's
    /// weigher says of the live object, or the length of the body. Metadata counts, the key does not.
    pub fn weight(&self) -> u64 {
        // Reckoned from the sizes of the parts, not measured: an entry without stamps and value.
        const OVERHEAD: u64 = 240;
        let body = self.encoded().map_or(0, |body| body.bytes.len() as u64);
        let live = match (self.live(), &self.0.encoder) {
            (Some(live), Some(encoder)) => encoder.weigh(live),
            // Decoded from a body: the object is about as large as its serialized form.
            (Some(_), None) => self.encoded().map_or(0, |body| body.raw_len),
            (None, _) => 0,
        };
        let stamps = 48 * self.0.meta.stamps.len() as u64;
        (OVERHEAD + stamps).saturating_add(body).saturating_add(live)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(live) = self.live.take() else { return };
        // Whoever happens to make room in a store does not answer for what the drop of somebody's value does.
        if catch_unwind(AssertUnwindSafe(|| drop(live))).is_err() {
            tracing::error!("the drop of a cached value panicked");
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("meta", &self.0.meta)
            .field("live", &self.live().is_some())
            .field("body", &self.encoded())
            .finish_non_exhaustive()
    }
}
