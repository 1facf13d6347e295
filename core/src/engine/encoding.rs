//! How a cache's values become bodies and bodies become values.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

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
    pub(crate) room: Room,
}

/// How long values of a cache have been as bytes, for those who make room for the next. Growing a buffer bit by bit asked the
/// allocator six times for a value of 900 bytes.
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicUsize);

impl Room {
    /// What is longer than this grows.
    const MOST: usize = 16 << 10;

    /// As much as for the longest of late.
    fn expected(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Learns from what was written. Longer counts at once; shorter ones bring it down by an eighth each. What would keep far more
    /// room than it needs gives it back.
    fn learn(&self, bytes: &mut Vec<u8>) {
        let (expected, len) = (self.expected(), bytes.len().min(Self::MOST));
        let next = if len > expected { len } else { expected - (expected - len) / 8 };
        if next != expected {
            self.0.store(next, Ordering::Relaxed);
        }
        if bytes.capacity() / 2 > bytes.len() {
            bytes.shrink_to_fit();
        }
    }
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
            let body = entry.body().await.map_err(|why| Undecodable::format(why.message()))?;
            return self.decode_anywhere(body).await.map(|value| Some(Arc::new(value)));
        }
        let Some(body) = entry.encoded() else { return Err(Undecodable::Malformed("body")) };
        let value = Arc::new(self.decode_anywhere(body).await?);
        entry.keep_live(Arc::clone(&value) as Arc<Live>);
        // Another handle, of another type, may have been faster.
        Ok(entry.object::<T>().is_none().then_some(value))
    }

    /// The value of an entry that was made of bytes, if it has none yet.
    pub(crate) async fn decoded(self: &Arc<Self>, entry: &Entry) -> Result<Option<T>, Undecodable> {
        let (None, Some(body)) = (entry.live_object(), entry.encoded()) else { return Ok(None) };
        self.decode_anywhere(body).await.map(Some)
    }

    /// Decodes; what is large on a thread that serves no requests.
    async fn decode_anywhere(self: &Arc<Self>, body: &Body) -> Result<T, Undecodable> {
        if !Self::is_heavy_body(body) {
            return self.decode(body);
        }
        let (encoding, body) = (Arc::clone(self), body.clone());
        match offload::run(Operation::Decode, move || Ok(encoding.decode(&body))).await {
            Ok(decoded) => decoded,
            Err(why) => Err(Undecodable::format(why.message())),
        }
    }

    /// Decompresses and deserializes.
    fn decode(&self, body: &Body) -> Result<T, Undecodable> {
        let format = self.formats.by_id(body.format).ok_or(Undecodable::UnknownFormat(body.format))?;
        let raw = self.decompress(body)?;
        match caught_now(|| format::decode_shared(&**format, &raw)) {
            Ok(decoded) => decoded,
            Err(Panicked) => Err(Undecodable::format("the value's Deserialize panicked")),
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
            return Err(Undecodable::codec("its length is not the declared one"));
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
        let encoded = caught_now(|| format::encode_within(&*self.format, value, self.room.expected()));
        let mut raw = encoded.unwrap_or_else(|Panicked| {
            let message = "the value's Serialize panicked";
            Err(Error::new(ErrorKind::Encode, Operation::Encode, message))
        })?;
        self.room.learn(&mut raw);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_the_longest_of_late() {
        let room = Room::default();
        let learn = |len: usize, capacity: usize| {
            let mut bytes = Vec::with_capacity(capacity);
            bytes.resize(len, 0);
            room.learn(&mut bytes);
            (room.expected(), bytes.capacity())
        };
        assert_eq!(learn(900, 900), (900, 900));
        // One that is short is not given back its room for nothing, ...
        assert_eq!(learn(600, 900), (863, 900));
        // ... and keeps no multiple of what it needs.
        let (expected, capacity) = learn(10, 863);
        assert_eq!(expected, 757);
        assert!(capacity < 100, "{capacity}");
        // What is very long is not expected of others.
        assert_eq!(learn(1 << 20, 1 << 20), (Room::MOST, 1 << 20));
        for _ in 0..100 {
            learn(100, 100);
        }
        assert!(room.expected() < 120, "{}", room.expected());
    }
}
