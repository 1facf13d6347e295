//! `larder conformance` against a server that others use at the same time: green, and nothing of theirs is touched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what runs the program for them")]
#![cfg(feature = "prove")]

mod common;

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use common::run_in;
use larder_test_servers::{RedisServer, Reply};

#[test]
fn beside_others_on_one_server() {
    let server = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("larder.toml"),
        format!("[stores.main]\nbackend = \"redis\"\nurl = \"{}\"\n", server.url()),
    )
    .unwrap();
    let key = |number: usize| format!("shop/users@2:user:#{number}");
    for number in 0..500 {
        server.command(&["SET", &key(number), &format!("value {number}")]);
    }
    let stop = AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number = (number + 1) % 500;
                server.command(&["SET", &key(number), &format!("value {number}")]);
                assert!(matches!(server.command(&["GET", &key(number)]), Reply::Bytes(_)));
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        // What can be told of a store without waiting for its clock; the whole suite takes minutes.
        let ran: Vec<_> = ["conditional::", "tags::", "counters::"]
            .map(|family| run_in(folder.path(), ["conformance", "--store", "main", "--json", family]))
            .into();
        stop.store(true, Ordering::Relaxed);
        others.join().unwrap();
        ran
    });
    for ran in ran {
        let report = ran.json();
        assert!(report["passed"].as_u64().unwrap() > 5, "{report}");
        assert_eq!(report["keys_that_could_not_be_removed"], 0);
    }
    for number in 0..500 {
        assert_eq!(server.command(&["GET", &key(number)]).to_string(), format!("value {number}"));
    }
    // Counters alone stay, for a minute at most.
    let Reply::List(left) = server.command(&["KEYS", "*"]) else { panic!("no list of keys") };
    let strange: Vec<String> = left
        .iter()
        .map(ToString::to_string)
        .filter(|key| !key.starts_with("shop/users@2:") && !key.ends_with("+c"))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

#[test]
fn how_fast_a_store_is_and_nothing_stays() {
    let server = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("larder.toml"),
        format!("[stores.main]\nbackend = \"redis\"\nurl = \"{}\"\n", server.url()),
    )
    .unwrap();
    let report = run_in(
        folder.path(),
        [
            "bench",
            "--store",
            "main",
            "--json",
            "--operations",
            "500",
            "--tasks",
            "1,8",
            "--html",
            "bench.html",
        ],
    )
    .json();
    let page = fs::read_to_string(folder.path().join("bench.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("get through the cache") && !page.contains("<script") && !page.contains("NaN"));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row["per_second"].as_u64().unwrap() > 0
        && row["p99_micros"].as_u64() >= row["median_micros"].as_u64()));
    assert_eq!(server.command(&["DBSIZE"]).to_string(), "0");
}

#[test]
fn a_store_that_is_made_to_fail_answers_all_the_same_and_nothing_stays() {
    let server = RedisServer::start();
    server.command(&["SET", "shop:user:#1", "value"]);
    let folder = tempfile::tempdir().unwrap();
    let configure = |more: &str| {
        let text = format!("[stores.main]\nbackend = \"redis\"\nurl = \"{}\"\n{more}", server.url());
        fs::write(folder.path().join("larder.toml"), text).unwrap();
    };
    configure("deadline = \"100ms\"\n");
    let report = run_in(folder.path(), ["faults", "--store", "main", "--json", "--calls", "20"]).json();
    let faults = report["faults"].as_array().unwrap();
    assert!(faults.len() >= 8 && report["held"] == true, "{report}");
    // Each was really there, and none of its calls was waited for longer than the deadline says.
    assert!(faults.iter().all(|fault| fault["happened"].as_u64().unwrap() > 0), "{report}");
    assert!(faults.iter().all(|fault| fault["longest_millis"].as_u64().unwrap() < 350), "{report}");
    assert_eq!(server.command(&["DBSIZE"]).to_string(), "1");
    assert_eq!(server.command(&["GET", "shop:user:#1"]).to_string(), "value");
}
