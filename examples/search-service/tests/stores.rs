//! The same program on real servers: one store for several processes, and a store that fails.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use common::{NOT_STORED, STORED, Service, Sources, eventually};
use larder_test_servers::{MemcachedServer, RedisServer};

fn redis(server: &RedisServer) -> [(&str, &str); 2] {
    [("LARDER_STORES__MAIN__BACKEND", "redis"), ("LARDER_STORES__MAIN__URL", server.url())]
}

fn memcached(address: &str) -> [(&str, &str); 2] {
    [("LARDER_STORES__MAIN__BACKEND", "memcached"), ("LARDER_STORES__MAIN__SERVERS", address)]
}

/// Everything that two processes with one store promise.
fn two_share(settings: &[(&str, &str)]) {
    let sources = Sources::some();
    let (one, other) = (Service::start(&sources, settings), Service::start(&sources, settings));
    assert_eq!(one.get("/search?q=task").cache_status(), STORED);
    let gzip = [("accept-encoding", "gzip")];
    let hit = other.get_with("/search?q=task", &gzip);
    assert!(hit.is_hit(), "{hit:?}");
    assert_eq!(other.get("/search?q=task").body, one.get("/search?q=task").body);
    assert_eq!(other.stats()["caches"]["search"]["operations"]["loads"], 0);

    // A document that one of them is given is in its index alone; what the other has cached is gone all the same.
    assert_eq!(other.get("/popular").cache_status(), STORED);
    assert!(one.get("/popular").is_hit());
    let put = one.put("alpha", "src/task.rs", "//! A task, and one line more.\n\npub struct Task;\n");
    assert_eq!(put["invalidated"]["done"], true);
    assert_eq!(one.get("/search?q=task").cache_status(), STORED, "its own change, a process sees at once");
    // And the other within the time for which versions may be remembered.
    let begun = Instant::now();
    eventually("the invalidation arrives", || other.get("/popular").cache_status() == STORED);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn redis_is_shared() {
    let server = RedisServer::start();
    two_share(&redis(&server));
}

#[test]
fn memcached_is_shared() {
    let server = MemcachedServer::start();
    two_share(&memcached(&server.address()));
}

/// Memory before Redis, by configuration alone.
#[test]
fn a_chain_is_shared() {
    let server = RedisServer::start();
    let settings = [
        ("LARDER_STORES__MAIN__BACKEND", "memory"),
        ("LARDER_STORES__SHARED__BACKEND", "redis"),
        ("LARDER_STORES__SHARED__URL", server.url()),
        ("LARDER_DEFAULTS__STORE", "main,shared"),
    ];
    two_share(&settings);
    let service = Service::start(&Sources::some(), &settings);
    let search = &service.stats()["caches"]["search"];
    assert_eq!((&search["store"], &search["backend"]), (&"main, shared".into(), &"memory, redis".into()));
    service.get("/search?q=task");
    eventually("it is near", || service.get("/search?q=task").cache_status().ends_with("detail=near"));
}

#[test]
fn what_stands_in_redis_can_be_read_by_people() {
    let server = RedisServer::start();
    let service = Service::start(&Sources::some(), &redis(&server));
    service.get("/search?q=task&org=alpha");
    service.get("/popular?region=us&gaia=true");
    let keys = server.command(&["KEYS", "*"]);
    let keys: Vec<String> = keys.list().iter().map(ToString::to_string).collect();
    let starts = |start: &str| keys.iter().filter(|key| key.starts_with(start)).collect::<Vec<_>>();
    let [search] = &starts("search-service/search:")[..] else { panic!("{keys:?}") };
    assert!(
        search.starts_with("search-service/search:alpha:start=#0:size=#20:found=#2:%2Fsearch:q=task"),
        "{search}"
    );
    let [popular] = &starts("search-service/popular:")[..] else { panic!("{keys:?}") };
    assert_eq!(*popular, "search-service/popular:popular:region=us:gaia=!t");
    for (key, most) in [(search, 60_000), (popular, 300_000)] {
        let left = server.command(&["PTTL", key]).integer().unwrap();
        assert!((most - 10_000..=most).contains(&left), "{key}: {left}");
    }
    for key in &keys {
        // The answers, and the versions of tags and of both levels of the namespaces.
        let ours = key.strip_prefix("search-service").is_some_and(|rest| rest.starts_with(['/', '!']));
        assert!(ours && key.len() <= 200, "{key}");
        assert!(server.command(&["PTTL", key]).integer().unwrap() > 0, "{key} stays for ever");
    }
}

#[test]
fn what_stands_in_memcached_can_be_read_by_people() {
    let server = MemcachedServer::start();
    let service = Service::start(&Sources::some(), &memcached(&server.address()));
    service.get("/popular?region=us&gaia=true");
    let found = server.command("mg search-service/popular:popular:region=us:gaia=!t t s");
    let fields: Vec<&str> = found.split_ascii_whitespace().collect();
    let ["HD", left, size] = fields[..] else { panic!("{found}") };
    let left: u64 = left.strip_prefix('t').unwrap().parse().unwrap();
    // Memcached counts whole seconds, and a life is rounded up to them.
    assert!((290..=301).contains(&left), "{found}");
    assert!(size.strip_prefix('s').unwrap().parse::<usize>().unwrap() > 100, "{found}");
}

#[test]
fn bytes_that_are_no_answer_are_replaced() {
    let server = RedisServer::start();
    let service = Service::start(&Sources::some(), &redis(&server));
    let path = "/popular?region=us";
    let key = "search-service/popular:popular:region=us:gaia=!f";
    let first = service.get(path);
    let whole = server.command(&["GET", key]).bytes().unwrap().to_vec();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bad in [&b"nonsense"[..], b"", &whole[..whole.len() / 2], &flipped] {
        server.command(&[b"SET", key.as_bytes(), bad]);
        let answer = service.get(path);
        assert_eq!((answer.cache_status(), &answer.body), (STORED, &first.body));
        assert!(service.get(path).is_hit());
    }
    assert_eq!(service.stats()["caches"]["popular"]["operations"]["undecodable"], 4);
}

/// What a service with a store that does not work still does.
fn works_without(service: &Service) {
    for path in ["/search?q=task", "/search?q=task", "/popular", "/popular?region=us"] {
        let begun = Instant::now();
        let answer = service.get(path);
        let took = begun.elapsed();
        assert_eq!(answer.cache_status(), NOT_STORED, "{path}");
        // The deadline is 50 ms; the rest is a machine that has other things to do.
        assert!(took < Duration::from_secs(1), "{path} took {took:?}");
        answer.json();
    }
    assert_eq!(service.get("/healthz").status, 200);
    let search = &service.stats()["caches"]["search"];
    assert!(search["operations"]["errors"].as_u64().unwrap() >= 2, "{search}");
    assert_eq!(search["answers"]["not_stored"], 2);
    let put = service.put("alpha", "src/task.rs", "changed");
    assert_eq!(put["invalidated"]["done"], false, "{put}");
    assert!(put["invalidated"]["error"].is_string(), "{put}");
    assert_eq!(service.get("/search?q=changed").ids(), ["alpha/src/task.rs"]);
}

#[test]
fn a_store_that_is_down_at_the_start_fails_no_search() {
    // A port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://app:hunter2@127.0.0.1:{port}");
    let settings = [("LARDER_STORES__MAIN__BACKEND", "redis"), ("LARDER_STORES__MAIN__URL", url.as_str())];
    let service = Service::start(&Sources::some(), &settings);
    works_without(&service);
    assert!(!service.log().iter().any(|line| line.contains("hunter2")), "{:#?}", service.log());
    assert!(!service.get("/stats").body.windows(7).any(|bytes| bytes == b"hunter2"));
    assert_eq!(service.terminate().code(), Some(0));

    works_without(&Service::start(&Sources::some(), &memcached(&format!("127.0.0.1:{port}"))));
}

#[test]
fn a_store_that_never_answers_fails_no_search() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let settings = [("LARDER_STORES__MAIN__BACKEND", "redis"), ("LARDER_STORES__MAIN__URL", url.as_str())];
    works_without(&Service::start(&Sources::some(), &settings));
}

#[test]
fn a_store_that_comes_back_is_used_again() {
    let server = RedisServer::start();
    let service = Service::start(&Sources::some(), &redis(&server));
    service.get("/search?q=task");
    assert!(service.get("/search?q=task").is_hit());
    server.stop();
    assert_eq!(service.get("/search?q=task").cache_status(), NOT_STORED);
    server.restart();
    eventually("it is used again", || service.get("/search?q=task").is_hit());
    server.pause();
    assert_eq!(service.get("/search?q=task").cache_status(), NOT_STORED);
    server.resume();
    eventually("it is used again", || service.get("/search?q=task").is_hit());
}
