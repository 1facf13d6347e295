//! The suite's own codec: run lengths. It compresses what repeats, makes everything else longer, and does on
//! request what codecs must not do.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use larder_core::{Codec, Result, codec::encode_error, miss::Undecodable};

/// Pairs of a count and a byte.
#[derive(Debug, Clone, Default)]
pub(super) struct RunLength {
    id: Id,
    dictionary: u32,
    misbehaviour: Option<Misbehaviour>,
    pub(super) encoded: Arc<AtomicUsize>,
    pub(super) decoded: Arc<AtomicUsize>,
}

/// The ids from 128 on are everybody's own.
#[derive(Debug, Clone, Copy)]
struct Id(u8);

impl Default for Id {
    fn default() -> Self {
        Self(200)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misbehaviour {
    /// Refuses to compress.
    RefusesToEncode,
    /// Gives one byte less than was declared.
    DecodesTooLittle,
    /// Cannot decompress anything.
    RefusesToDecode,
}

impl RunLength {
    /// The same codec under another id: another codec, for all that others can know.
    pub(super) fn with_id(mut self, id: u8) -> Self {
        self.id = Id(id);
        self
    }

    pub(super) fn with_dictionary(mut self, dictionary: u32) -> Self {
        self.dictionary = dictionary;
        self
    }

    pub(super) fn that(mut self, misbehaviour: Misbehaviour) -> Self {
        self.misbehaviour = Some(misbehaviour);
        self
    }

    pub(super) fn decoded(&self) -> usize {
        self.decoded.load(Ordering::SeqCst)
    }

    pub(super) fn encoded(&self) -> usize {
        self.encoded.load(Ordering::SeqCst)
    }
}

impl Codec for RunLength {
    fn id(&self) -> u8 {
        self.id.0
    }

    fn name(&self) -> &'static str {
        "run-length"
    }

    fn dictionary(&self) -> u32 {
        self.dictionary
    }

    fn content_encoding(&self) -> Option<&'static str> {
        Some("x-run-length")
    }

    fn encode(&self, raw: &[u8]) -> Result<Vec<u8>> {
        self.encoded.fetch_add(1, Ordering::SeqCst);
        if self.misbehaviour == Some(Misbehaviour::RefusesToEncode) {
            return Err(encode_error("run-length", "it was told to refuse"));
        }
        let runs = raw.chunk_by(|one, next| one == next).flat_map(|run| run.chunks(255));
        Ok(runs.flat_map(|run| [u8::try_from(run.len()).unwrap_or(u8::MAX), run[0]]).collect())
    }

    fn decode(&self, body: &[u8], raw_len: usize, dictionary: u32) -> Result<Vec<u8>, Undecodable> {
        self.decoded.fetch_add(1, Ordering::SeqCst);
        if dictionary != self.dictionary {
            return Err(Undecodable::UnknownDictionary(dictionary));
        }
        let damaged = || Undecodable::codec("not of this length");
        let (pairs, rest) = body.as_chunks::<2>();
        let len: usize = pairs.iter().map(|[count, _]| usize::from(*count)).sum();
        if len != raw_len || !rest.is_empty() || self.misbehaviour == Some(Misbehaviour::RefusesToDecode) {
            return Err(damaged());
        }
        let mut raw = Vec::with_capacity(len);
        for [count, byte] in pairs {
            raw.resize(raw.len() + usize::from(*count), *byte);
        }
        if self.misbehaviour == Some(Misbehaviour::DecodesTooLittle) {
            raw.pop();
        }
        Ok(raw)
    }
}
