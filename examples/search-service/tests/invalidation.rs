//! A document that is put is seen at once, and only what shows it is made again.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use common::{STORED, Service, Sources};

#[test]
fn what_shows_the_document_is_made_again_and_nothing_else() {
    let service = Service::start(&Sources::some(), &[]);
    let touched = [
        "/search?q=spawn",
        "/search?q=spawn&org=alpha",
        "/search?q=spawns",
        "/popular",
        "/popular?region=us",
    ];
    let untouched = [
        "/search?q=no_std",
        "/search?q=nothing",
        "/search?q=debug",
        "/search?q=absent",
        "/search?q=thing&org=gamma",
    ];
    for path in touched.iter().chain(&untouched) {
        assert_eq!(service.get(path).cache_status(), STORED, "{path}");
        assert!(service.get(path).is_hit(), "{path}");
    }

    // The same words, so that the same documents are found in the same order; it is only a line further down.
    service.put(
        "alpha",
        "src/lib.rs",
        "\nuse beta_core::Thing;\n\n/// Spawns a task.\npub fn spawn(task: Vec<u8>) {}\n",
    );
    for path in touched {
        let answer = service.get(path);
        assert_eq!(answer.cache_status(), STORED, "{path}");
        if path.contains("alpha") {
            assert_eq!(answer.json()["results"][0]["passages"][0]["line"], 3);
        }
        assert!(service.get(path).is_hit(), "{path}");
    }
    for path in untouched {
        assert!(service.get(path).is_hit(), "{path}");
    }
}

#[test]
fn a_document_of_another_organisation_with_the_same_path_is_another() {
    let service = Service::start(&Sources::some(), &[]);
    service.get("/search?q=no_std");
    service.put("beta", "1.2.3/src/lib.rs", "a stranger");
    service.put("beta-core", "src/lib.rs", "another stranger");
    assert!(service.get("/search?q=no_std").is_hit());
}

#[test]
fn a_new_document_is_found_at_once() {
    let service = Service::start(&Sources::some(), &[]);
    assert_eq!(service.get("/search?q=comet").json()["found"], 0);
    assert!(service.get("/search?q=comet").is_hit());
    service.put("delta", "sky.rs", "a comet");
    assert_eq!(service.get("/search?q=comet").ids(), ["delta/sky.rs"]);
    assert_eq!(service.get("/popular?region=delta").json()["counted_in"], "delta");
}

/// Readers and a writer at once: once the writer was told that it is done, nobody reads an older text.
#[test]
fn no_reader_sees_an_older_document_than_the_writer_was_told_of() {
    let text = |version: usize| format!("needle\nversion v{version}x\n");
    let service = Service::start(&Sources::new(&[("a/doc.rs", &text(0))]), &[]);
    let done = std::sync::atomic::AtomicUsize::new(0);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        use std::sync::atomic::Ordering::SeqCst;
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut hits = 0;
                    while !over.load(SeqCst) {
                        let told = done.load(SeqCst);
                        let answer = service.get("/search?q=needle");
                        hits += usize::from(answer.is_hit());
                        let json = answer.json();
                        let line =
                            json["results"][0]["passages"][0]["lines"][1][0].as_str().unwrap().to_owned();
                        let seen: usize =
                            line.trim_start_matches("version v").trim_end_matches('x').parse().unwrap();
                        assert!(seen >= told, "version {seen} was read after {told} was done");
                    }
                    hits
                })
            })
            .collect();
        for version in 1..=40 {
            service.put("a", "doc.rs", &text(version));
            done.store(version, SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        over.store(true, SeqCst);
        let hits: usize = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(hits > 0, "nothing was cached, so nothing was shown");
    });
}
