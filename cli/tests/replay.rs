//! `larder replay` of a real day: what was predicted is what happens, in memory and on a server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what runs the program for them")]

mod common;

use std::fs;

use common::{nasa, run_in};
use larder_test_servers::{RedisServer, Reply};
use serde_json::Value;

fn replay(configuration: &str, arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("larder.toml"), configuration).unwrap();
    let log = nasa();
    let all = [&["replay", "--json", "--post", "read", "--cache", "pages"][..], arguments, &[log.as_str()]]
        .concat();
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
