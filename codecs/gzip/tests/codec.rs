//! What the codec promises: every value comes back, and nothing else comes of bytes that are not one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use larder_core::{Codec, Codecs, miss::Undecodable};
use larder_gzip::{Gzip, GzipConfig};
use proptest::prelude::*;

fn gzip(level: u32) -> Gzip {
    Gzip::new(&GzipConfig::new(level)).unwrap()
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
    for level in 0..=9 {
        let gzip = gzip(level);
        for raw in values() {
            let body = gzip.encode(&raw).unwrap();
            assert_eq!(gzip.decode(&body, raw.len(), 0).unwrap(), raw, "level {level}, {} bytes", raw.len());
            assert!(body.capacity() < body.len() + 64, "spare room is kept: {}", body.capacity());
        }
    }
}

proptest! {
    #[test]
    fn any_value_comes_back(raw in proptest::collection::vec(any::<u8>(), 0..5000), level in 0_u32..=9) {
        let gzip = gzip(level);
        let body = gzip.encode(&raw).unwrap();
        prop_assert_eq!(gzip.decode(&body, raw.len(), 0).unwrap(), raw);
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..300), raw_len in 0_usize..10_000) {
        let mut member = vec![0x1f, 0x8b, 8];
        member.extend(body);
        if let Ok(raw) = gzip(6).decode(&member, raw_len, 0) {
            prop_assert_eq!(raw.len(), raw_len);
        }
    }
}

#[test]
fn the_command_gzip_reads_what_is_written() {
    for raw in values() {
        let mut command =
            Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = command.stdin.take().unwrap();
        let body = gzip(6).encode(&raw).unwrap();
        let writing = thread::spawn(move || stdin.write_all(&body));
        let output = command.wait_with_output().unwrap();
        writing.join().unwrap().unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, raw);
    }
}

#[test]
fn what_the_command_gzip_writes_is_read() {
    let file = std::env::temp_dir().join(format!("larder-gzip-{}.txt", std::process::id()));
    let raw = b"with a name and a time in the header ".repeat(20);
    std::fs::write(&file, &raw).unwrap();
    let output = Command::new("gzip").arg("-c").arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_ne!(output.stdout[3] & 8, 0, "there is a name in the header");
    assert_eq!(gzip(6).decode(&output.stdout, raw.len(), 0).unwrap(), raw);
}

#[test]
fn optional_fields_of_the_header_are_passed_over() {
    let body = gzip(6).encode(b"value").unwrap();
    // Extra field, name, comment, and a checksum over all of that.
    let mut member = vec![0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 3];
    member.extend(b"\x04\0abcdname\0comment\0");
    let mut crc = flate2::Crc::new();
    crc.update(&member);
    member.extend(&crc.sum().to_le_bytes()[..2]);
    let header = member.len();
    member.extend(&body[10..]);
    assert_eq!(gzip(6).decode(&member, 5, 0).unwrap(), b"value");

    member[header - 1] ^= 1;
    assert!(reason(gzip(6).decode(&member, 5, 0)).contains("header's checksum"));
}

#[test]
fn every_truncation_and_every_extension_is_noticed() {
    let raw = b"Truncated anywhere, it is no value. ".repeat(8);
    let body = gzip(6).encode(&raw).unwrap();
    for len in 0..body.len() {
        reason(gzip(6).decode(&body[..len], raw.len(), 0));
    }
    for garbage in [&b"\0"[..], b"garbage", &body] {
        reason(gzip(6).decode(&[&body, garbage].concat(), raw.len(), 0));
    }
    // Put before the trailer, it is the end of the stream that gives it away.
    let (stream, trailer) = body.split_at(body.len() - 8);
    assert!(
        reason(gzip(6).decode(&[stream, b"garbage", trailer].concat(), raw.len(), 0))
            .contains("after its end")
    );
}

#[test]
fn no_flipped_bit_gives_a_wrong_value() {
    let raw = b"Every bit of it counts, or does not. ".repeat(8);
    let body = gzip(6).encode(&raw).unwrap();
    for bit in 0..body.len() * 8 {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match gzip(6).decode(&flipped, raw.len(), 0) {
            // The time in the header says nothing about the value, and what repeats can be copied from further
            // back as well.
            Ok(decoded) => assert_eq!(decoded, raw, "bit {bit}"),
            Err(why) => assert!(matches!(why, Undecodable::Codec(_)), "{why}"),
        }
    }
}

#[test]
fn another_length_than_declared_is_refused() {
    let body = gzip(6).encode(&[1; 1000]).unwrap();
    assert!(reason(gzip(6).decode(&body, 999, 0)).contains("longer than declared"));
    assert!(reason(gzip(6).decode(&body, 0, 0)).contains("longer than declared"));
    assert!(reason(gzip(6).decode(&body, 1001, 0)).contains("not the declared one"));
    assert!(reason(gzip(6).decode(&body, usize::MAX, 0)).contains("too short"));
}

#[test]
fn the_same_value_becomes_the_same_bytes() {
    let raw = noise(5000);
    let first = gzip(6).encode(&raw).unwrap();
    gzip(9).encode(&vec![1; 100_000]).unwrap();
    assert_eq!(gzip(6).encode(&raw).unwrap(), first, "something of another value was left behind");
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let raw = b"the value after the damage ".repeat(30);
    let body = gzip(6).encode(&raw).unwrap();
    for cut in [11, body.len() / 2, body.len() - 9] {
        reason(gzip(6).decode(&body[..cut], raw.len(), 0));
        assert_eq!(gzip(6).decode(&body, raw.len(), 0).unwrap(), raw);
    }
}

#[test]
fn eight_threads_at_once() {
    let codec = Arc::new(gzip(6));
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
    let codecs = Codecs::new().with(Arc::new(Gzip::default()));
    assert_eq!(codecs.by_id(1).unwrap().name(), "gzip");
    assert_eq!(codecs.by_name("gzip").unwrap().content_encoding(), Some("gzip"));
}
