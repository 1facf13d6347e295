//! What compressing costs: this codec, against miniz_oxide and libdeflate. `cargo bench -p larder-gzip`
//!
//! Short rounds of all take turns; printed are MB/s of uncompressed bytes in the fastest tenth of them, and the
//! ratio.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on has no result")]

use std::{fmt::Write as _, hint::black_box, time::Instant};

use larder_core::Codec as _;
use larder_gzip::{Gzip, GzipConfig};
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use miniz_oxide::{
    deflate::{
        CompressionLevel,
        core::{CompressorOxide, TDEFLFlush, compress, create_comp_flags_from_zip_params},
    },
    inflate::core::{DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
};

const ROUNDS: usize = 60;
const LEVEL: u8 = 6;

/// A search answer of about this many bytes of JSON.
fn answer(len: usize) -> Vec<u8> {
    const WORDS: [&str; 24] = [
        "red", "green", "large", "small", "wooden", "folding", "garden", "kitchen", "antique", "lamp",
        "table", "chair", "cupboard", "with", "without", "drawers", "for", "two", "children", "outdoor",
        "steel", "oak", "light", "dark",
    ];
    let mut state = 7_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).unwrap_or(0) % below
    };
    let mut text = String::from(r#"{"found":4711,"hits":["#);
    while text.len() < len {
        let _ = write!(text, r#"{{"id":{},"title":""#, random(1_000_000));
        for _ in 0..3 + random(6) {
            let _ = write!(text, "{} ", WORDS[random(WORDS.len())]);
        }
        let (price, seller) = (random(90_000), random(500));
        let _ =
            write!(text, r#"","price":{price},"currency":"EUR","seller":"shop-{seller}","in_stock":true}},"#);
    }
    text.truncate(len);
    text.into_bytes()
}

/// One library, with its state kept from call to call as the codec keeps it.
trait Library {
    fn encode(&mut self, raw: &[u8]) -> Vec<u8>;
    fn decode(&mut self, body: &[u8], raw_len: usize) -> Vec<u8>;
}

struct Ours(Gzip);

impl Library for Ours {
    fn encode(&mut self, raw: &[u8]) -> Vec<u8> {
        self.0.encode(raw).expect("it fits")
    }

    fn decode(&mut self, body: &[u8], raw_len: usize) -> Vec<u8> {
        self.0.decode(body, raw_len, 0).expect("its own bytes")
    }
}

/// As ours, but with a state made for every value.
struct Fresh;

impl Library for Fresh {
    fn encode(&mut self, raw: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let level = flate2::Compression::new(LEVEL.into());
        let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(raw.len()), level);
        encoder.write_all(raw).expect("memory");
        encoder.finish().expect("memory")
    }

    fn decode(&mut self, body: &[u8], raw_len: usize) -> Vec<u8> {
        use std::io::Read as _;
        let mut raw = Vec::with_capacity(raw_len);
        flate2::read::GzDecoder::new(body).read_to_end(&mut raw).expect("its own bytes");
        raw
    }
}

/// Bare deflate, and the checksum that the format asks for.
struct Miniz(Box<CompressorOxide>, Box<DecompressorOxide>);

impl Library for Miniz {
    fn encode(&mut self, raw: &[u8]) -> Vec<u8> {
        self.0.reset();
        let mut body = vec![0; raw.len() + 64];
        let (_, taken, given) = compress(&mut self.0, raw, &mut body, TDEFLFlush::Finish);
        assert_eq!(taken, raw.len());
        body.truncate(given);
        body.extend(crc(raw).to_le_bytes());
        body
    }

    fn decode(&mut self, body: &[u8], raw_len: usize) -> Vec<u8> {
        self.1.init();
        let mut raw = vec![0; raw_len];
        let stream = &body[..body.len() - 4];
        let (_, _, given) =
            decompress(&mut self.1, stream, &mut raw, 0, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        assert_eq!((given, crc(&raw).to_le_bytes().as_slice()), (raw_len, &body[body.len() - 4..]));
        raw
    }
}

struct Libdeflate(Compressor, Decompressor);

impl Library for Libdeflate {
    fn encode(&mut self, raw: &[u8]) -> Vec<u8> {
        let mut body = vec![0; self.0.gzip_compress_bound(raw.len())];
        let given = self.0.gzip_compress(raw, &mut body).expect("it fits");
        body.truncate(given);
        body
    }

    fn decode(&mut self, body: &[u8], raw_len: usize) -> Vec<u8> {
        let mut raw = vec![0; raw_len];
        self.1.gzip_decompress(body, &mut raw).expect("its own bytes");
        raw
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn main() {
    let mut ours = Ours(Gzip::new(&GzipConfig::new(LEVEL.into())).expect("a level"));
    let flags = create_comp_flags_from_zip_params(LEVEL.into(), 0, 0);
    let mut miniz = Miniz(Box::new(CompressorOxide::new(flags)), Box::default());
    miniz.0.set_compression_level(CompressionLevel::DefaultLevel);
    let level = CompressionLvl::new(LEVEL.into()).expect("a level");
    let mut libdeflate = Libdeflate(Compressor::new(level), Decompressor::new());
    let mut fresh = Fresh;

    println!("{:<42} {:>9} {:>9} {:>6}", "level 6, MB/s", "compress", "decompress", "ratio");
    for len in [1 << 10, 10 << 10, 100 << 10] {
        let raw = answer(len);
        let mut libraries: [(&str, &mut dyn Library); 4] = [
            ("larder-gzip (flate2 on zlib-rs, kept)", &mut ours),
            ("flate2 on zlib-rs, made for every value", &mut fresh),
            ("miniz_oxide, kept", &mut miniz),
            ("libdeflate (C), kept", &mut libdeflate),
        ];
        let mut times = vec![(Vec::new(), Vec::new(), 0); libraries.len()];
        for _ in 0..ROUNDS {
            for ((_, library), times) in libraries.iter_mut().zip(&mut times) {
                let body = library.encode(&raw);
                // About a millisecond.
                let calls = ((128 << 10) / len).max(1);
                times.0.push(mega(len, calls, || drop(black_box(library.encode(black_box(&raw))))));
                times.1.push(mega(len, calls, || drop(black_box(library.decode(black_box(&body), len)))));
                times.2 = body.len();
            }
        }
        println!("{} KiB", len >> 10);
        for ((name, _), (compress, decompress, size)) in libraries.iter().zip(&mut times) {
            #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
            let ratio = len as f64 / *size as f64;
            println!(
                "  {name:<40} {:>9.0} {:>9.0} {ratio:>6.2}",
                fastest_tenth(compress),
                fastest_tenth(decompress)
            );
        }
    }
}

/// Megabytes of uncompressed bytes a second.
#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn mega(len: usize, calls: usize, mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..calls {
        call();
    }
    (len * calls) as f64 / begun.elapsed().as_secs_f64() / 1e6
}

fn fastest_tenth(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() - 1 - times.len() / 10]
}
