//! `--compare` measures, and does not say what it cannot know.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use common::{Sources, program};

fn compare(sources: &Sources, settings: &[(&str, &str)]) -> String {
    let folder = sources.path().to_str().unwrap();
    let output = program(&["--compare", "--runs", "5", "--sources", folder], settings).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn sources() -> Sources {
    let text = "use std::fmt;\npub fn get(mutex: Mutex<Vec<u8>>) {}\n".repeat(2000);
    Sources::new(&[("alpha/a.rs", &text), ("alpha/b.rs", &text), ("beta/c.rs", &text)])
}

#[test]
fn a_table_and_what_it_comes_to() {
    let report = compare(&sources(), &[]);
    // Those of the list that find something here.
    for row in ["mutex", "std::fmt", "Vec<u8>", "get", "/popular"] {
        let line =
            report.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("{row}:\n{report}"));
        assert!(line.contains("% hits") || line.contains("never"), "{line}");
    }
    assert!(!report.contains("tokio spawn"), "{report}");
    assert!(
        report.starts_with("\n4 searches, 5 runs each, answers kept in the store \"main\" (memory)\n"),
        "{report}"
    );
    // Three long documents on each page: what is cached is by far the greater half.
    assert!(report.contains("times as fast") && report.contains("the cache pays when"), "{report}");
    assert!(report.contains("as JSON and"), "{report}");
}

#[test]
fn a_cache_that_never_hits_is_not_praised() {
    let report = compare(&sources(), &[("LARDER_STORES__MAIN__BACKEND", "null")]);
    assert!(report.contains("What it is worth cannot be said."), "{report}");
    assert!(!report.contains("times as fast"), "{report}");
}

#[test]
fn sources_in_which_nothing_is_found_are_an_error() {
    let sources = Sources::new(&[("a/b.rs", "nothing of the kind")]);
    let folder = sources.path().to_str().unwrap();
    let output = program(&["--compare", "--sources", folder], &[]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("none of the queries"));
}
