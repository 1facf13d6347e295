//! The program's own choices, and everybody else's, which win.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use common::{STORED, Service, Sources};

fn remaining(service: &Service) -> u64 {
    service.get("/search?q=task");
    service.get("/search?q=task").cache_status().strip_prefix("larder; hit; ttl=").unwrap().parse().unwrap()
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_program() {
    let sources = Sources::some();
    let files = Sources::new(&[
        ("own.toml", "[caches.search]\nttl = \"600s\"\n[stores.main]\nbackend = \"moka-or-not\"\n"),
        ("defaults.toml", "[defaults]\nttl = \"900s\"\n"),
    ]);
    let file = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let own = file("own.toml");
    let memory = ("LARDER_STORES__MAIN__BACKEND", "memory");

    assert!((50..=60).contains(&remaining(&Service::start(&sources, &[]))));
    let service = Service::start_with(&sources, &["--config", &own], &[memory]);
    assert!((590..=600).contains(&remaining(&service)));
    // What holds for every cache is said, too; the program's choice for one of them does not win over it.
    let service = Service::start_with(&sources, &["--config", &file("defaults.toml")], &[]);
    assert!((890..=900).contains(&remaining(&service)));
    let service =
        Service::start_with(&sources, &["--config", &own], &[memory, ("LARDER_CACHES__SEARCH__TTL", "20s")]);
    assert!((10..=20).contains(&remaining(&service)));
    assert_eq!(service.stats()["caches"]["search"]["ttl_seconds"], 20.0);
}

#[test]
fn without_a_cache_every_answer_is_made() {
    let service = Service::start(&Sources::some(), &[("LARDER_STORES__MAIN__BACKEND", "null")]);
    for _ in 0..3 {
        assert!(service.get("/search?q=task").cache_status().starts_with("larder; fwd=miss"));
        assert!(service.get("/popular").cache_status().starts_with("larder; fwd=miss"));
    }
    let search = &service.stats()["caches"]["search"];
    assert_eq!((&search["operations"]["loads"], &search["backend"]), (&3.into(), &"null".into()));
}

#[test]
fn an_answer_that_is_too_large_for_the_cache_is_an_answer_all_the_same() {
    let service = Service::start(&Sources::some(), &[("LARDER_CACHES__SEARCH__MAX_VALUE", "64 B")]);
    for _ in 0..2 {
        let answer = service.get("/search?q=task");
        assert_eq!(answer.cache_status(), "larder; fwd=bypass");
        assert_eq!(answer.json()["found"], 2);
    }
    assert_eq!(service.stats()["caches"]["search"]["answers"]["bypassed"], 2);
}

#[test]
fn a_life_that_is_over_is_over() {
    let service = Service::start(&Sources::some(), &[("LARDER_CACHES__SEARCH__TTL", "300ms")]);
    service.get("/search?q=task");
    common::eventually("expiry", || service.get("/search?q=task").cache_status() == STORED);
}
