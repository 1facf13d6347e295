//! Compression as a careful program does it by hand: contexts made once and reused.

use std::io;
use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress};
use zstd::bulk::{Compressor, Decompressor};

use crate::harness::Outcome;

/// Larder's defaults, so that both do the same work.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Contexts, behind a lock that nobody else ever holds.
pub(super) struct ByHand(Mutex<Contexts>);

#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
enum Contexts {
    Gzip(Compress, Decompress),
    Zstd(Compressor<'static>, Decompressor<'static>),
}

impl ByHand {
    /// Deflate with the checksum that gzip puts beside it.
    pub(super) fn gzip() -> Self {
        let compress = Compress::new(Compression::new(GZIP_LEVEL), false);
        Self(Mutex::new(Contexts::Gzip(compress, Decompress::new(false))))
    }

    /// zstd, with a dictionary unless that is empty.
    pub(super) fn zstd(dictionary: &[u8]) -> Outcome<Self> {
        let compressor = Compressor::with_dictionary(ZSTD_LEVEL, dictionary)?;
        Ok(Self(Mutex::new(Contexts::Zstd(compressor, Decompressor::with_dictionary(dictionary)?))))
    }

    /// Compresses, and decompresses what came out.
    pub(super) fn round(&self, raw: &[u8]) -> io::Result<Vec<u8>> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Contexts::Zstd(compressor, decompressor) => {
                let body = compressor.compress(raw)?;
                decompressor.decompress(&body, raw.len())
            }
            Contexts::Gzip(compress, decompress) => {
                compress.reset();
                // What does not get smaller grows by five bytes for each block at most.
                let mut body = Vec::with_capacity(raw.len() + raw.len() / 1000 + 64);
                compress.compress_vec(raw, &mut body, FlushCompress::Finish).map_err(io::Error::other)?;
                let written = sum(raw);
                decompress.reset(false);
                let mut read = Vec::with_capacity(raw.len());
                decompress.decompress_vec(&body, &mut read, FlushDecompress::Finish)?;
                if sum(&read) == written { Ok(read) } else { Err(io::Error::other("the sums differ")) }
            }
        }
    }
}

fn sum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
