//! How a cache's values become bodies and bodies become values.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{Value, builder::Weigher, weight::serialized_weight};
use crate::{
    codec::{Codecs, Compression, IDENTITY},
    entry::{Body, Encode, Live},
    error::{Error, ErrorKind, Operation, Result},
    format::{self, Format, Formats},
    miss::Undecodable,
    offload::HEAVY,
};

/// What a cache writes with, and everything it can read.
pub(super) struct Encoding<T> {
    pub(super) format: Arc<dyn Format>,
    pub(super) formats: Formats,
    pub(super) codecs: Codecs,
    pub(super) compression: Option<Compression>,
    pub(super) max_value: u64,
    pub(super) weigher: Option<Weigher<T>>,
}

impl<T: Value> Encoding<T> {
    /// Decompresses and deserializes.
    pub(super) fn decode(&self, body: &Body) -> Result<Arc<T>, Undecodable> {
        let format = self.formats.by_id(body.format).ok_or(Undecodable::UnknownFormat(body.format))?;
        let raw = self.decompress(body)?;
        let value = format::decode(&**format, &raw).map_err(|why| Undecodable::Format(why.into()))?;
        Ok(Arc::new(value))
    }

    /// The bytes before compression; the same bytes where there was none.
    pub(super) fn decompress(&self, body: &Body) -> Result<Bytes, Undecodable> {
        if body.raw_len > self.max_value {
            return Err(Undecodable::TooLarge { declared: body.raw_len, limit: self.max_value });
        }
        if body.codec == IDENTITY {
            return if body.raw_len == body.bytes.len() as u64 {
                Ok(body.bytes.clone())
            } else {
                Err(Undecodable::Malformed("raw length"))
            };
        }
        let codec = self.codecs.by_id(body.codec).ok_or(Undecodable::UnknownCodec(body.codec))?;
        let raw_len = usize::try_from(body.raw_len)
            .map_err(|_| Undecodable::TooLarge { declared: body.raw_len, limit: usize::MAX as u64 })?;
        let raw = codec.decode(&body.bytes, raw_len, body.dictionary)?;
        if raw.len() != raw_len {
            return Err(Undecodable::Codec("another length than declared".into()));
        }
        Ok(raw.into())
    }

    /// Whether decoding this may take long enough to be done off the threads that serve requests.
    pub(super) fn is_heavy_body(body: &Body) -> bool {
        body.raw_len >= HEAVY as u64
    }

    pub(super) fn codec(&self, id: u8) -> Option<&Arc<dyn crate::Codec>> {
        self.codecs.by_id(id)
    }

    fn value(live: &Live) -> Result<&T> {
        live.downcast_ref().ok_or_else(|| {
            Error::new(ErrorKind::Encode, Operation::Encode, "the entry holds a value of another type")
        })
    }
}

impl<T: Value> Encode for Encoding<T> {
    fn serialize(&self, live: &Live) -> Result<Vec<u8>> {
        let raw = format::encode(&*self.format, Self::value(live)?)?;
        if raw.len() as u64 > self.max_value {
            let (len, limit) = (raw.len(), self.max_value);
            let message =
                format!("the value has {len} bytes before compression; this cache takes at most {limit}");
            return Err(Error::new(ErrorKind::TooLarge, Operation::Encode, message));
        }
        Ok(raw)
    }

    fn compresses(&self, raw_len: usize) -> bool {
        self.compression.as_ref().is_some_and(|compression| raw_len >= compression.threshold)
    }

    fn compress(&self, raw: Vec<u8>) -> Body {
        let raw_len = raw.len() as u64;
        let format = self.format.id();
        if let Some(Compression { codec, threshold }) = &self.compression
            && raw.len() >= *threshold
        {
            match codec.encode(&raw) {
                Ok(small) if small.len() < raw.len() => {
                    let (codec, dictionary) = (codec.id(), codec.dictionary());
                    return Body { bytes: small.into(), format, codec, dictionary, raw_len };
                }
                Ok(_) => {}
                Err(why) => tracing::warn!(codec = codec.name(), %why, "a value is stored uncompressed"),
            }
        }
        Body { bytes: raw.into(), format, codec: IDENTITY, dictionary: 0, raw_len }
    }

    fn weigh(&self, live: &Live) -> u64 {
        match (Self::value(live), &self.weigher) {
            (Ok(value), Some(weigh)) => weigh(value),
            (Ok(value), None) => serialized_weight(value),
            // Another cache's entry; it has brought its own encoder.
            (Err(_), _) => 0,
        }
    }
}

impl<T> fmt::Debug for Encoding<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoding")
            .field("format", &self.format)
            .field("compression", &self.compression)
            .field("max_value", &self.max_value)
            .finish_non_exhaustive()
    }
}
