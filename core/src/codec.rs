//! Codecs: how bytes become fewer bytes. The codec is a matter of writing; reading goes by the id in the
//! envelope, so it can be changed on a live cache.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    error::{Error, ErrorKind, Operation, Result},
    miss::Undecodable,
};

/// The id of uncompressed bytes.
pub const IDENTITY: u8 = 0;

/// Compresses bodies and decompresses them.
///
/// # Contract
/// - [`decode`](Self::decode) of what [`encode`](Self::encode) gave is the input, byte for byte.
/// - Neither panics, whatever the bytes are: they come from a store.
/// - `decode` allocates no more than the declared length and gives exactly that many bytes, or an error.
/// - Both are called from many threads; expensive contexts are kept per thread, not made per call.
pub trait Codec: Send + Sync + fmt::Debug + 'static {
    /// The number in the envelope: 1 to 127 are given out by Larder (1 gzip, 2 zstd), 128 to 255 are free for
    /// everybody's own. It stands in people's stores for as long as their entries live: never reuse one.
    fn id(&self) -> u8;

    /// The name in the configuration.
    fn name(&self) -> &str;

    /// The dictionary that [`encode`](Self::encode) uses; 0 for none.
    fn dictionary(&self) -> u32 {
        0
    }

    /// The HTTP content coding whose bytes these are, if there is one: `gzip`.
    fn content_encoding(&self) -> Option<&'static str> {
        None
    }

    /// Compresses.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`]; the value is then stored as it was.
    fn encode(&self, raw: &[u8]) -> Result<Vec<u8>>;

    /// Decompresses to exactly `raw_len` bytes, which the caller has checked against its own limit.
    ///
    /// # Errors
    /// Why it cannot be done: not the bytes of this codec, another length, a dictionary that is not loaded.
    fn decode(&self, body: &[u8], raw_len: usize, dictionary: u32) -> Result<Vec<u8>, Undecodable>;
}

/// The codecs a process knows, found by id when reading and by name when configuring.
///
/// ```
/// # use larder_core::Codecs;
/// assert!(Codecs::new().by_name("gzip").is_none(), "larder-gzip is a crate of its own");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Codecs(Arc<BTreeMap<u8, Arc<dyn Codec>>>);

impl Codecs {
    /// No codec: only uncompressed bodies are read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a codec, in place of one with the same id.
    pub fn with(mut self, codec: Arc<dyn Codec>) -> Self {
        Arc::make_mut(&mut self.0).insert(codec.id(), codec);
        self
    }

    /// The codec with this id.
    pub fn by_id(&self, id: u8) -> Option<&Arc<dyn Codec>> {
        self.0.get(&id)
    }

    /// The codec with this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<dyn Codec>> {
        self.0.values().find(|codec| codec.name() == name)
    }

    /// The names of all codecs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|codec| codec.name())
    }
}

/// What a cache writes: the codec, and from which size on it is worth the trouble.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Compression {
    /// The codec.
    pub codec: Arc<dyn Codec>,
    /// Bodies of at least so many bytes are compressed; shorter ones never.
    pub threshold: usize,
}

impl Compression {
    /// This codec for bodies of at least so many bytes.
    pub fn new(codec: Arc<dyn Codec>, threshold: usize) -> Self {
        Self { codec, threshold }
    }
}

/// The default [`Compression::threshold`], in bytes: below it a search answer in JSON shrinks by less than
/// half and costs more time than its transfer saves.
pub const DEFAULT_THRESHOLD: usize = 1024;

/// An error for codecs to return from [`Codec::encode`].
pub fn encode_error(codec: &str, why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Encode, Operation::Encode, format!("{codec} could not compress: {why}"))
}
