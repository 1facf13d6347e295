//! The programs behind `cargo xtask stampede` and `cargo xtask races`, with fewer callers and rounds than by hand.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

/// Runs a program to its good end; gives the last line.
fn last_line(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments}: {}\n{told}\n{said}", output.status);
    told.lines().last().unwrap_or_default().to_owned()
}

fn stampede(arguments: &str) -> String {
    last_line(env!("CARGO_BIN_EXE_stampede"), arguments)
}

fn races(arguments: &str) -> String {
    last_line(env!("CARGO_BIN_EXE_races"), arguments)
}

#[test]
fn ten_thousand_callers_are_one_load() {
    assert_eq!(stampede("--store memory --callers 10000"), "loads: 1");
}

#[test]
fn several_processes_on_one_redis_are_one_load() {
    assert_eq!(stampede("--store redis --processes 4 --callers 400"), "loads: 1");
}

#[test]
fn several_processes_on_one_memcached_are_one_load() {
    assert_eq!(stampede("--store memcached --processes 4 --callers 400"), "loads: 1");
}

#[test]
fn when_the_leader_is_killed_another_loads() {
    for store in ["redis", "memcached"] {
        let arguments = format!("--store {store} --processes 3 --callers 300 --kill-leader");
        assert_eq!(stampede(&arguments), "loads: 2");
    }
}

#[test]
fn nothing_stale_in_memory() {
    assert_eq!(races("--store memory --rounds 50000"), "stale reads: 0 of 50000 rounds");
    assert_eq!(races("--store memory --rounds 50000 --faults"), "stale reads: 0 of 50000 rounds");
}

#[test]
fn nothing_stale_across_processes() {
    for store in ["redis", "memcached"] {
        let arguments = format!("--store {store} --processes 3 --rounds 3000");
        assert_eq!(races(&arguments), "stale reads: 0 of 3000 rounds");
    }
}

/// With all three there: what one that goes away does to the others is judged by `cargo xtask races --store ring`.
#[test]
fn nothing_stale_over_a_ring() {
    assert_eq!(races("--store ring --one well --processes 3 --rounds 3000"), "stale reads: 0 of 3000 rounds");
    assert_eq!(stampede("--store ring --one well --processes 4 --callers 400"), "loads: 1");
}

/// The program can find them.
#[test]
fn without_the_fence_there_are_stale_reads() {
    let found = races("--store memory --rounds 100000 --without-fence");
    assert!(!found.starts_with("stale reads: 0 "), "{found}");
}
