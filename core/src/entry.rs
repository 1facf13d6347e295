//! An entry: a value and what is known about it.
//!
//! An entry, not bytes, crosses the [`Backend`](crate::Backend) trait. It holds the live object, its encoded
//! body, or both; each is produced at most once and shared by all who hold the entry. So a store in memory
//! never serializes, and a remote store never decodes.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::OnceCell;

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
pub struct Lifetime {
    /// Until then the entry may be used without a thought.
    pub fresh_until: Timestamp,
    /// From then on the entry does not exist.
    pub expires: Timestamp,
}

impl Lifetime {
    /// For how long from now on the store is to keep it.
    pub(crate) fn ttl(self, now: Timestamp) -> Ttl {
        if self.expires == Timestamp::NEVER { Ttl::Never } else { Ttl::After(self.expires.since(now)) }
    }

    /// A life without a stale part: fresh until it is gone.
    pub const fn until(expires: Timestamp) -> Self {
        Self { fresh_until: expires, expires }
    }
}

/// What an entry was written under: the version, at that time, of something that can be invalidated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// What can be invalidated.
    pub scope: Scope,
    /// Its version when the entry's value began to be made. The entry is dead once the version is another.
    pub version: u64,
}

/// Something that can be invalidated as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A level of the entry's own namespace: 0 is the outermost.
    Namespace(u8),
    /// A tag within the entry's namespace.
    Tag(Arc<str>),
}

/// Small pieces of data that travel with a value and are read without decoding it.
pub type UserMeta = Arc<[(Arc<str>, Bytes)]>;

/// What is known about a value without looking at it.
#[derive(Debug, Clone)]
pub struct Meta {
    /// When the value was made.
    pub created: Timestamp,
    /// How long it is fresh, and how long it exists.
    pub lifetime: Lifetime,
    /// How long the loader took to make it; zero when it was not loaded.
    pub load_cost: Duration,
    /// A number that no other write of any process has: it tells two writes of one key apart.
    pub revision: u64,
    /// The namespace levels and tags it was written under, with their versions.
    pub stamps: Arc<[Stamp]>,
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
            stamps: Arc::default(),
            user: Arc::default(),
        }
    }

    /// What the program put beside the value under this name.
    pub fn user(&self, name: &str) -> Option<&Bytes> {
        self.user.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }
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

/// The format id of an entry that has no value: it stands for a load in progress. A program that does not know of it
/// finds a format that it does not know, which is a miss.
pub const LEASE: u8 = 127;

/// Names one state of one key in one store, for [`Condition::Unchanged`](crate::backend::Condition).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// A value and its metadata. Cloning shares.
#[derive(Clone)]
pub struct Entry(Arc<Inner>);

struct Inner {
    meta: Meta,
    token: Option<Token>,
    payload: Arc<Payload>,
    /// The epoch of the local versions at which the stamps were last found valid (0: never).
    validated: AtomicU64,
}

struct Payload {
    live: OnceCell<Live>,
    body: OnceCell<Body>,
    encoder: Option<Arc<dyn Encode>>,
}

impl Entry {
    /// An entry that holds a live object, and knows how to turn it into bytes should a store need them.
    pub fn from_live(live: Live, encoder: Arc<dyn Encode>, meta: Meta) -> Self {
        let payload =
            Payload { live: OnceCell::new_with(Some(live)), body: OnceCell::new(), encoder: Some(encoder) };
        Self::new(meta, None, Arc::new(payload))
    }

    /// An entry that holds bytes.
    pub fn from_body(body: Body, meta: Meta) -> Self {
        let payload = Payload { live: OnceCell::new(), body: OnceCell::new_with(Some(body)), encoder: None };
        Self::new(meta, None, Arc::new(payload))
    }

    /// An entry that stands for a load in progress.
    pub(crate) fn lease(meta: Meta) -> Self {
        let body = Body { bytes: Bytes::new(), format: LEASE, codec: 0, dictionary: 0, raw_len: 0 };
        Self::from_body(body, meta)
    }

