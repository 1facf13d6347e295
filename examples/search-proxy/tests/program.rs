//! The program itself, with a real server. Where the server cannot be fetched, this fails and says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::Command;

#[test]
fn one_command_shows_a_miss_a_hit_and_a_write() {
    let output = Command::new(env!("CARGO_BIN_EXE_search-proxy"))
        .args(["--once", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .output()
        .unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    let line = |begins: &str| {
        said.lines()
            .find(|line| line.starts_with(begins))
            .unwrap_or_else(|| panic!("no {begins}: {said}"))
            .to_owned()
    };
    assert!(line("asked once").contains("larder;fwd=uri-miss;stored"), "{said}");
    assert!(line("asked again").contains("larder;hit;ttl="), "{said}");
    assert!(line("after a write").contains("larder;fwd=uri-miss"), "{said}");
    assert!(line("what the cache was worth: http://127.0.0.1:").ends_with('/'), "{said}");
}
