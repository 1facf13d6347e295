//! The interface: every route, what it answers, and what it refuses.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::{net::TcpListener, time::Duration};

use common::{STORED, Service, Sources, program};

#[test]
fn a_search_is_made_once_and_then_comes_from_the_cache() {
    let service = Service::start(&Sources::some(), &[]);
    let first = service.get("/search?q=task");
    assert_eq!(first.cache_status(), STORED);
    let second = service.get("/search?q=task");
    let ttl: u64 = second.cache_status().strip_prefix("larder; hit; ttl=").unwrap().parse().unwrap();
    assert!((55..=60).contains(&ttl), "{ttl}");
    assert_eq!(first.body, second.body);

    let json = second.json();
    assert_eq!(json["q"], "task");
    assert_eq!(json["found"], 2);
    assert_eq!(
        (&json["start"], &json["size"], &json["org"]),
        (&0.into(), &20.into(), &serde_json::Value::Null)
    );
    let result = &json["results"][0];
    assert_eq!(result["id"], "alpha/src/task.rs", "the path says task as well");
    assert_eq!((&result["org"], &result["path"]), (&"alpha".into(), &"src/task.rs".into()));
    assert_eq!((&result["bytes"], &result["lines"]), (&47.into(), &2.into()));
    assert_eq!(result["passages"][0]["line"], 1);
    let marked = serde_json::json!([["//! A ", "task", ", and nothing else."], ["pub struct ", "Task", ";"]]);
    assert_eq!(result["passages"][0]["lines"], marked);

    let timing = second.header("server-timing").unwrap();
    assert!(timing.starts_with("ids;dur=") && timing.contains(", answer;dur="), "{timing}");
    assert_eq!(second.header("vary"), Some("accept-encoding"));
    assert_eq!(second.header("cache-control"), Some("no-store"));
}

#[test]
fn a_folder_with_a_version_is_an_organisation_without() {
    let service = Service::start(&Sources::some(), &[]);
    assert_eq!(service.get("/search?q=no_std").ids(), ["beta-core/1.2.3/src/lib.rs"]);
    assert_eq!(service.get("/search?q=no_std&org=beta-core").ids(), ["beta-core/1.2.3/src/lib.rs"]);
}

#[test]
fn popular_goes_by_its_criteria() {
    let service = Service::start(&Sources::some(), &[]);
    let path = "/popular?region=us&gaia=true";
    assert_eq!(service.get(path).cache_status(), STORED);
    assert!(service.get(path).is_hit());
    assert!(service.get("/popular?gaia=1&region=us").is_hit(), "the same criteria in another order");
    for other in [
        "/popular",
        "/popular?region=us",
        "/popular?region=us&gaia=false&x=1",
        "/popular?region=de&gaia=true",
    ] {
        let expected = if other.contains("x=1") { "larder; hit; ttl=" } else { STORED };
        let answer = service.get(other);
        assert!(answer.cache_status().starts_with(expected), "{other}: {answer:?}");
    }

    let everywhere = service.get("/popular").json();
    assert_eq!(everywhere["counted_in"], serde_json::Value::Null);
    let crates = serde_json::json!([{ "org": "beta-core", "used_by": 2 }, { "org": "alpha", "used_by": 1 }]);
    assert_eq!(everywhere["crates"], crates);
    let gaia = service.get(path).json();
    assert_eq!((&gaia["region"], &gaia["gaia"]), (&"us".into(), &true.into()));
    assert_eq!(gaia["crates"], serde_json::json!([{ "org": "beta-core", "used_by": 2 }]), "alpha needs std");
    let region = service.get("/popular?region=alpha").json();
    assert_eq!(region["counted_in"], "alpha");
    assert_eq!(region["crates"], serde_json::json!([{ "org": "beta-core", "used_by": 1 }]));
}

