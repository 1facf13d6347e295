//! Trained dictionaries: made, written with, read with, exchanged on a live cache, and refused when they are none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use larder_core::{Codec, ErrorKind, miss::Undecodable};
use larder_zstd::{MAX_DICTIONARY, MIN_DICTIONARY, Zstd, ZstdConfig, train};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("larder-zstd-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The answer of some search, about 1 KiB of JSON.
fn answer(n: usize) -> Vec<u8> {
    let words = ["red", "green", "large", "small", "wooden", "folding", "garden", "kitchen", "antique"];
    let word = |k: usize| words[(n * 7 + k * 13 + n * k) % words.len()];
    let mut text = format!(r#"{{"query":"{} {}","found":{},"hits":["#, word(0), word(1), n * 31 % 977);
    for hit in 0..6 {
        let id = n * 1009 + hit * 97;
        write!(
            text,
            r#"{{"id":{id},"title":"{} {} {} table","price":{{"amount":{},"currency":"EUR"}},"in_stock":{},"seller":"shop-{}"}},"#,
            word(hit), word(hit + 1), word(hit + 2), id % 9973, id.is_multiple_of(3), id % 57
        )
        .unwrap();
    }
    text.push_str("null]}");
    text.into_bytes()
}

fn trained(from: usize, size: usize) -> Vec<u8> {
    let samples: Vec<_> = (from..from + 1500).map(answer).collect();
    train(&samples, size).unwrap()
}

fn codec(dictionary: Option<&Path>, more: &[&Path]) -> Zstd {
    let config = dictionary.into_iter().fold(ZstdConfig::default(), ZstdConfig::dictionary);
    Zstd::new(&more.iter().fold(config, ZstdConfig::also_reading)).unwrap()
}

fn refusal(path: &Path) -> String {
    let refused = |config: ZstdConfig| {
        let why = Zstd::new(&config).unwrap_err();
        assert_eq!(why.kind(), ErrorKind::Config);
        assert!(why.to_string().contains(&path.display().to_string()), "it does not name the file: {why}");
        why.to_string()
    };
    let reading = ZstdConfig::default().also_reading(path);
    assert_eq!(refused(reading), refused(ZstdConfig::default().dictionary(path)));
    refused(ZstdConfig::default().dictionary(path))
}

#[test]
fn small_values_become_half_as_large_and_come_back() {
    let folder = Folder::new();
    let path = folder.file("search.dict", &trained(0, 16 << 10));
    let (with, without) = (codec(Some(&path), &[]), Zstd::default());
    let (mut dense, mut plain) = (0, 0);
    for n in 5000..5200 {
        let raw = answer(n);
        let body = with.encode(&raw).unwrap();
        assert_eq!(with.decode(&body, raw.len(), with.dictionary()).unwrap(), raw);
        dense += body.len();
        plain += without.encode(&raw).unwrap().len();
    }
    assert!(dense * 2 < plain, "{dense} against {plain}");
}

#[test]
fn every_kind_of_value_comes_back_with_a_dictionary() {
    let folder = Folder::new();
    let codec = codec(Some(&folder.file("d", &trained(0, 4096))), &[]);
    for raw in
        [vec![], vec![1], vec![0; 3 << 20], answer(1).repeat(500), "ü\u{1F980}".repeat(50).into_bytes()]
    {
        let body = codec.encode(&raw).unwrap();
        assert_eq!(codec.decode(&body, raw.len(), codec.dictionary()).unwrap(), raw, "{} bytes", raw.len());
    }
}

#[test]
fn dictionaries_are_exchanged_on_a_live_cache() {
    let folder = Folder::new();
    let old = folder.file("old", &trained(0, 4096));
    let new = folder.file("new", &trained(3000, 4096));
    let before = codec(Some(&old), &[&new]);
    let after = codec(Some(&new), &[&old, &new]);
    assert_ne!(before.dictionary(), after.dictionary());
    assert_eq!(before.dictionaries().collect::<Vec<_>>(), after.dictionaries().collect::<Vec<_>>());

    let raw = answer(77);
    let plain = Zstd::default().encode(&raw).unwrap();
    for (writer, reader) in [(&before, &after), (&after, &before)] {
        let body = writer.encode(&raw).unwrap();
        assert_eq!(reader.decode(&body, raw.len(), writer.dictionary()).unwrap(), raw);
        assert_eq!(reader.decode(&plain, raw.len(), 0).unwrap(), raw, "written without one");
    }
}

#[test]
fn a_dictionary_that_is_not_there_is_a_reason_of_its_own() {
    let folder = Folder::new();
    let writer = codec(Some(&folder.file("d", &trained(0, 4096))), &[]);
    let raw = answer(1);
    let body = writer.encode(&raw).unwrap();
    let found = Zstd::default().decode(&body, raw.len(), writer.dictionary());
    assert_eq!(found, Err(Undecodable::UnknownDictionary(writer.dictionary())));
    // The envelope says none and the frame says otherwise, and the other way round.
    let lie = writer.decode(&body, raw.len(), 0);
    assert!(matches!(lie, Err(Undecodable::Codec(_))), "{lie:?}");
    let lie = writer.decode(&Zstd::default().encode(&raw).unwrap(), raw.len(), writer.dictionary());
    assert!(matches!(lie, Err(Undecodable::Codec(_))), "{lie:?}");
}

#[test]
fn hostile_bytes_and_a_dictionary() {
    let folder = Folder::new();
    let codec = codec(Some(&folder.file("d", &trained(0, 4096))), &[]);
    let raw = answer(3);
    let body = codec.encode(&raw).unwrap();
    for bit in 0..body.len() * 8 {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(decoded) = codec.decode(&flipped, raw.len(), codec.dictionary()) {
            assert_eq!(decoded.len(), raw.len(), "bit {bit}");
        }
    }
    for len in 0..body.len() {
        codec.decode(&body[..len], raw.len(), codec.dictionary()).expect_err("cut");
    }
}

#[test]
fn what_is_no_dictionary_is_refused_with_its_name() {
    let folder = Folder::new();
    let good = trained(0, 4096);
    assert!(refusal(&folder.0.join("missing")).contains("cannot be read"));
    assert!(refusal(&folder.file("empty", b"")).contains("not trained"));
    assert!(refusal(&folder.file("raw", &answer(1))).contains("not trained"));
    assert!(refusal(&folder.file("cut", &good[..8])).contains("damaged"));
    assert!(refusal(&folder.file("entropy", &[&good[..8], &[0xff; 200][..]].concat())).contains("damaged"));
    let nameless = [&good[..4], &[0; 4], &good[8..]].concat();
    assert!(refusal(&folder.file("nameless", &nameless)).contains("no id"));
    let huge = [&good[..], &vec![0; MAX_DICTIONARY]].concat();
    assert!(refusal(&folder.file("huge", &huge)).contains("1 MiB"));
}

#[test]
fn two_dictionaries_with_one_id_are_refused() {
    let folder = Folder::new();
    let good = trained(0, 4096);
    let first = folder.file("first", &good);
    let mut other = trained(3000, 4096);
    other[4..8].copy_from_slice(&good[4..8]);
    let second = folder.file("second", &other);
    let config = ZstdConfig::default().dictionary(first).also_reading(&second);
    let why = Zstd::new(&config).unwrap_err();
    assert_eq!(why.kind(), ErrorKind::Config);
    assert!(why.message().contains(&second.display().to_string()), "{why}");
}

#[test]
fn training_says_what_it_needs() {
    let samples: Vec<_> = (0..1000).map(answer).collect();
    for size in [0, MIN_DICTIONARY - 1, MAX_DICTIONARY + 1] {
        assert!(train(&samples, size).unwrap_err().message().contains("are allowed"), "{size}");
    }
    for few in [&[][..], &samples[..1]] {
        let why = train(few, 4096).unwrap_err();
        assert_eq!(why.kind(), ErrorKind::Config);
        assert!(why.message().contains("give more"), "{why}");
    }
}

#[test]
fn a_body_with_a_dictionary_is_no_content_coding_of_http() {
    let folder = Folder::new();
    assert_eq!(Zstd::default().content_encoding(), Some("zstd"));
    assert_eq!(codec(Some(&folder.file("d", &trained(0, 4096))), &[]).content_encoding(), None);
}
