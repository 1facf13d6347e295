//! A value as bytes, and what makes it so.

use std::fmt;

use bytes::Bytes;

use super::Live;
use crate::error::Result;

/// Turns a live object into a body; what a cache puts into the entries it writes.
pub trait Encode: Send + Sync {
    /// Serializes the object.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`](crate::ErrorKind::Encode) when it cannot be serialized, [`TooLarge`](crate::ErrorKind::TooLarge) when it is larger than the
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

/// The format id that stands in the envelope of an entry of [`Kind::Lease`](crate::entry::Kind::Lease), which has no value. A program that does not
/// know of it finds a format that it does not know, which is a miss.
pub const LEASE: u8 = 127;
