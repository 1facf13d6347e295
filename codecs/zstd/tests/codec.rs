//! What the codec promises: every value comes back, and nothing else comes of bytes that are not one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{sync::Arc, thread};

use larder_core::{Codec, Codecs, miss::Undecodable};
use larder_zstd::{Zstd, ZstdConfig};
use proptest::prelude::*;

fn zstd(level: i32) -> Zstd {
    Zstd::new(&ZstdConfig::new(level)).unwrap()
}

/// Numbers that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(step).collect()
}

fn values() -> Vec<Vec<u8>> {
    let unicode = "Grüße, 世界 \u{1F980}\u{0}\r\n".repeat(300);
    vec![vec![], vec![7], b"ab".repeat(40), unicode.into(), noise(100_000), vec![0; 10 << 20]]
}

fn reason(decoded: Result<Vec<u8>, Undecodable>) -> String {
    match decoded {
        Err(Undecodable::Codec(why)) => why.to_string(),
        other => panic!("expected a codec's reason, got {:?}", other.map(|raw| raw.len())),
    }
}

#[test]
fn every_value_comes_back_at_every_level() {
    for level in [1, 2, 3, 9, 15, 19, 22] {
        let zstd = zstd(level);
        for raw in values() {
            let body = zstd.encode(&raw).unwrap();
            assert_eq!(zstd.decode(&body, raw.len(), 0).unwrap(), raw, "level {level}, {} bytes", raw.len());
            assert!(body.capacity() < body.len() + 64, "spare room is kept: {}", body.capacity());
        }
    }
}

proptest! {
    #[test]
    fn any_value_comes_back(raw in proptest::collection::vec(any::<u8>(), 0..5000), level in 1_i32..=19) {
        let zstd = zstd(level);
        let body = zstd.encode(&raw).unwrap();
        prop_assert_eq!(zstd.decode(&body, raw.len(), 0).unwrap(), raw);
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..300), raw_len in 0_usize..10_000) {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd];
        frame.extend(body);
        if let Ok(raw) = zstd(3).decode(&frame, raw_len, 0) {
            prop_assert_eq!(raw.len(), raw_len);
        }
    }
}

#[test]
fn every_truncation_and_every_extension_is_noticed() {
    let raw = b"Truncated anywhere, it is no value. ".repeat(8);
    let body = zstd(3).encode(&raw).unwrap();
    for len in 0..body.len() {
        reason(zstd(3).decode(&body[..len], raw.len(), 0));
    }
    for garbage in [&b"\0"[..], b"garbage", &body] {
        reason(zstd(3).decode(&[&body, garbage].concat(), raw.len(), 0));
    }
}

/// A frame has no checksum: the envelope has one. What must hold here is that nothing breaks.
#[test]
fn a_flipped_bit_gives_the_declared_length_or_a_reason() {
    let raw = b"Every bit of it counts, or does not. ".repeat(8);
    let body = zstd(3).encode(&raw).unwrap();
    for bit in 0..body.len() * 8 {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match zstd(3).decode(&flipped, raw.len(), 0) {
            Ok(decoded) => assert_eq!(decoded.len(), raw.len(), "bit {bit}"),
            Err(why) => assert!(matches!(why, Undecodable::Codec(_)), "{why}"),
        }
    }
}

#[test]
fn another_length_than_declared_is_refused() {
    let body = zstd(3).encode(&[1; 1000]).unwrap();
    for len in [0, 999, 1001, usize::MAX] {
        assert!(reason(zstd(3).decode(&body, len, 0)).contains("not the declared one"), "{len}");
    }
    let mut silent = zstd::bulk::Compressor::new(3).unwrap();
    silent.include_contentsize(false).unwrap();
    let unsaid = silent.compress(&[1; 1000]).unwrap();
    assert!(reason(zstd(3).decode(&unsaid, 1000, 0)).contains("does not say"));
}

#[test]
fn a_frame_to_be_skipped_is_no_value() {
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2];
    assert!(reason(zstd(3).decode(&skippable, 0, 0)).contains("does not begin"));
}

#[test]
fn the_same_value_becomes_the_same_bytes() {
    let raw = noise(5000);
    let first = zstd(3).encode(&raw).unwrap();
    zstd(9).encode(&vec![1; 100_000]).unwrap();
    assert_eq!(zstd(3).encode(&raw).unwrap(), first, "something of another value was left behind");
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let raw = b"the value after the damage ".repeat(30);
    let body = zstd(3).encode(&raw).unwrap();
    for cut in [5, body.len() / 2, body.len() - 1] {
        reason(zstd(3).decode(&body[..cut], raw.len(), 0));
        assert_eq!(zstd(3).decode(&body, raw.len(), 0).unwrap(), raw);
    }
}

#[test]
fn eight_threads_at_once() {
    let codec = Arc::new(zstd(3));
    let threads = (0..8_usize).map(|n| {
        let codec = Arc::clone(&codec);
        thread::spawn(move || {
            for round in 0..200 {
                let raw = format!("{n} {round} ").repeat(n * 50 + round).into_bytes();
                let body = codec.encode(&raw).unwrap();
                assert_eq!(codec.decode(&body, raw.len(), 0).unwrap(), raw);
            }
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn it_is_found_by_its_number_and_its_name() {
    let codecs = Codecs::new().with(Arc::new(Zstd::default()));
    assert_eq!(codecs.by_id(2).unwrap().name(), "zstd");
    assert_eq!(codecs.by_name("zstd").unwrap().content_encoding(), Some("zstd"));
}
