//! `/stats` counts what happened, exactly.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use common::{Service, Sources};
use serde_json::json;

/// How many ask at once.
const CLIENTS: u64 = 16;

#[test]
fn each_answer_is_counted_once() {
    let service = Service::start(&Sources::some(), &[]);
    for path in [
        "/search?q=task",
        "/search?q=task",
        "/search?q=task",
        "/search?q=thing",
        "/search?q=",
        "/popular",
        "/popular",
    ] {
        service.get(path);
    }
    let caches = service.stats()["caches"].clone();
    let search = &caches["search"];
    assert_eq!(
        search["answers"],
        json!({ "hit": 2, "stored": 2, "not_stored": 0, "joined": 0, "bypassed": 0 })
    );
    assert_eq!(search["hit_rate"], 0.5);
    let operations = &search["operations"];
    for (name, count) in [
        ("hits", 2),
        ("misses", 2),
        ("loads", 2),
        ("writes", 2),
        ("load_failures", 0),
        ("joined", 0),
        ("errors", 0),
        ("expired", 0),
        ("invalidated", 0),
        ("undecodable", 0),
        ("fenced", 0),
        ("deletes", 0),
    ] {
        assert_eq!(operations[name], count, "{name}");
    }
    assert_eq!(
        caches["popular"]["answers"],
        json!({ "hit": 1, "stored": 1, "not_stored": 0, "joined": 0, "bypassed": 0 })
    );
    assert_eq!(caches["popular"]["operations"]["loads"], 1);

    // Two hits saved what the load of that one answer had taken, twice; two loads took at least that.
    let (saved, loading) = (search["saved_ms"].as_f64().unwrap(), search["loading_ms"].as_f64().unwrap());
    assert!(saved > 0.0 && saved <= 2.0 * loading, "{saved} {loading}");

    let seconds = &search["last_seconds"];
    let sum =
        |list: &serde_json::Value| list.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum(&seconds["answers"]), sum(&seconds["hits"])), (4, 2));
    assert_eq!(seconds["answers"].as_array().unwrap().len(), 300);
}

#[test]
fn an_invalidated_answer_is_counted_as_such() {
    let service = Service::start(&Sources::some(), &[]);
    service.get("/popular");
    service.put("delta", "a.rs", "new");
    service.get("/popular");
    let popular = &service.stats()["caches"]["popular"];
    assert_eq!(
        (&popular["operations"]["invalidated"], &popular["operations"]["misses"]),
        (&1.into(), &2.into())
    );
}

#[test]
fn of_many_who_ask_at_once_one_is_worked_for() {
    // Long enough that the others come while it is being made.
    let text = "pub fn needle() {}\n".repeat(10_000);
    let files: Vec<(String, &str)> = (0..20).map(|n| (format!("hay/{n}.rs"), text.as_str())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let service = Service::start(&Sources::new(&files), &[]);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| assert_eq!(service.get("/search?q=needle").status, 200));
        }
    });
    let search = &service.stats()["caches"]["search"];
    assert_eq!((&search["operations"]["loads"], &search["operations"]["writes"]), (&1.into(), &1.into()));
    let count = |name: &str| search["answers"][name].as_u64().unwrap();
    assert_eq!((count("stored"), count("hit") + count("joined")), (1, CLIENTS - 1), "{search}");
    assert!(count("joined") > 0, "{search}");
}
