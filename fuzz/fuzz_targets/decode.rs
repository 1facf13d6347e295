//! Bodies: no bytes make a format or a codec panic, or allocate far more than they were given.
#![no_main]

use std::{collections::BTreeMap, fmt::Debug, sync::LazyLock};

use arbitrary::Arbitrary;
use bytes::Bytes;
use larder_core::{
    Codec, Format,
    format::{Json, MessagePack, Postcard, Raw, Visit, decode, encode},
    miss::Undecodable,
};
use larder_fuzz::{Counting, Edit, peak_of};
use larder_gzip::Gzip;
use larder_zstd::{Zstd, ZstdConfig};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Debug, Arbitrary)]
enum Input {
    /// Anything, as a value of a format.
    Format { format: AnyFormat, shape: Shape, body: Vec<u8> },
    /// Anything, as what a codec made.
    Compressed { codec: AnyCodec, body: Vec<u8>, raw_len: u64, dictionary: AnyDictionary },
    /// What a codec made, and what became of it.
    Damaged {
        codec: AnyCodec,
        raw: Vec<u8>,
        times: u8,
        edits: Vec<Edit>,
        raw_len: Option<u32>,
        dictionary: AnyDictionary,
    },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum AnyCodec {
    Gzip,
    Zstd,
    ZstdWithDictionary,
}

/// The id that an envelope names.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum AnyDictionary {
    None,
    Own,
    Other(u32),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum AnyFormat {
    Raw,
    Json,
    MessagePack,
    Postcard,
}

/// The type that the bytes are decoded into.
#[derive(Debug, Arbitrary)]
enum Shape {
    Record,
    Tree,
    Value,
    Text,
    Bytes,
    Numbers,
    Floats,
    Units,
    Chain,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: u64,
    small: i8,
    ratio: f64,
    initial: char,
    name: String,
    note: Option<String>,
    tags: Vec<String>,
    scores: BTreeMap<String, i32>,
    kinds: Vec<Kind>,
    raw: Bytes,
    unit: (),
    triple: (u8, bool, i64),
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Nothing,
    One(u32),
    Two(i16, bool),
    Named { at: u64, of: Option<u8> },
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree {
    name: String,
    children: Vec<Tree>,
}

/// Nests without a container.
#[derive(Debug, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

fuzz_target!(|input: Input| match input {
    Input::Format { format, shape, body } => {
        let format: &'static dyn Format = match format {
            AnyFormat::Raw => &Raw,
            AnyFormat::Json => &Json,
            AnyFormat::MessagePack => &MessagePack,
            AnyFormat::Postcard => &Postcard,
        };
        match shape {
            Shape::Record => check_format::<Record>(format, &body),
            Shape::Tree => check_format::<Tree>(format, &body),
            Shape::Value => check_format::<Value>(format, &body),
            Shape::Text => check_format::<String>(format, &body),
            Shape::Bytes => check_format::<Bytes>(format, &body),
            Shape::Numbers => check_format::<Vec<u64>>(format, &body),
            Shape::Floats => check_format::<Vec<f64>>(format, &body),
            Shape::Units => check_format::<Vec<()>>(format, &body),
            Shape::Chain => check_format::<Chain>(format, &body),
        }
    }
    Input::Compressed { codec, body, raw_len, dictionary } => {
        let codec = CODECS.of(codec);
        let raw_len = usize::try_from(raw_len).unwrap_or(usize::MAX);
        check_codec(codec, &body, raw_len, dictionary);
    }
    Input::Damaged { codec, raw, times, edits, raw_len, dictionary } => {
        let codec = CODECS.of(codec);
        let raw = raw.repeat(usize::from(times));
        let body = codec.encode(&raw).expect("there is memory for it");
        assert_eq!(check_codec(codec, &body, raw.len(), AnyDictionary::Own).as_ref(), Some(&raw));
        let raw_len = raw_len.map_or(raw.len(), |raw_len| raw_len as usize);
        let damaged = edits.iter().fold(body.clone(), Edit::apply);
        check_codec(codec, &damaged, raw_len, dictionary);
        // Whatever was met before, the next body is read.
        assert_eq!(check_codec(codec, &body, raw.len(), AnyDictionary::Own), Some(raw));
    }
});

static CODECS: LazyLock<AllCodecs> = LazyLock::new(AllCodecs::new);

struct AllCodecs {
    gzip: Gzip,
    zstd: Zstd,
    zstd_with_dictionary: Zstd,
}

impl AllCodecs {
    fn new() -> Self {
        let samples: Vec<String> = (0..2000)
            .map(|n| format!("{{\"id\":{n},\"name\":\"item {}\",\"price\":{}}}", n * 7, n % 90))
            .collect();
        let dictionary = larder_zstd::train(&samples, 4096).expect("the samples are alike");
        let path = std::env::temp_dir().join(format!("larder-fuzz-{}.dictionary", std::process::id()));
        std::fs::write(&path, dictionary).expect("the temporary directory can be written to");
        let config = ZstdConfig::default().dictionary(&path);
        let zstd_with_dictionary = Zstd::new(&config).expect("it was trained just now");
        let _ = std::fs::remove_file(path);
        let codecs = Self { gzip: Gzip::default(), zstd: Zstd::default(), zstd_with_dictionary };
        // What is kept for the next value is not counted for the first one.
        for codec in
            [AnyCodec::Gzip, AnyCodec::Zstd, AnyCodec::ZstdWithDictionary].map(|codec| codecs.of(codec))
        {
            let body = codec.encode(b"warm").expect("there is memory for it");
            codec.decode(&body, 4, codec.dictionary()).expect("it was encoded just now");
        }
        codecs
    }