#[test]
fn documents_are_added_and_replaced() {
    let service = Service::start(&Sources::some(), &[]);
    let added = service.post(r#"{"org":"delta","path":"src/new.rs","text":"entirely new"}"#);
    assert_eq!(added.status, 201);
    let tags = ["doc:delta/src/new.rs", "popular"];
    let expected = serde_json::json!({
        "id": "delta/src/new.rs", "replaced": false, "invalidated": { "done": true, "tags": tags },
    });
    assert_eq!(added.json(), expected);
    // By the id that a search gives, too.
    let id = service.get("/search?q=entirely").ids().remove(0);
    let body = serde_json::json!({ "org": "delta", "id": id, "text": "older now" });
    let replaced = service.post(&body.to_string());
    assert_eq!((replaced.status, &replaced.json()["id"]), (200, &"delta/src/new.rs".into()));
    assert_eq!(replaced.json()["replaced"], true);
    assert_eq!(service.get("/search?q=entirely").ids(), [""; 0]);
    assert_eq!(service.get("/search?q=older").ids(), ["delta/src/new.rs"]);
    let own = service.post(r#"{"org":"delta","id":"mine","text":"a name of my own"}"#);
    assert_eq!(own.json()["id"], "delta/mine");
}

#[test]
fn health_stats_and_the_page() {
    let service = Service::start(&Sources::some(), &[]);
    let health = service.get("/healthz");
    assert_eq!((health.status, health.json()), (200, serde_json::json!({ "status": "ok", "documents": 4 })));

    let stats = service.stats();
    assert_eq!(stats["documents"], 4);
    for cache in ["search", "popular"] {
        let cache = &stats["caches"][cache];
        assert_eq!((&cache["store"], &cache["backend"]), (&"main".into(), &"memory".into()));
        assert_eq!(cache["hit_rate"], serde_json::Value::Null, "nothing was asked yet");
    }

    let page = service.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
    let html = String::from_utf8(page.body).unwrap();
    // The one name that looks like an address is that of SVG.
    let elsewhere = html.replace("http://www.w3.org/2000/svg", "");
    assert!(
        !elsewhere.contains("://") && !elsewhere.contains("src=\"//"),
        "the page asks for nothing elsewhere"
    );

    let head = service.request("HEAD", "/search?q=task", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("cache-status"), Some(STORED));
}

#[test]
fn what_cannot_be_answered_is_refused_in_json() {
    let service = Service::start(&Sources::some(), &[]);
    let long = |len: usize| "x".repeat(len);
    let refused = [
        (400, "/search".to_owned()),
        (400, "/search?q=".to_owned()),
        (400, "/search?q=%20".to_owned()),
        (400, "/search?q=-%3E".to_owned()),
        (400, "/search?q=-task".to_owned()),
        (400, format!("/search?q={}", long(201))),
        (400, "/search?q=%ff".to_owned()),
        (400, "/search?q=a&q=b".to_owned()),
        (400, "/search?q=a&start=-1".to_owned()),
        (400, "/search?q=a&start=x".to_owned()),
        (400, "/search?q=a&start=2001".to_owned()),
        (400, "/search?q=a&start=99999999999999999999999".to_owned()),
        (400, "/search?q=a&size=0".to_owned()),
        (400, "/search?q=a&size=51".to_owned()),
        (400, "/search?q=a&org=a%2Fb".to_owned()),
        (400, format!("/search?q=a&org={}", long(65))),
        (400, "/popular?gaia=maybe".to_owned()),
        (400, "/popular?region=a%20b".to_owned()),
        (404, "/nowhere".to_owned()),
        (404, "/search/".to_owned()),
    ];
    for (status, path) in refused {
        // A byte that is not UTF-8 becomes a replacement character, which is no word.
        let answer = service.get(&path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let json = answer.json();
        assert_eq!(json["status"], status, "{path}");
        assert!(json["error"].as_str().unwrap().len() > 5, "{path}: {json}");
        assert_eq!(answer.header("cache-status"), None, "{path}");
    }
    for (method, path, allowed) in
        [("POST", "/search", "GET,HEAD"), ("GET", "/documents", "POST"), ("DELETE", "/", "GET,HEAD")]
    {
        let answer = service.request(method, path, &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        assert_eq!(answer.json()["status"], 405);
    }
    assert_eq!(service.stats()["caches"]["search"]["operations"]["loads"], 0);
}

#[test]
fn what_is_no_document_is_refused_in_json() {
    let service = Service::start(&Sources::some(), &[]);
    let text =
        |len: usize| serde_json::json!({ "org": "a", "path": "p", "text": "x".repeat(len) }).to_string();
    for (status, body) in [
        (400, "{".to_owned()),
        (400, "nonsense".to_owned()),
        (422, "[]".to_owned()),
        (422, r#"{"org":"a","path":"p"}"#.to_owned()),
        (422, r#"{"org":"a","path":"p","text":"t","more":1}"#.to_owned()),
        (422, r#"{"org":"a","path":"p","text":7}"#.to_owned()),
        (400, r#"{"org":"a","text":"t"}"#.to_owned()),
        (400, r#"{"org":"a","path":"p","id":"i","text":"t"}"#.to_owned()),
        (400, r#"{"org":"","path":"p","text":"t"}"#.to_owned()),
        (400, r#"{"org":"../a","path":"p","text":"t"}"#.to_owned()),
        (400, r#"{"org":"a","path":"","text":"t"}"#.to_owned()),
        (400, r#"{"org":"a","path":"a\nb","text":"t"}"#.to_owned()),
        (400, r#"{"org":"a","id":"a/","text":"t"}"#.to_owned()),
        (400, text(256 * 1024 + 1)),
        (413, text(600 * 1024)),
    ] {
        let answer = service.post(&body);
        let shown: String = body.chars().take(80).collect();
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        assert_eq!(answer.json()["status"], status, "{shown}");
    }
    // A form of another site can send such a body, but not such a type, without being asked first.
    let form = service.request("POST", "/documents", &[("content-type", "text/plain")], b"{}");
    assert_eq!((form.status, &form.json()["status"]), (415, &415.into()));
    assert_eq!(service.get("/healthz").json()["documents"], 4);
    assert_eq!(service.post(&text(256 * 1024)).status, 201);
}

#[test]
fn each_search_is_one_line_in_the_log() {
    let service = Service::start(&Sources::some(), &[]);
    service.get("/search?q=task%0Aforged&org=alpha&start=1");
    service.get("/search?q=task");
    service.get("/search?q=task");
    common::eventually("three lines", || {
        service.log().iter().filter(|line| line.contains(" search ")).count() == 3
    });
    let log = service.log();
    let lines: Vec<_> = log.iter().filter(|line| line.contains(" search ")).collect();
    assert!(lines[0].contains(r#"q="task\nforged" org="alpha" start=1 found=0"#), "{}", lines[0]);
    assert!(lines[1].contains("found=2") && lines[1].contains(r#"status="loaded""#), "{}", lines[1]);
    assert!(lines[2].contains("found=2") && lines[2].contains(r#"status="hit""#), "{}", lines[2]);
    assert!(lines[2].contains("bytes=") && lines[2].contains("age="), "{}", lines[2]);
}

#[test]
fn it_ends_when_it_is_asked_to() {
    let service = Service::start(&Sources::some(), &[]);
    // A client that keeps its connection open and says nothing more does not stand in the way.
    let _idle = std::net::TcpStream::connect(service.url("").strip_prefix("http://").unwrap()).unwrap();
    service.get("/search?q=task");
    assert_eq!(service.terminate().code(), Some(0));
}

/// Runs the program where it cannot start, and gives what it says.
fn fails(arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let mut child = program(arguments, settings).spawn().unwrap();
    for _ in 0..1000 {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(!status.success());
            let output = child.wait_with_output().unwrap();
            return String::from_utf8(output.stderr).unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("{arguments:?} did not fail")
}

#[test]
fn what_is_wrong_at_the_start_is_said() {
    let sources = Sources::some();
    let folder = sources.path().to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = fails(&["--sources", folder, "--listen", &address], &[]);
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");

    let free = ["--listen", "127.0.0.1:0", "--sources"];
    let with = |folder: &'static str| [&free[..], &[folder]].concat();
    assert!(fails(&with("/does/not/exist"), &[]).contains("/does/not/exist"));
    let empty = Sources::new(&[("alpha/readme.txt", "no Rust")]);
    let said = fails(&[&free[..], &[empty.path().to_str().unwrap()]].concat(), &[]);
    assert!(said.contains("no Rust sources"), "{said}");

    let said = fails(&[&free[..], &[folder]].concat(), &[("LARDER_CACHES__SEARCH__TTL", "60")]);
    assert!(said.contains("caches.search.ttl") && said.contains("LARDER_CACHES__SEARCH__TTL"), "{said}");
    let said = fails(&[&free[..], &[folder]].concat(), &[("LARDER_STORES__MAIN__BACKEND", "rediss")]);
    assert!(said.contains("redis"), "{said}");
    let said = fails(&[&free[..], &[folder, "--config", "/no/such.toml"]].concat(), &[]);
    assert!(said.contains("/no/such.toml"), "{said}");
    assert!(fails(&["--runs", "0"], &[]).contains("--runs"));
    assert!(fails(&["--listen", "nowhere"], &[]).contains("--listen"));
}

#[test]
fn without_sources_of_its_own_it_says_where_it_looked() {
    let empty = Sources::new(&[("registry/readme", "")]);
    let home = empty.path().to_str().unwrap();
    let said = fails(&["--listen", "127.0.0.1:0"], &[("CARGO_HOME", home)]);
    assert!(said.contains(home) && said.contains("--sources"), "{said}");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let sources = Sources::some();
    let elsewhere = Sources::new(&[("secret.rs", "fn secret() {}")]);
    std::os::unix::fs::symlink(elsewhere.path(), sources.path().join("alpha/link")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("secret.rs"), sources.path().join("alpha/link.rs"))
        .unwrap();
    std::os::unix::fs::symlink(sources.path(), sources.path().join("alpha/round")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), sources.path().join("link")).unwrap();
    let service = Service::start(&sources, &[]);
    assert_eq!(service.get("/search?q=secret").json()["found"], 0);
    assert_eq!(service.get("/healthz").json()["documents"], 4);
}
