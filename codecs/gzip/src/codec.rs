//! The [`Codec`] itself.

use std::cell::Cell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use larder_core::{Codec, codec::encode_error, error::Result, miss::Undecodable};

use crate::{
    config::GzipConfig,
    member::{self, HEADER, TRAILER},
};

/// The name of this codec in a configuration.
pub const NAME: &str = "gzip";
/// The id of this codec in envelopes.
pub const ID: u8 = 1;

/// The most that a byte of a deflate stream can become: 258 bytes for two bits.
const MAX_RATIO: usize = 1032;

thread_local! {
    // Making these costs as much as using them on a small value: 260 KB and 48 KB to allocate and fill.
    static COMPRESS: Cell<Option<(u32, Compress)>> = const { Cell::new(None) };
    static DECOMPRESS: Cell<Option<Decompress>> = const { Cell::new(None) };
}

/// The codec gzip. A body is one member as RFC 1952 has it, the same bytes for the same value.
///
/// - The checksum and the length in it are checked when it is read.
/// - Decompressing allocates exactly the declared length and stops there, whatever the bytes are.
/// - Each thread that compresses keeps 260 KB for the next value, each that decompresses 48 KB.
#[derive(Debug, Clone)]
pub struct Gzip {
    level: u32,
}

impl Gzip {
    /// A codec with these settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](larder_core::ErrorKind) when the level is above 9.
    pub fn new(config: &GzipConfig) -> Result<Self> {
        config.check()?;
        Ok(Self { level: config.level })
    }
}

/// With the settings of [`GzipConfig::default`].
impl Default for Gzip {
    fn default() -> Self {
        Self { level: GzipConfig::default().level }
    }
}

impl Codec for Gzip {
    fn id(&self) -> u8 {
        ID
    }

    fn name(&self) -> &str {
        NAME
    }

    fn content_encoding(&self) -> Option<&'static str> {
        Some("gzip")
    }

    fn encode(&self, raw: &[u8]) -> Result<Vec<u8>> {
        if u32::try_from(raw.len()).is_err() {
            return Err(encode_error(NAME, "4 GiB and more do not fit into its length field"));
        }
        // Taken and not borrowed: whatever happens in between, the next value finds one or none.
        let kept = COMPRESS.try_with(Cell::take).ok().flatten();
        let mut compress = match kept {
            Some((level, mut compress)) if level == self.level => {
                compress.reset();
                compress
            }
            _ => Compress::new(Compression::new(self.level), false),
        };
        let body = deflate(&mut compress, raw);
        // Not kept on a thread that is about to end.
        let _ = COMPRESS.try_with(|kept| kept.set(Some((self.level, compress))));
        body
    }

    fn decode(&self, body: &[u8], raw_len: usize, _: u32) -> Result<Vec<u8>, Undecodable> {
        let mut decompress = match DECOMPRESS.try_with(Cell::take).ok().flatten() {
            Some(mut decompress) => {
                decompress.reset(false);
                decompress
            }
            None => Decompress::new(false),
        };
        let raw = inflate(&mut decompress, body, raw_len);
        let _ = DECOMPRESS.try_with(|kept| kept.set(Some(decompress)));
        raw.map_err(|why| Undecodable::codec(format_args!("gzip: {why}")))
    }
}

fn deflate(compress: &mut Compress, raw: &[u8]) -> Result<Vec<u8>> {
    // The bound of zlib's own `compressBound` for what does not get smaller, and what goes around it.
    let bound = raw.len() + (raw.len() >> 12) + (raw.len() >> 14) + (raw.len() >> 25) + 13;
    let mut body = Vec::with_capacity(HEADER.len() + bound + TRAILER);
    body.extend_from_slice(&HEADER);
    loop {
        // Below 4 GiB, so it fits; on a machine where it does not, that much memory is not there either.
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = raw.get(taken..).unwrap_or_default();
        match compress.compress_vec(rest, &mut body, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => break,
            // Level 0 adds more than the bound allows for.
            Ok(Status::Ok | Status::BufError) => body.reserve(raw.len() / 8 + 64),
            Err(why) => return Err(encode_error(NAME, why)),
        }
    }
    body.extend_from_slice(&member::trailer(raw));
    // It may be kept in memory for as long as its entry lives.
    body.shrink_to_fit();
    Ok(body)
}

fn inflate(decompress: &mut Decompress, body: &[u8], raw_len: usize) -> Result<Vec<u8>, String> {
    let (stream, trailer) = member::open(body)?;
    if raw_len / MAX_RATIO > stream.len() {
        return Err("it is too short for its declared length".into());
    }
    let mut raw = Vec::new();
    raw.try_reserve_exact(raw_len).map_err(|_| "there is not enough memory for its declared length")?;
    let status = decompress
        .decompress_vec(stream, &mut raw, FlushDecompress::Finish)
        .map_err(|why| why.message().unwrap_or("it is damaged").to_owned())?;
    if status != Status::StreamEnd {
        let why = if raw.len() >= raw_len { "it is longer than declared" } else { "it ends too early" };
        return Err(why.into());
    }
    if raw.len() != raw_len {
        return Err("its length is not the declared one".into());
    }
    if decompress.total_in() != stream.len() as u64 {
        return Err("there is something after its end".into());
    }
    if *trailer != member::trailer(&raw) {
        return Err("its checksum or its length does not match".into());
    }
    Ok(raw)
}
