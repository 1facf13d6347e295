//! `larder replay` of a real day: what was predicted is what happens, in memory and on a server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what runs the program for them")]

mod common;

use std::fs;

use common::{nasa, run_in};
use larder_test_servers::{RedisServer, Reply};
use serde_json::Value;

fn replay(configuration: &str, arguments: &[&str]) -> Value {
    replay_of(&nasa(), configuration, arguments)
}

fn replay_of(log: &str, configuration: &str, arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("larder.toml"), configuration).unwrap();
    let all = [&["replay", "--json", "--post", "read", "--cache", "pages"][..], arguments, &[log]].concat();
    run_in(folder.path(), all).json()
}

fn difference(report: &Value) -> f64 {
    report["difference"].as_f64().unwrap().abs()
}

#[test]
fn in_memory() {
    for (ttl, ratio) in [("60s", 0.38), ("15m", 0.7002)] {
        let report = replay("[stores.main]\nbackend = \"memory\"\nmax_entries = 100000\n", &["--ttl", ttl]);
        assert!((report["predicted_hit_ratio"].as_f64().unwrap() - ratio).abs() < 1e-4, "{report}");
        assert!(difference(&report) < 0.01, "{report}");
    }
}

/// Writes to an index, to everything, and reads that depend on each write, as the proxy's mode `observe` tells of them.
#[test]
fn what_the_proxy_has_observed() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("observed.jsonl");
    let line = |second: u32| {
        // A search a second: of one of two indices or of a pattern, among seven keys; now and then a write.
        let (index, key) = (["shop", "users"][second as usize % 2], second % 7);
        let about = match second {
            _ if second.is_multiple_of(97) => r#""kind":"write","everything":true"#.to_owned(),
            _ if second.is_multiple_of(31) => format!(r#""kind":"write","targets":["{index}"]"#),
            _ if key == 0 => r#""kind":"read","key":"00","targets":["s"],"everything":true"#.to_owned(),
            _ => format!(r#""kind":"read","key":"{index}{key}","targets":["{index}"]"#),
        };
        let (minute, second) = (second / 60, second % 60);
        format!(
            r#"{{"time":"2026-12-01T10:{minute:02}:{second:02}Z","run":"1",{about},"status":200,"bytes":9}}"#
        )
    };
    let lines: Vec<String> = (0..3600).map(line).collect();
    fs::write(&log, lines.join("\n")).unwrap();
    let memory = "[stores.main]\nbackend = \"memory\"\nmax_entries = 100000\n";
    let report = replay_of(log.to_str().unwrap(), memory, &["--ttl", "1h"]);
    assert!(difference(&report) < 0.001, "{report}");
    let predicted = report["predicted_hit_ratio"].as_f64().unwrap();
    assert!((0.2..0.8).contains(&predicted), "writes count, and are not all: {report}");
}

#[test]
fn a_store_that_is_too_small_answers_less_than_predicted() {
    let report = replay("[stores.main]\nbackend = \"memory\"\nmax_entries = 50\n", &["--ttl", "1h"]);
    assert!(report["difference"].as_f64().unwrap() < -0.05, "{report}");
}

#[test]
fn on_redis() {
    let server = RedisServer::start();
    server.command(&["SET", "somebody-elses", "value"]);
    let configuration =
        format!("[stores.main]\nbackend = \"redis\"\nurl = \"{}\"\ndeadline = \"5s\"\n", server.url());
    let report = replay(&configuration, &["--ttl", "15m", "--faster", "3000"]);
    assert_eq!(report["store_errors"], 0, "{report}");
    assert!(difference(&report) < 0.01, "{report}");
    assert!(matches!(server.command(&["EXISTS", "somebody-elses"]), Reply::Integer(1)));
}
