//! The programs behind `cargo xtask faults` and `cargo xtask cancel`, with fewer faults and reads than by hand.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// Runs a program; whether it ends well, and all that it says.
fn run(program: &str, arguments: &str) -> (bool, String) {
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// What does not depend on how busy the machine is: a test is no place for the rest.
#[test]
fn servers_that_are_killed_are_no_ones_error_and_leave_nothing_behind() {
    for store in ["redis", "memcached", "ring"] {
        let arguments = format!("--store {store} --fault killed --quick");
        let (_, text) = run(env!("CARGO_BIN_EXE_faults"), &arguments);
        assert!(text.trim_end().ends_with(" fell short"), "{text}");
        for problem in [
            "could not be tried",
            "errors",
            "wrong values",
            "stale values",
            "tasks left",
            "descriptors left",
            "nothing was tried",
        ] {
            assert!(!text.contains(problem), "{problem}: {text}");
        }
    }
}

#[test]
fn no_answer_reaches_another_caller() {
    let (holds, text) = run(env!("CARGO_BIN_EXE_cancel"), "--gets 20000");
    assert!(holds && text.trim_end().ends_with("60000 gets, 0 wrong"), "{text}");
}

/// The same check finds a client that mixes replies up.
#[test]
fn a_client_that_mixes_replies_up_is_caught() {
    let (holds, text) = run(env!("CARGO_BIN_EXE_cancel"), "--store redis --broken --gets 20000");
    assert!(!holds && text.contains("answers of other keys: key "), "{text}");
    assert!(!text.contains("20000 gets, 0 wrong"), "{text}");
}