    /// Whether the entry stands for a load in progress and has no value. To a store it is an entry like any other.
    #[inline]
    pub fn is_lease(&self) -> bool {
        self.encoded().is_some_and(|body| body.format == LEASE)
    }

    fn new(meta: Meta, token: Option<Token>, payload: Arc<Payload>) -> Self {
        Self(Arc::new(Inner { meta, token, payload, validated: AtomicU64::new(0) }))
    }

    /// The same value with another life. The value is shared, not copied.
    pub fn with_lifetime(&self, lifetime: Lifetime) -> Self {
        let meta = Meta { lifetime, ..self.0.meta.clone() };
        Self::new(meta, self.0.token, Arc::clone(&self.0.payload))
    }

    /// The same value, found to be right at this time, with another life.
    pub(crate) fn renewed(&self, created: Timestamp, lifetime: Lifetime) -> Self {
        let meta = Meta { created, lifetime, ..self.0.meta.clone() };
        Self::new(meta, self.0.token, Arc::clone(&self.0.payload))
    }

    /// The same entry, with the token by which its store knows this state of it.
    pub fn with_token(&self, token: Token) -> Self {
        Self::new(self.0.meta.clone(), Some(token), Arc::clone(&self.0.payload))
    }

    /// What is known about the value.
    #[inline]
    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }

    /// The token by which the store knows this state: what the backend set, else the revision.
    pub fn token(&self) -> Token {
        self.0.token.unwrap_or(Token(self.0.meta.revision))
    }

    /// Whether the entry still exists at this time.
    #[inline]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.0.meta.lifetime.expires
    }

    /// Whether the entry may be used at this time without a thought.
    #[inline]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.0.meta.lifetime.fresh_until
    }

    /// The live object, if there is one already.
    #[inline]
    pub fn live(&self) -> Option<&Live> {
        self.0.payload.live.get()
    }

    /// The live object, made of the body by `decode` at most once, whoever asks.
    pub(crate) async fn live_or_decode<E, F>(&self, decode: impl FnOnce(Body) -> F) -> Result<&Live, E>
    where
        F: Future<Output = Result<Live, E>>,
    {
        let payload = &self.0.payload;
        payload
            .live
            .get_or_try_init(|| async {
                match payload.body.get() {
                    Some(body) => decode(body.clone()).await,
                    // An entry without a live object was made of a body, and neither is ever taken away.
                    None => std::future::pending().await,
                }
            })
            .await
    }

    /// The encoded body, if there is one already.
    pub fn encoded(&self) -> Option<&Body> {
        self.0.payload.body.get()
    }

    /// The encoded body, made at most once. A large one is compressed off the threads that serve
    /// requests.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when the value cannot be serialized.
    pub async fn body(&self) -> Result<&Body> {
        let payload = &self.0.payload;
        payload
            .body
            .get_or_try_init(|| async {
                let (Some(live), Some(encoder)) = (payload.live.get(), &payload.encoder) else {
                    // Both constructors fill one of the two, and only `from_live` leaves the body out.
                    return Err(Error::new(ErrorKind::Encode, Operation::Encode, "the entry holds no value"));
                };
                let raw = encoder.serialize(live)?;
                if raw.len() < offload::HEAVY || !encoder.compresses(raw.len()) {
                    return Ok(encoder.compress(raw));
                }
                let encoder = Arc::clone(encoder);
                offload::run(Operation::Encode, move || Ok(encoder.compress(raw))).await
            })
            .await
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
        let payload = &self.0.payload;
        let body = payload.body.get().map_or(0, |body| body.bytes.len() as u64);
        let live = match (payload.live.get(), &payload.encoder) {
            (Some(live), Some(encoder)) => encoder.weigh(live),
            // Decoded from a body: the object is about as large as its serialized form.
            (Some(_), None) => payload.body.get().map_or(0, |body| body.raw_len),
            (None, _) => 0,
        };
        let stamps = 48 * self.0.meta.stamps.len() as u64;
        OVERHEAD + stamps + body + live
    }

    #[inline]
    pub(crate) fn validated(&self) -> u64 {
        self.0.validated.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_validated(&self, epoch: u64) {
        self.0.validated.store(epoch, Ordering::Relaxed);
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
