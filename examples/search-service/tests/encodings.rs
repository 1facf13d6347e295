//! Content codings: the cache's own bytes for who can read them, and the same answer for who cannot.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::io::Read as _;

use common::{Answer, Service, Sources};

/// A service with an answer that is long enough to be compressed, and that is cached.
fn service() -> Service {
    let text =
        "pub fn needle() -> Option<Needle> { haystack().find(needle) } // and some words more\n".repeat(40);
    let service = Service::start(&Sources::new(&[("hay/a.rs", &text), ("hay/b.rs", &text)]), &[]);
    service.get("/search?q=needle");
    service
}

fn get(service: &Service, accept: &str) -> Answer {
    let answer = service.get_with("/search?q=needle", &[("accept-encoding", accept)]);
    assert!(answer.is_hit(), "{answer:?}");
    assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accept}");
    answer
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn who_takes_gzip_gets_the_bytes_of_the_cache() {
    let service = service();
    let plain = service.get("/search?q=needle");
    assert_eq!(plain.header("content-encoding"), None, "nothing was said");
    plain.json();
    for accept in
        ["gzip", "br, gzip", "GZIP", "x-gzip", "gzip;q=0.1, identity;q=0.9", "*", "identity;q=0, *;q=0.5"]
    {
        let answer = get(&service, accept);
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{accept}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
        assert!(answer.body.len() * 3 < plain.body.len(), "{accept}");
        assert_eq!(unzip(&answer.body), plain.body, "{accept}");
    }
}

#[test]
fn who_does_not_gets_it_plain() {
    let service = service();
    let plain = service.get("/search?q=needle");
    for accept in [
        "",
        "identity",
        "br",
        "deflate, br;q=0.9",
        "gzip;q=0",
        "gzip; q=0.0",
        "*;q=0",
        "gzip;q=0, *",
        "gzip;q=x",
    ] {
        let answer = get(&service, accept);
        assert_eq!(answer.header("content-encoding"), None, "{accept}");
        assert_eq!(answer.body, plain.body, "{accept}");
    }
}

#[test]
fn the_answer_is_the_same_made_or_cached_compressed_or_not() {
    let service = service();
    let gzip = [("accept-encoding", "gzip")];
    // Asked first by who takes gzip, then by who does not, and the other way round.
    for (q, first, second) in [("haystack", &gzip[..], &[][..]), ("option", &[][..], &gzip[..])] {
        let path = format!("/search?q={q}");
        let made = service.get_with(&path, first);
        let cached = service.get_with(&path, second);
        assert!(!made.is_hit() && cached.is_hit());
        let plain = |answer: &Answer| match answer.header("content-encoding") {
            Some("gzip") => unzip(&answer.body),
            None => answer.body.clone(),
            Some(other) => panic!("{other}"),
        };
        assert_ne!(made.header("content-encoding"), cached.header("content-encoding"));
        assert_eq!(plain(&made), plain(&cached));
    }
}

#[test]
fn a_short_answer_is_not_compressed_for_anybody() {
    let service = Service::start(&Sources::some(), &[]);
    for _ in 0..2 {
        let answer = service.get_with("/search?q=absent", &[("accept-encoding", "gzip")]);
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.json()["found"], 0);
    }
}
