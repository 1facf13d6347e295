//! Every program of the story checks itself, and prints what `docs/step-by-step.md` says.

use std::{collections::BTreeSet, fs, process::Command};

use crate::page::{Mark, blocks, docs, here, read};

/// Runs a program: it succeeds, and prints what the page shows under its name.
fn is_as_told(name: &str, program: &str) {
    let output = Command::new(program).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed:\n{printed}{complaint}");

    let told = blocks(&read(&docs("step-by-step.md")))
        .into_iter()
        .find(|block| block.mark == Some(Mark::Output(name.to_owned())))
        .unwrap_or_else(|| panic!("docs/step-by-step.md does not show what {name} prints"));
    assert_eq!(without_times(&printed), without_times(&told.text), "docs/step-by-step.md:{}", told.line);
}

/// What was measured is different each time: numbers of milliseconds.
fn without_times(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).collect::<Vec<_>>();
    let mut masked = String::new();
    for (at, word) in words.iter().enumerate() {
        let is_measured = words.get(at + 1).is_some_and(|next| next.trim_end() == "ms")
            && word.trim_end().bytes().all(|byte| byte.is_ascii_digit());
        masked.push_str(if is_measured { "N " } else { word });
    }
    masked
}

macro_rules! programs {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                is_as_told($name, env!(concat!("CARGO_BIN_EXE_", $name)));
            }
        )*

        const PROGRAMS: &[&str] = &[$($name),*];
    };
}

programs! {
    step_01: "01_no_cache",
    step_02: "02_in_memory",
    step_03: "03_stampede",
    step_04: "04_slow_refresh",
    step_05: "05_database_down",
    step_06: "06_deadlines",
    step_07: "07_write",
    step_08: "08_fence",
    step_09: "09_many_processes",
    step_10: "10_lease",
    step_11: "11_fence_in_the_fleet",
    step_12: "12_tags",
    step_13: "13_worth_it",
    step_14: "14_near",
    step_15: "15_store_down",
}

#[test]
fn every_program_is_run_and_told_about() {
    let files = fs::read_dir(here().join("src/bin")).unwrap();
    let files: BTreeSet<_> =
        files.map(|file| file.unwrap().path().file_stem().unwrap().display().to_string()).collect();
    assert_eq!(files, PROGRAMS.iter().copied().map(str::to_owned).collect());

    let outputs = blocks(&read(&docs("step-by-step.md"))).into_iter().filter_map(|block| match block.mark {
        Some(Mark::Output(name)) => Some(name),
        _ => None,
    });
    assert_eq!(outputs.collect::<Vec<_>>(), PROGRAMS, "in the order of the story");
}

#[test]
fn times_are_masked_and_nothing_else() {
    assert_eq!(without_times("6 loads took 128 ms\n3 hits"), "6 loads took N ms\n3 hits");
}
