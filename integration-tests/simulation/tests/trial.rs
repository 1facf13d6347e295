//! The program behind `cargo xtask simulation`, with few nodes.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

/// The rows under few writes, and the last line. Under many, what the caches draw themselves is seen.
fn simulated(seed: u32) -> (String, String) {
    let program = env!("CARGO_BIN_EXE_simulation");
    let output = Command::new(program).args(["--nodes", "2", "--seed", &seed.to_string()]).output().unwrap();
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{told}\n{said}", output.status);
    let is_meant = |line: &&str| line.starts_with("| 2 | 10 |") || line.starts_with("| 2 | 100 |");
    let tables: Vec<&str> = told.lines().filter(is_meant).collect();
    assert_eq!(tables.len(), 4, "{told}");
    let tables = tables.join("\n");
    (tables, told.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_seed_decides_what_is_seen() {
    let (tables, last) = simulated(7);
    assert!(last.ends_with(" reads, 0 wrong"), "{last}");
    assert_eq!(tables, simulated(7).0);
    assert_ne!(tables, simulated(8).0);
}