    fn of(&self, codec: AnyCodec) -> &dyn Codec {
        match codec {
            AnyCodec::Gzip => &self.gzip,
            AnyCodec::Zstd => &self.zstd,
            AnyCodec::ZstdWithDictionary => &self.zstd_with_dictionary,
        }
    }
}

/// What a codec may hold beside its result: the words of an error.
const WORDS: usize = 1024;

fn check_codec(codec: &dyn Codec, body: &[u8], raw_len: usize, dictionary: AnyDictionary) -> Option<Vec<u8>> {
    let id = match dictionary {
        AnyDictionary::None => 0,
        AnyDictionary::Own => codec.dictionary(),
        AnyDictionary::Other(id) => id,
    };
    let (raw, peak) = peak_of(|| codec.decode(body, raw_len, id));
    assert!(peak <= raw_len.saturating_add(WORDS), "{peak} bytes for {raw_len} in {}", codec.name());
    match raw {
        Ok(raw) => {
            assert_eq!(raw.len(), raw_len, "{}", codec.name());
            if codec.id() == larder_gzip::ID {
                assert!(body[..body.len() - 4].ends_with(&crc32(&raw).to_le_bytes()), "a wrong checksum");
            }
            Some(raw)
        }
        Err(Undecodable::Codec(_)) => None,
        Err(Undecodable::UnknownDictionary(unknown)) => {
            assert!(unknown == id && id != 0 && id != codec.dictionary(), "{id}");
            None
        }
        Err(other) => panic!("{} says {other:?}", codec.name()),
    }
}

/// The checksum in RFC 1952, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// What may be taken for each byte of a body: a list of one-byte elements reserves as much as its largest type takes.
const PER_BYTE: usize = 512;
/// What may be taken whatever the body is: the words of an error, a node of a map.
const AT_LEAST: usize = 64 * 1024;

fn check_format<T: Debug + Serialize + DeserializeOwned>(format: &'static dyn Format, body: &[u8]) {
    let (decoded, peak) = peak_of(|| decode::<T>(format, body));
    let bound = AT_LEAST + PER_BYTE * body.len();
    assert!(peak <= bound, "{peak} bytes for {} in {}", body.len(), format.name());
    let erased = decode::<T>(&Foreign(format), body);
    assert_eq!(decoded.is_ok(), erased.is_ok(), "{decoded:?} and {erased:?} in {}", format.name());
    let Ok(value) = decoded else { return };
    if format.name() != "raw" {
        let longer = [body, b"\xc0"].concat();
        assert!(decode::<T>(format, &longer).is_err(), "something follows {value:?}");
    }

    // A value that was read is one that can be written, and comes back the same.
    let Ok(once) = encode(format, &value) else {
        assert_eq!(format.name(), "raw", "{value:?} was read and cannot be written");
        return;
    };
    assert_eq!(encode(&Foreign(format), &value).ok().as_ref(), Some(&once));
    let again: T = decode(format, &once).unwrap_or_else(|why| panic!("{value:?} is not read back: {why}"));
    let twice = encode(format, &again).expect("it was written before");
    assert!(once == twice, "{value:?} became {again:?}");
}

/// A format that the core does not know at compile time.
#[derive(Debug)]
struct Foreign(&'static dyn Format);

impl Format for Foreign {
    fn id(&self) -> u8 {
        200
    }

    fn name(&self) -> &'static str {
        "foreign"
    }

    fn media_type(&self) -> &'static str {
        self.0.media_type()
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> larder_core::Result<Vec<u8>> {
        self.0.encode(value)
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), Undecodable> {
        self.0.decode(bytes, visit)
    }
}
