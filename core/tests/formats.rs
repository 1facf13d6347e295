//! What each format keeps of a value: each is tried with each, and `docs/formats.md` says what was measured.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

#[path = "formats/kinds.rs"]
mod kinds;

use std::{
    fmt::{self, Write as _},
    fs,
    path::Path,
};

use larder_core::format::{Format, Json, MessagePack, Postcard, Raw, decode, encode};
use serde::{Serialize, de::DeserializeOwned};

const BEGIN: &str = "<!-- measured by core/tests/formats.rs -->\n";
const END: &str = "<!-- end of what was measured -->\n";

/// What becomes of a value, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Kept,
    Refused,
    NotRead,
    Changed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "yes",
            Self::Refused => "refused",
            Self::NotRead => "not read",
            Self::Changed => "**changed**",
        })
    }
}

fn formats() -> [Box<dyn Format>; 4] {
    [Box::new(Json), Box::new(MessagePack), Box::new(Postcard), Box::new(Raw)]
}

fn outcome<T: Serialize + DeserializeOwned + fmt::Debug>(format: &dyn Format, value: &T) -> Outcome {
    let Ok(bytes) = encode(format, value) else { return Outcome::Refused };
    match decode::<T>(format, &bytes) {
        Err(_) => Outcome::NotRead,
        // By what it prints, since `NaN` is not equal to itself.
        Ok(read) if format!("{read:?}") == format!("{value:?}") => Outcome::Kept,
        Ok(_) => Outcome::Changed,
    }
}

/// What becomes of values of a kind, each alone and all in a list, in each format.
struct Row {
    kind: &'static str,
    outcomes: [Outcome; 4],
}

#[allow(clippy::needless_pass_by_value, reason = "each row owns its values")]
fn row<T: Serialize + DeserializeOwned + fmt::Debug>(kind: &'static str, values: Vec<T>) -> Row {
    let outcomes = formats().map(|format| {
        let alone = values.iter().map(|value| outcome(&*format, value)).max();
        // Bytes and text are all that raw takes; a list of them is another kind.
        let listed = if format.name() == "raw" { None } else { Some(outcome(&*format, &values)) };
        alone.max(listed).expect("values of the kind")
    });
    Row { kind, outcomes }
}

fn table() -> String {
    let mut table = String::from("| | `json` | `msgpack` | `postcard` | `raw` |\n|---|---|---|---|---|\n");
    for Row { kind, outcomes: [json, msgpack, postcard, raw] } in kinds::rows() {
        writeln!(table, "| {kind} | {json} | {msgpack} | {postcard} | {raw} |").expect("text");
    }
    table
}

#[test]
fn the_page_says_what_was_measured() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    let page = fs::read_to_string(&path).expect("docs/formats.md");
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (committed, after) = rest.split_once(END).expect("where the table ends");
    let measured = table();
    if std::env::var_os("LARDER_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{measured}{END}{after}")).expect("written");
        return;
    }
    assert_eq!(
        committed, measured,
        "docs/formats.md is not current: LARDER_WRITE_DOCS=1 cargo test -p larder-core --test formats"
    );
}

/// A value is read as it was, or not at all.
#[test]
fn no_format_changes_a_value() {
    for Row { kind, outcomes } in kinds::rows() {
        assert!(!outcomes.contains(&Outcome::Changed), "{kind}: {outcomes:?}");
    }
}

/// What is refused says what to do.
#[test]
fn a_refusal_names_the_cause_and_the_cure() {
    let why = |format: &dyn Format, value: &dyn erased_serde::Serialize| {
        format.encode(value).expect_err("refused").to_string()
    };
    let lost = why(&Postcard, &vec![kinds::Skipping::new(None, 0), kinds::Skipping::new(Some(0), 7)]);
    assert!(lost.contains("`Skipping`") && lost.contains("`a`") && lost.contains("use msgpack"), "{lost}");
    let nested = why(&MessagePack, &Some(None::<u8>));
    assert!(nested.contains("a `Some` of `None`") && nested.contains("postcard"), "{nested}");
    let float = why(&Json, &[1.0, f64::NAN]);
    assert!(float.contains("NaN") && float.contains("msgpack"), "{float}");
    let raw = why(&MessagePack, &kinds::raw_value("[1]"));
    assert!(raw.contains("RawValue") && raw.contains("json"), "{raw}");
}

/// A `Serialize` of somebody's own that counts wrongly: what follows would be read from the wrong place.
#[test]
fn a_wrong_count_is_refused() {
    for format in [&Postcard as &dyn Format, &MessagePack] {
        for given in [1, 3] {
            for value in [
                kinds::Miscounted::Seq(given),
                kinds::Miscounted::Map(given),
                kinds::Miscounted::Struct(given),
            ] {
                let why = encode(format, &(value, 7_u8)).expect_err("refused").to_string();
                assert!(why.contains("announces 2 elements and gives"), "{why}");
            }
        }
        encode(format, &(kinds::Miscounted::Seq(2), kinds::Miscounted::Map(2))).expect("counted rightly");
    }
}
