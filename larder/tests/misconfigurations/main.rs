//! What is answered to two hundred wrong configurations, word by word: `table.txt` has what was written and what is said.
//! Somebody reads these at three in the morning.
//!
//! `LARDER_RENEW_TABLE=1` writes the answers anew. Read each of them before it is committed.

#![cfg(all(
    feature = "quick-cache",
    feature = "moka",
    feature = "redis",
    feature = "memcached",
    feature = "gzip",
    feature = "zstd",
    feature = "yaml"
))]
// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod secrets;
mod table;

use std::{error::Error as _, fs, path::Path};

use larder::{
    Larder,
    config::{Advice, ConfigError, Mistake},
};

use self::table::Case;

/// What stands for a secret in every case that has one.
const SECRETS: [&str; 4] = ["hunter2", "hun/ter", "swordfish", "MIIEvQ"];
/// How many cases there are to be.
const FEWEST: usize = 200;

fn table() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/misconfigurations/table.txt")
}

/// What is answered, and everything that is shown.
fn answer(case: &Case) -> (Vec<String>, String) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in &case.files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let prefix = format!("{}/", directory.path().display());
    // What a case calls DIR is the directory of its files.
    let variables = case.variables.iter().map(|(name, value)| (name, value.replace("DIR/", &prefix)));
    let result = Larder::builder().directory(directory.path()).environment(variables).build();
    let (lines, shown) = match result {
        Ok(larder) => {
            let advice: Vec<String> = larder.advice().iter().map(Advice::to_string).collect();
            let shown = format!("{} {:?} {larder:?}", larder.explain(), larder.explain());
            (advice.iter().map(|advice| format!("advice: {advice}")).collect(), shown)
        }
        Err(error) => {
            let source = error.source().unwrap().downcast_ref::<ConfigError>().unwrap();
            let shown = format!("{error} {error:?} {source:?}");
            (source.mistakes().iter().map(Mistake::to_string).collect::<Vec<_>>(), shown)
        }
    };
    (lines.into_iter().map(|line| line.replace(&prefix, "")).collect(), shown)
}

#[test]
fn each_is_answered_as_the_table_says() {
    let text = fs::read_to_string(table()).unwrap();
    let cases = table::parse(&text);
    let mut renewed = Vec::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let (answers, shown) = answer(case);
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{}: {shown}", case.title);
        }
        if answers != case.answers {
            wrong.push(format!("{}\n  expected {:#?}\n  answered {answers:#?}", case.title, case.answers));
        }
        renewed.push(Case { answers, ..case.clone() });
    }
    if std::env::var_os("LARDER_RENEW_TABLE").is_some() {
        fs::write(table(), table::write(&renewed)).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn there_are_two_hundred_and_none_twice() {
    let text = fs::read_to_string(table()).unwrap();
    let cases = table::parse(&text);
    assert!(cases.len() >= FEWEST, "{}", cases.len());
    let mut titles: Vec<&str> = cases.iter().map(|case| &*case.title).collect();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), cases.len(), "a title is there twice");
    let unanswered: Vec<&str> =
        cases.iter().filter(|case| case.answers.is_empty()).map(|case| &*case.title).collect();
    assert!(unanswered.is_empty(), "accepted without a word: {unanswered:?}");
    // What it is written in is written in it.
    assert_eq!(table::write(&cases), text);
}

/// Every answer about a value in a file has its line and column; every other one has its file or variable.
#[test]
fn each_answer_has_its_place() {
    let text = fs::read_to_string(table()).unwrap();
    for case in table::parse(&text) {
        for answer in &case.answers {
            let answer = answer.strip_prefix("advice: ").unwrap_or(answer);
            let has_place = ["file ", "environment variable ", "built-in default"];
            let is_of_several = answer.contains("have the same TTL");
            assert!(
                is_of_several || has_place.iter().any(|place| answer.contains(place)),
                "{}: {answer}",
                case.title
            );
            if let Some((_, place)) =
                answer.split_once("(file ").or_else(|| answer.split_once("section in file "))
            {
                let place = place.split(')').next().unwrap();
                let mut numbers = place.rsplit(':').take(2).map(|number| number.parse::<usize>().is_ok());
                assert!(numbers.all(|is_number| is_number), "{}: {answer}", case.title);
            }
        }
    }
}
