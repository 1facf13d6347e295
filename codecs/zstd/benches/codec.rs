//! What compressing costs, without and with a dictionary. `cargo bench -p larder-zstd`
//!
//! Short rounds of all take turns; printed are MB/s of uncompressed bytes in the fastest tenth of them, and the
//! ratio.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on has no result")]

use std::{fmt::Write as _, hint::black_box, path::PathBuf, time::Instant};

use larder_core::Codec as _;
use larder_zstd::{Zstd, ZstdConfig, train};

const ROUNDS: usize = 60;

/// A search answer of about this many bytes of JSON, another for each seed.
fn answer(seed: u64, len: usize) -> Vec<u8> {
    const WORDS: [&str; 24] = [
        "red", "green", "large", "small", "wooden", "folding", "garden", "kitchen", "antique", "lamp",
        "table", "chair", "cupboard", "with", "without", "drawers", "for", "two", "children", "outdoor",
        "steel", "oak", "light", "dark",
    ];
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 7;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).unwrap_or(0) % below
    };
    let mut text = format!(r#"{{"found":{},"hits":["#, random(10_000));
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

fn dictionary(size: usize) -> PathBuf {
    let samples: Vec<_> = (10_000..13_000).map(|seed| answer(seed, 1 << 10)).collect();
    let path = std::env::temp_dir().join(format!("larder-zstd-bench-{}-{size}", std::process::id()));
    std::fs::write(&path, train(&samples, size).expect("they are alike"))
        .expect("a folder for temporary files");
    path
}

fn main() {
    let files = [4 << 10, 16 << 10].map(dictionary);
    let codec = |level, dictionary: Option<&PathBuf>| {
        let config = ZstdConfig::new(level);
        let config = dictionary.into_iter().fold(config, ZstdConfig::dictionary);
        Zstd::new(&config).expect("settings")
    };
    let codecs = [
        ("level 1", codec(1, None)),
        ("level 3", codec(3, None)),
        ("level 9", codec(9, None)),
        ("level 3, dictionary of 4 KiB", codec(3, Some(&files[0]))),
        ("level 3, dictionary of 16 KiB", codec(3, Some(&files[1]))),
    ];
    for file in files {
        let _ = std::fs::remove_file(file);
    }

    println!("{:<42} {:>9} {:>9} {:>6}", "MB/s", "compress", "decompress", "ratio");
    for len in [256, 1 << 10, 10 << 10, 100 << 10] {
        let values: Vec<Vec<u8>> = (0..16).map(|seed| answer(seed, len)).collect();
        let mut times = vec![(Vec::new(), Vec::new(), 0); codecs.len()];
        for _ in 0..ROUNDS {
            for ((_, codec), times) in codecs.iter().zip(&mut times) {
                let bodies: Vec<Vec<u8>> =
                    values.iter().map(|raw| codec.encode(raw).expect("memory")).collect();
                // About a millisecond.
                let rounds = ((8 << 10) / len).max(1);
                times.0.push(mega(16 * len, rounds, || {
                    for raw in &values {
                        drop(black_box(codec.encode(black_box(raw))));
                    }
                }));
                times.1.push(mega(16 * len, rounds, || {
                    for body in &bodies {
                        drop(black_box(codec.decode(black_box(body), len, codec.dictionary())));
                    }
                }));
                times.2 = bodies.iter().map(Vec::len).sum();
            }
        }
        println!("{len} B");
        for ((name, _), (compress, decompress, size)) in codecs.iter().zip(&mut times) {
            #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
            let ratio = (16 * len) as f64 / *size as f64;
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
