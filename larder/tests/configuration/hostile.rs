//! Files that nobody would write: an error within bounds, never a panic, never more memory than a file's limit
//! allows.

use std::time::{Duration, Instant};

use crate::setup::Setup;

/// The only mistake, which must be found soon and be short.
fn refused(file: &str, bytes: impl AsRef<[u8]>) -> String {
    let setup = Setup::new().file(file, bytes);
    let start = Instant::now();
    let mistakes = setup.mistakes();
    // An unoptimised parser of a megabyte on a busy machine; a quadratic one takes minutes.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let longest = mistakes.iter().map(String::len).max().unwrap();
    assert!(mistakes.len() <= 20 && longest < 2500, "{} mistakes, {longest} bytes", mistakes.len());
    let text = setup.builder().build().unwrap_err().to_string();
    assert!(text.len() < 50_000, "{} bytes", text.len());
    mistakes[0].clone()
}

#[test]
fn too_large() {
    let text = "# a comment\n".repeat(1_000_000);
    assert_eq!(refused("larder.toml", &text), "file larder.toml: has more than 1048576 bytes");
    assert_eq!(refused("larder.json", text), "file larder.json: has more than 1048576 bytes");
    let setup = Setup::toml("").file("larder.p.toml", vec![b'#'; 2_000_000]).variable("LARDER_PROFILE", "p");
    assert_eq!(setup.mistake(), "file larder.p.toml: has more than 1048576 bytes");
}

#[cfg(target_os = "linux")]
#[test]
fn endless() {
    let setup = Setup::new();
    let mistakes = setup.mistakes_of(setup.builder().file("/dev/zero"));
    assert_eq!(mistakes, ["file /dev/zero: is a device, expected a file"]);
}

#[test]
fn not_text() {
    assert_eq!(refused("larder.toml", b"a = 1\nb = \"\xff\"\n"), "file larder.toml: is not UTF-8 in line 2");
    let nul = refused("larder.toml", b"a = \"\0\"\n");
    assert!(nul.starts_with("file larder.toml: invalid "), "{nul}");
    refused("larder.json", b"{\"a\": \"\0\"}");
    refused("larder.toml", [0_u8; 1000]);
    refused("larder.json", [0_u8; 1000]);
    refused("larder.yaml", [0_u8; 1000]);
}

#[test]
fn deep() {
    let many = 200_000;
    refused("larder.toml", format!("a = {}", "[".repeat(many)));
    refused("larder.toml", format!("a = {}", "{a=".repeat(many)));
    refused("larder.toml", format!("{}a = 1", "a.".repeat(many)));
    refused("larder.toml", format!("[{}a]", "a.".repeat(many)));
    refused("larder.json", "[".repeat(many));
    refused("larder.json", r#"{"a":"#.repeat(many));
    refused("larder.yaml", "[".repeat(many));
    refused("larder.yaml", "{a: ".repeat(many));
    refused("larder.yaml", "- ".repeat(many));
}

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().concat()
}

#[test]
fn wide() {
    let sections = many(50_000, |n| format!("[s{n}]\n"));
    refused("larder.toml", sections);
    let keys = many(50_000, |n| format!("k{n} = 1\n"));
    refused("larder.toml", format!("[stores.main]\nbackend = \"remote\"\n{keys}"));
    refused("larder.toml", format!("[defaults]\n{keys}"));
    let stores = many(20_000, |n| format!("[stores.s{n}]\n"));
    refused("larder.toml", stores);
    let caches = many(20_000, |n| format!("[caches.c{n}]\n"));
    refused("larder.toml", format!("{caches}[stores.main]\nbackend = \"remote\"\nx = 1\n"));
}

#[test]
fn long_names_and_values() {
    let long = "x".repeat(900_000);
    refused("larder.toml", format!("{long} = 1\n"));
    refused("larder.toml", format!("[stores.main]\nbackend = \"{long}\"\n"));
    refused("larder.toml", format!("[stores.main]\nbackend = \"remote\"\n{long} = 1\n"));
    refused("larder.toml", format!("[stores.main]\nbackend = \"remote\"\ndatabase = \"{long}\"\n"));
    refused("larder.toml", format!("[stores.main]\nbackend = \"remote\"\nbuffer = \"{long}\"\n"));
    refused("larder.toml", format!("[stores.main]\nbackend = \"remote\"\nconnect_timeout = \"{long}\"\n"));
    refused("larder.toml", format!("[stores.main]\nbackend = \"remote\"\n[caches.{long}]\n"));
    refused(
        "larder.toml",
        format!("[stores.main]\nbackend = \"remote\"\n[caches.a]\nnamespace = \"{long}\"\n"),
    );
    refused("larder.toml", format!("[stores.main]\nbackend = \"remote\"\n[caches.a]\nstore = \"{long}\"\n"));
    refused("larder.toml", format!("[stores.main]\nbackend = \"remote\"\nuser.file = \"{long}\"\n"));
}

#[test]
fn names_with_anything_in_them() {
    let mistake = refused("larder.toml", "[\"a\\nb\\u0000\\u202e\"]\nx = 1\n");
    assert_eq!(
        mistake,
        "\"a\\nb\\0\\u{202e}\" (file larder.toml): unknown section. Accepted: defaults, stores, codecs, caches"
    );
}
