//! `docs/writing-a-backend.md` shows what is here: its code is this crate's, its files exist, and the mutants that it
//! names are the suite's.

#![allow(clippy::unwrap_used, reason = "what is wrong here ends the test")]

use std::{fs, path::Path};

/// A block of code in the guide. Its first line is a comment that names the file it is taken from.
struct Excerpt {
    file: String,
    lines: Vec<String>,
}

fn guide() -> String {
    read("../../docs/writing-a-backend.md")
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    assert!(path.is_file(), "there is no {file}");
    fs::read_to_string(path).unwrap()
}

/// The lines that say something, without their indentation: a guide shows a part of a file, and not how deep it was.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn excerpts(guide: &str) -> Vec<Excerpt> {
    // Every second part stands between two fences, and begins with the name of its language.
    let blocks = guide.split("```").skip(1).step_by(2);
    blocks
        .map(|block| {
            let (_language, code) = block.split_once('\n').unwrap();
            let (first, code) = code.split_once('\n').unwrap();
            let file = first.trim_start_matches(['/', '#', ' ']).to_owned();
            Excerpt { file, lines: lines(code) }
        })
        .collect()
}

#[test]
fn its_code_is_the_code() {
    let excerpts = excerpts(&guide());
    assert!(excerpts.len() >= 10, "only {} blocks of code were found", excerpts.len());
    for Excerpt { file, lines: shown } in excerpts {
        let there = lines(&read(&file));
        assert!(!shown.is_empty(), "the guide shows nothing of {file}");
        assert!(
            there.windows(shown.len()).any(|part| part == shown),
            "the guide shows this of {file}, which does not stand there:\n\n{}\n",
            shown.join("\n")
        );
    }
}

#[test]
fn the_files_it_names_are_there() {
    let guide = guide();
    let quoted = guide.split('`').skip(1).step_by(2);
    let files = quoted.filter(|word| ["src/", "tests/"].iter().any(|at| word.starts_with(at)));
    let mut count = 0;
    for file in files {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file}");
        count += 1;
    }
    assert!(count >= 8, "only {count} names of files were found");
}

#[test]
fn its_mutants_are_the_suites() {
    let guide = guide();
    let known = larder_conformance::mutants();
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| \"")?.split_once('"'));
    let mut count = 0;
    for (name, _) in rows {
        assert!(known.iter().any(|mutant| mutant.name == name), "there is no mutant that {name}");
        count += 1;
    }
    assert!(count >= 10, "only {count} mutants were found");
}
