//! Logs as they should not be, each in a file of its own: counted, said with examples, never fatal, and in every sum.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_collect,
    reason = "tests, and what runs the program for them"
)]

mod common;

use std::fs;

use common::run_with_input;
use serde_json::Value;

fn line(time: &str, path: &str) -> String {
    format!("h - - [{time}] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"-\"\n")
}

fn at(second: u32, path: &str) -> String {
    line(&format!("01/Aug/2025:00:{:02}:{:02} +0000", second / 60, second % 60), path)
}

/// What a plan says of it; all lines are in the sum.
fn plan(arguments: &[&str], log: &[u8]) -> Value {
    let ran = run_with_input([&["plan", "--json"], arguments, &["-"]].concat(), log).ok();
    assert!(!ran.out.contains('\u{1b}'), "a terminal would obey");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let log = &report["log"];
    let parts = ["headings", "requests", "writes", "others", "lost"];
    let sum: u64 = parts.iter().map(|part| log[part].as_u64().unwrap()).sum();
    assert_eq!(log["lines"], sum, "{log}");
    report
}

/// How many lines of this reason there are, and the first example.
fn bad(report: &Value, reason: &str) -> (u64, String) {
    let bad = report["bad"].as_array().unwrap().iter().find(|bad| bad["reason"] == reason);
    bad.map_or((0, String::new()), |bad| {
        (bad["count"].as_u64().unwrap(), bad["examples"][0].as_str().unwrap().to_owned())
    })
}

#[test]
fn half_lines() {
    let whole = at(1, "/a");
    let mut log = String::new();
    for end in [3, 20, 40, 50] {
        log += &whole[..end];
        log += "\n";
    }
    log += &whole;
    // And the last one, which was being written.
    log += &whole[..30];
    let report = plan(&[], log.as_bytes());
    assert_eq!((report["log"]["requests"].as_u64(), report["log"]["lost"].as_u64()), (Some(1), Some(5)));
    let (count, example) = bad(&report, "format");
    assert_eq!(count, 5);
    assert!(example.starts_with("standard input:1: h -"), "{example}");
}

#[test]
fn binary_junk() {
    let mut log = at(1, "/a").into_bytes();
    let mut random = 1_u64;
    for _ in 0..200_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        log.push((random >> 56) as u8);
    }
    log.push(b'\n');
    log.extend(at(2, "/a").bytes());
    let report = plan(&[], &log);
    assert_eq!(report["log"]["requests"], 2);
    assert!(bad(&report, "format").0 > 300);
    // Nothing but junk is a failure with what was found.
    let ran = run_with_input(["plan", "-"], &log[200..100_000]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("not of the format") && !ran.out.contains('\u{1b}'));
}

#[test]
fn clocks_that_go_back_and_jump() {
    let log = at(0, "/a")
        + &at(59, "/a")
        // An hour back: the time in between is none.
        + &line("31/Jul/2025:23:00:59 +0000", "/a")
        + &line("31/Jul/2025:23:01:10 +0000", "/a")
        // Two days on.
        + &line("02/Aug/2025:23:01:10 +0000", "/a");
    let report = plan(&["--ttl", "60s"], log.as_bytes());
    assert_eq!(bad(&report, "clock_back").0, 1);
    assert_eq!(bad(&report, "clock_jump").0, 1);
    // Filled at 0 s, read at 59 and at 59; at 70 s it has ended, and after the jump again.
    assert_eq!(report["ttls"][0]["requests_saved"], 2.0);
}

#[test]
fn mixed_formats() {
    let log = at(1, "/a")
        + "{\"time\": 1754006402, \"request_uri\": \"/a\"}\n"
        + "1754006403\t/a\t5\n"
        + &at(4, "/a")
        + "GET /a HTTP/1.1\n";
    let report = plan(&[], log.as_bytes());
    assert_eq!((report["log"]["requests"].as_u64(), bad(&report, "format").0), (Some(2), 3));
    // Each file has a format of its own.
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::write(&one, at(1, "/a")).unwrap();
    fs::write(&two, "{\"time\": 1754006402, \"request_uri\": \"/a\"}\n").unwrap();
    let report = common::run(["plan", "--json", one.to_str().unwrap(), two.to_str().unwrap()]).json();
    assert_eq!((&report["log"]["requests"], &report["log"]["distinct_keys"]), (&2.into(), &1.into()));
}

#[test]
fn compression_that_ends_early_or_is_none() {
    let text: String = (0..3000).map(|second| at(second, &format!("/{}", second * 7919 % 997))).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for whole in [&gzip, &zstd] {
        assert_eq!(plan(&[], whole)["log"]["requests"], 3000);
        let report = plan(&[], &whole[..whole.len() * 3 / 4]);
        assert!(report["log"]["requests"].as_u64().unwrap() > 100, "{}", report["log"]);
        assert_eq!(bad(&report, "truncated").0, 1);
    }
    // Its last bytes are its checksum: what came before was read, and it is said that it is not whole.
    let mut damaged = gzip.clone();
    let end = damaged.len() - 6;
    damaged[end] ^= 0xff;
    let report = plan(&[], &damaged);
    assert_eq!((report["log"]["requests"].as_u64(), bad(&report, "truncated").0), (Some(3000), 1));
    assert_eq!(run_with_input(["plan", "-"], &[0x1f, 0x8b, 0, 0]).code, 2);
}

#[test]
fn lines_of_ten_megabytes() {
    let mut log = at(1, "/a").into_bytes();
    for _ in 0..3 {
        // One that would be a request, had it an end in time.
        log.extend(at(2, &format!("/{}", "x".repeat(10 << 20))).bytes());
    }
    log.extend(at(3, "/a").bytes());
    let report = plan(&[], &log);
    let (count, example) = bad(&report, "too_long");
    assert_eq!((report["log"]["requests"].as_u64(), count), (Some(2), 3));
    assert!(example.len() < 300, "{}", example.len());
}

#[test]
fn a_template_that_names_what_is_not_there() {
    let log = at(1, "/a?q=1") + &at(2, "/a?q=1") + &at(3, "/a?q=2");
    let report = plan(&["--key", "$org|$path?$args{q}"], log.as_bytes());
    assert_eq!(bad(&report, "key_part").0, 3);
    // The rest of the key tells them apart all the same.
    assert_eq!(report["log"]["distinct_keys"], 2);
    assert_eq!(report["keys"][0]["key"], "|/a?q=1");
}

#[test]
fn one_moment_in_five_zones() {
    let log = ["00:00:01 +0000", "02:00:02 +0200", "05:30:03 +0530", "13:45:04 +1345"]
        .iter()
        .map(|time| line(&format!("02/Aug/2025:{time}"), "/a"))
        .collect::<String>()
        + &line("01/Aug/2025:20:00:05 -0400", "/a");
    let report = plan(&["--ttl", "10s"], log.as_bytes());
    assert_eq!(report["bad"].as_array().unwrap().len(), 0, "{}", report["bad"]);
    assert_eq!(report["ttls"][0]["requests_saved"], 4.0);
    let log = &report["log"];
    assert_eq!(log["last"].as_i64().unwrap() - log["first"].as_i64().unwrap(), 4000);
}
