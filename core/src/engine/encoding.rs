//! How a cache's values become bodies and bodies become values.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    panics::{Panicked, caught_now},
    weight::serialized_weight,
};
use crate::{
    codec::{Codecs, Compression, IDENTITY},
    entry::{Body, Encode, Entry, Live, Meta},
    error::{Error, ErrorKind, Operation, Result},
    format::{self, Format, Formats},
    miss::Undecodable,
    offload::{self, HEAVY},
    value::Value,
};

/// A function that says about how many bytes of memory a value takes.
pub(crate) type Weigher<T> = Arc<dyn Fn(&T) -> u64 + Send + Sync>;

/// What a cache writes with, and everything it can read.
pub(crate) struct Encoding<T> {
    pub(crate) format: Arc<dyn Format>,
    pub(crate) formats: Formats,
    pub(crate) codecs: Codecs,
    pub(crate) compression: Option<Compression>,
    pub(crate) max_value: u64,
    pub(crate) weigher: Option<Weigher<T>>,
}

impl<T: Value> Encoding<T> {
    /// An entry for a value.
    pub(crate) fn entry(self: &Arc<Self>, value: T, meta: Meta) -> Entry {
        Entry::of(value, Arc::clone(self) as Arc<dyn Encode>, meta)
    }

    /// Sees to it that the value of an entry is there, decoded. It is the entry's own object, or else this.
    pub(crate) async fn value(self: &Arc<Self>, entry: &Entry) -> Result<Option<Arc<T>>, Undecodable> {
        if entry.object::<T>().is_some() {
            return Ok(None);
        }
        if entry.live_object().is_some() {
            // A value that was written through a handle of another type: read its bytes, as a remote store would.
            let body = entry.body().await.map_err(|why| Undecodable::Format(why.message().into()))?;
            return self.decode_anywhere(body).await.map(Some);
        }
        let Some(body) = entry.encoded() else { return Err(Undecodable::Malformed("body")) };
        let value = self.decode_anywhere(body).await?;
        entry.keep_live(Arc::clone(&value) as Arc<Live>);
        // Another handle, of another type, may have been faster.
        Ok(entry.object::<T>().is_none().then_some(value))
    }

    /// Decodes; what is large on a thread that serves no requests.
    async fn decode_anywhere(self: &Arc<Self>, body: &Body) -> Result<Arc<T>, Undecodable> {
        if !Self::is_heavy_body(body) {
            return self.decode(body);
        }
        let (encoding, body) = (Arc::clone(self), body.clone());
        match offload::run(Operation::Decode, move || Ok(encoding.decode(&body))).await {
            Ok(decoded) => decoded,
            Err(why) => Err(Undecodable::Format(why.message().into())),
        }
    }

    /// Decompresses and deserializes.
    fn decode(&self, body: &Body) -> Result<Arc<T>, Undecodable> {
        let format = self.formats.by_id(body.format).ok_or(Undecodable::UnknownFormat(body.format))?;
        let raw = self.decompress(body)?;
        match caught_now(|| format::decode_shared(&**format, &raw)) {
            Ok(Ok(value)) => Ok(Arc::new(value)),
            Ok(Err(why)) => Err(Undecodable::Format(why.into())),
            Err(Panicked) => Err(Undecodable::Format("the value's Deserialize panicked".into())),
        }
    }

    /// The bytes before compression; the same bytes where there was none.
    pub(crate) fn decompress(&self, body: &Body) -> Result<Bytes, Undecodable> {
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
            return Err(Undecodable::Codec("its length is not the declared one".into()));
        }
        Ok(raw.into())
    }

    /// Whether decoding this may take long enough to be done off the threads that serve requests.
    pub(crate) fn is_heavy_body(body: &Body) -> bool {
        body.raw_len >= HEAVY as u64
    }

    pub(crate) fn codec(&self, id: u8) -> Option<&Arc<dyn crate::Codec>> {
        self.codecs.by_id(id)
    }

    fn downcast(live: &Live) -> Result<&T> {
        live.downcast_ref().ok_or_else(|| {
            Error::new(ErrorKind::Encode, Operation::Encode, "the entry holds a value of another type")
        })
    }
}

impl<T: Value> Encode for Encoding<T> {
    fn serialize(&self, live: &Live) -> Result<Vec<u8>> {
        let value = Self::downcast(live)?;
        let raw = caught_now(|| format::encode(&*self.format, value)).unwrap_or_else(|Panicked| {
            let message = "the value's Serialize panicked";
            Err(Error::new(ErrorKind::Encode, Operation::Encode, message))
        })?;
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
        let weight = caught_now(|| match (Self::downcast(live), &self.weigher) {
            (Ok(value), Some(weigh)) => weigh(value),
            (Ok(value), None) => serialized_weight(value),
            // Another cache's entry; it has brought its own encoder.
            (Err(_), _) => 0,
        });
        weight.unwrap_or_else(|Panicked| {
            tracing::error!(
                "a weigher or a value's Serialize panicked; the value counts as too large to keep"
            );
            u64::MAX
        })
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
