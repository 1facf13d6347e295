//! The [`Codec`] itself.

use std::{collections::BTreeMap, fmt, sync::Arc};

use larder_core::{
    Codec,
    codec::encode_error,
    error::{Error, ErrorKind, Operation, Result},
    miss::Undecodable,
};
use zstd::zstd_safe::{
    CDict, compress_bound, find_frame_compressed_size, get_dict_id_from_frame, get_error_name,
    get_frame_content_size,
};

use crate::{config::ZstdConfig, context, dictionary::Dictionary};

/// The name of this codec in a configuration.
pub const NAME: &str = "zstd";
/// The id of this codec in envelopes.
pub const ID: u8 = 2;

/// How a frame begins.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// The most that a byte of a frame can become: a block of four bytes stands for 128 KiB at most.
const MAX_RATIO: usize = 32 * 1024;

/// The codec zstd. A body is one frame that says how long its content is, and which dictionary it needs.
///
/// - Decompressing allocates exactly the declared length and stops there, whatever the bytes are.
/// - A frame has no checksum of its own: the envelope around it has one.
/// - Contexts are kept per thread: less than 2 MB where values up to 256 KiB are compressed at level 3, less than
///   200 KB where they are decompressed. What has grown beyond 8 MiB is not kept.
#[derive(Clone)]
pub struct Zstd(Arc<Inner>);

struct Inner {
    level: i32,
    writing: Option<(u32, CDict<'static>)>,
    dictionaries: BTreeMap<u32, Dictionary>,
}

impl Zstd {
    /// A codec with these settings. Reads the dictionaries' files.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the file: it cannot be read, is larger than 1 MiB, is no trained
    /// dictionary, is damaged, or has the id of another one.
    pub fn new(config: &ZstdConfig) -> Result<Self> {
        config.check()?;
        let mut dictionaries = BTreeMap::<u32, Dictionary>::new();
        let mut writing = None;
        for path in config.dictionary.iter().chain(&config.more_dictionaries) {
            let dictionary = Dictionary::read(path)?;
            if config.dictionary.is_some() && writing.is_none() {
                writing = Some((dictionary.id, dictionary.for_writing(config.level)?));
            }
            match dictionaries.get(&dictionary.id) {
                // The same one twice, as when the list of all is kept in one place.
                Some(known) if known.bytes == dictionary.bytes => {}
                Some(_) => {
                    let (path, id) = (path.display(), dictionary.id);
                    let why = format!(
                        "dictionary \"{path}\" has the id {id}, and so has another dictionary; keep one of them"
                    );
                    return Err(Error::new(ErrorKind::Config, Operation::Build, why));
                }
                None => drop(dictionaries.insert(dictionary.id, dictionary)),
            }
        }
        Ok(Self(Arc::new(Inner { level: config.level, writing, dictionaries })))
    }

    /// The ids of all dictionaries that can be read.
    pub fn dictionaries(&self) -> impl Iterator<Item = u32> {
        self.0.dictionaries.keys().copied()
    }
}

/// With the settings of [`ZstdConfig::default`].
impl Default for Zstd {
    fn default() -> Self {
        let level = ZstdConfig::default().level;
        Self(Arc::new(Inner { level, writing: None, dictionaries: BTreeMap::new() }))
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd")
            .field("level", &self.0.level)
            .field("dictionary", &self.dictionary())
            .field("dictionaries", &self.0.dictionaries.keys())
            .finish()
    }
}

impl Codec for Zstd {
    fn id(&self) -> u8 {
        ID
    }

    fn name(&self) -> &str {
        NAME
    }

    fn dictionary(&self) -> u32 {
        self.0.writing.as_ref().map_or(0, |(id, _)| *id)
    }

    /// `zstd` without a dictionary (RFC 8878); with one, no HTTP client could read it.
    fn content_encoding(&self) -> Option<&'static str> {
        self.0.dictionaries.is_empty().then_some("zstd")
    }

    fn encode(&self, raw: &[u8]) -> Result<Vec<u8>> {
        let mut body = Vec::with_capacity(compress_bound(raw.len()));
        context::compressing(|context| match &self.0.writing {
            Some((_, dictionary)) => context.compress_using_cdict(&mut body, raw, dictionary),
            None => context.compress(&mut body, raw, self.0.level),
        })
        .ok_or_else(|| encode_error(NAME, "there is not enough memory"))?
        .map_err(|code| encode_error(NAME, get_error_name(code)))?;
        // It may be kept in memory for as long as its entry lives.
        body.shrink_to_fit();
        Ok(body)
    }

    fn decode(&self, body: &[u8], raw_len: usize, dictionary: u32) -> Result<Vec<u8>, Undecodable> {
        let refuse = |why: &str| Undecodable::codec(format_args!("zstd: {why}"));
        let dictionary = match dictionary {
            0 => None,
            id => Some(self.0.dictionaries.get(&id).ok_or(Undecodable::UnknownDictionary(id))?),
        };
        check(body, raw_len, dictionary.map_or(0, |dictionary| dictionary.id)).map_err(refuse)?;
        let mut raw = Vec::new();
        raw.try_reserve_exact(raw_len)
            .map_err(|_| refuse("there is not enough memory for its declared length"))?;
        context::decompressing(|context| match dictionary {
            Some(dictionary) => context.decompress_using_ddict(&mut raw, body, &dictionary.decode),
            None => context.decompress(&mut raw, body),
        })
        .ok_or_else(|| refuse("there is not enough memory"))?
        .map_err(|code| refuse(get_error_name(code)))?;
        if raw.len() != raw_len {
            return Err(refuse("its length is not the declared one"));
        }
        Ok(raw)
    }
}

/// Whether the body is one frame that says of itself what the envelope says of it. Nothing is allocated.
fn check(body: &[u8], raw_len: usize, dictionary: u32) -> Result<(), &'static str> {
    if !body.starts_with(&MAGIC) {
        return Err("it does not begin like zstd");
    }
    match get_frame_content_size(body) {
        Ok(Some(len)) if len == raw_len as u64 => {}
        Ok(Some(_)) => return Err("its length is not the declared one"),
        Ok(None) => return Err("it does not say how long it is"),
        Err(_) => return Err("its header is damaged"),
    }
    match find_frame_compressed_size(body) {
        Ok(len) if len == body.len() => {}
        Ok(_) => return Err("there is something after its end"),
        Err(_) => return Err("it ends too early"),
    }
    if raw_len / MAX_RATIO > body.len() {
        return Err("it is too short for its declared length");
    }
    if get_dict_id_from_frame(body).map_or(0, std::num::NonZero::get) != dictionary {
        return Err("it needs another dictionary than declared");
    }
    Ok(())
}
