//! What is written about requests: the access log, explanations, and what mode `observe` writes down.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::common::{Asked, Origin, Running, answer, until};
use http::Request;
use serde_json::Value;

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60")];
const SECRETS: &[(&str, &str)] = &[
    ("authorization", "Basic hunter2"),
    ("cookie", "session=hunter2"),
    ("es-security-runas-user", "hunter2"),
    ("referer", "http://u:hunter2@a.example/from?q=hunter2"),
    ("user-agent", "a \"client\""),
];

async fn lines(file: &Path, count: usize) -> Vec<String> {
    let read = || fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    until(&format!("{count} lines"), async || read().len() >= count).await;
    assert_eq!(read().len(), count);
    read()
}

async fn objects(file: &Path, count: usize) -> Vec<Value> {
    lines(file, count).await.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_line_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let origin = Origin::start(|asked: Asked| async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        answer(if asked.target == "/never" { &[("cache-control", "no-store")] } else { FRESH }, "seven b")
    })
    .await;
    let settings = [("proxy.access_log.file", file.to_str().unwrap()), ("routes.all.path", "/")];
    let proxy = Running::start(origin.address, &settings).await;
    for path in ["/x?q=hunter2", "/x?q=hunter2", "/never"] {
        proxy.get_with(path, SECRETS).await;
    }
    proxy.raw(b"GET /two HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    let all = objects(&file, 4).await;
    // Authorization keeps the first from being stored.
    for line in &all[..3] {
        assert_eq!(
            (&line["status"], &line["bytes"], &line["method"]),
            (&200.into(), &7.into(), &"GET".into())
        );
        assert_eq!((&line["client"], &line["route"]), (&"127.0.0.1".into(), &"all".into()));
        assert_eq!(line["agent"], "a \"client\"");
        assert!(line["upstream_ms"].as_f64().unwrap() >= 30.0, "{line}");
        assert!(line["ms"].as_f64().unwrap() >= line["upstream_ms"].as_f64().unwrap(), "{line}");
    }
    assert_eq!((&all[0]["path"], &all[0]["cache"]), (&"/x".into(), &"miss".into()));
    assert_eq!(all[0]["key"], all[1]["key"]);
    assert_ne!(all[0]["key"], all[2]["key"]);
    assert_eq!(
        (&all[3]["status"], &all[3]["cache"], &all[3]["detail"]),
        (&400.into(), &"failed".into(), &"bad request".into())
    );
    assert!(!fs::read_to_string(&file).unwrap().contains("hunter2"));

    let before = origin.count();
    for _ in 0..2 {
        proxy.get("/stored").await;
    }
    let all = objects(&file, 6).await;
    assert_eq!(
        (&all[5]["cache"], &all[5]["upstream_ms"], origin.count()),
        (&"hit".into(), &0.0.into(), before + 1)
    );
}

#[tokio::test]
async fn the_combined_format_and_query_strings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let origin = Origin::counting(FRESH).await;
    let settings = [
        ("proxy.access_log.file", file.to_str().unwrap()),
        ("proxy.access_log.format", "combined"),
        ("proxy.access_log.query", "true"),
    ];
    let proxy = Running::start(origin.address, &settings).await;
    for _ in 0..2 {
        proxy.get_with("/x?q=1", &[("user-agent", "a \"client\"")]).await;
    }
    for (line, cache) in lines(&file, 2).await.iter().zip(["miss", "hit"]) {
        let (begins, ends) = (
            "127.0.0.1 - - [",
            format!("\"GET /x?q=1 HTTP/1.1\" 200 1 \"-\" \"a \\x22client\\x22\" {cache} 0."),
        );
        assert!(line.starts_with(begins) && line.contains(&ends), "{line}");
    }
}

/// A log that is not read: lines are dropped, and no request waits.
#[cfg(unix)]
#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open, and never read.
    let _open = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let origin = Origin::counting(FRESH).await;
    let settings = [("proxy.access_log.file", pipe.to_str().unwrap()), ("proxy.access_log.queue", "10")];
    let proxy = Running::start(origin.address, &settings).await;
    let path = format!("/{}", "x".repeat(2000));
    let begun = Instant::now();
    for _ in 0..300 {
        assert_eq!(proxy.get(&path).await.status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(proxy.proxy.counters().lines_dropped.get() > 0);
}

#[tokio::test]
async fn why_a_request_was_what_it_was() {
    let origin = Origin::counting(FRESH).await;
    let ask = ("x-larder-explain", "1");
    let proxy = Running::start(origin.address, &[("routes.all.explain", "true")]).await;
    let told = async |path: &str, fields: &[(&str, &str)]| {
        let found = proxy.get_with(path, &[&[ask], fields].concat()).await;
        found.header("x-larder-explain").to_owned()
    };
    let miss = told("/x", &[]).await;
    assert!(miss.starts_with("miss; why=\"nothing is stored for this question; now it is stored\"; route=\"all\"; mode=\"http\"; key=\""), "{miss}");
    let hit = told("/x", &[]).await;
    assert!(
        hit.starts_with("hit; why=\"an answer is stored, and fresh\"; ") && hit.contains("; ttl=60"),
        "{hit}"
    );
    let key = |told: &str| told.split("key=\"").nth(1).unwrap()[..16].to_owned();
    assert_eq!(key(&miss), key(&hit));
    let own = told("/y", &[("authorization", "Basic hunter2")]).await;
    assert!(
        own.starts_with("miss; why=\"nothing is stored for this question: ") && !own.contains("hunter2"),
        "{own}"
    );
    assert!(
        told("/x", &[("cache-control", "no-store")])
            .await
            .starts_with("pass; why=\"the client does not want")
    );
    // Who does not ask is not told, and the upstream learns nothing of it.
    assert_eq!(proxy.get("/x").await.header("x-larder-explain"), "");
    assert!(origin.asked().iter().all(|asked| asked.header("x-larder-explain").is_none()));

    let silent =
        Running::start(origin.address, &[("proxy.explain", "true"), ("routes.all.explain", "false")]).await;
    assert_eq!(silent.get_with("/x", &[ask]).await.header("x-larder-explain"), "");
}

/// What may differ between two principals may show in an explanation; who they are may not.
#[tokio::test]
async fn an_explanation_says_nothing_of_the_principal() {
    let origin = Origin::start(|_| async {
        answer(
            &[("content-type", "application/json")],
            r#"{"took":1,"timed_out":false,"_shards":{"failed":0},"hits":{}}"#,
        )
    })
    .await;
    let settings = [("routes.all.mode", "search-elasticsearch"), ("proxy.explain", "true")];
    let proxy = Running::start(origin.address, &settings).await;
    let mut keys = Vec::new();
    for principal in ["Basic hunter2", "Basic hunter3", "Basic hunter2"] {
        let request = Request::post("/a/_search")
            .header("content-type", "application/json")
            .header("authorization", principal)
            .header("x-larder-explain", "1");
        let told = proxy.ask_with(request, "{}").await.header("x-larder-explain").to_owned();
        assert!(!told.contains("hunter") && told.contains("mode=\"search-elasticsearch\""), "{told}");
        keys.push(told.split("key=\"").nth(1).unwrap()[..16].to_owned());
    }
    assert!(keys[0] == keys[2] && keys[0] != keys[1], "{keys:?}");
    // The digest that is stored can be made by whoever tries out passwords; what is shown cannot.
    let shown = &keys[0];
    assert!(shown.chars().all(|c| c.is_ascii_hexdigit()), "{shown}");
}

#[tokio::test]
async fn what_a_cache_would_see_of_searches() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("observed.jsonl");
    let origin = Origin::start(|_| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer(&[("content-type", "application/json")], "{}")
    })
    .await;
    let settings = [("routes.all.mode", "observe"), ("routes.all.observe.file", file.to_str().unwrap())];
    let proxy = Running::start(origin.address, &settings).await;
    let ask = async |method: &str, path: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let found = proxy.ask_with(request.header("authorization", "Basic hunter2"), body).await;
        assert_eq!(
            (found.status, found.text(), found.cache()),
            (200, "{}", "larder;fwd=bypass;detail=observed")
        );
    };
    ask("POST", "/shop/_search", "{\"from\":1,\"size\":2}").await;
    ask("POST", "/shop/_search", "{\"size\":2, \"from\":1}").await;
    ask("POST", "/shop/_doc/1", "{\"secret\":\"hunter2\"}").await;
    ask("GET", "/_cat/nodes", "").await;
    ask("POST", "/_msearch", "{\"index\":\"a\"}\n{\"from\":1}\n{\"index\":\"b\"}\n{\"from\":1}\n").await;
    assert_eq!(origin.count(), 5);
    assert_eq!(origin.asked()[4].body, "{\"index\":\"a\"}\n{\"from\":1}\n{\"index\":\"b\"}\n{\"from\":1}\n");
    let all = objects(&file, 5).await;
    assert_eq!(all[0]["key"], all[1]["key"]);
    assert_eq!((&all[0]["kind"], &all[0]["targets"]), (&"read".into(), &serde_json::json!(["shop"])));
    assert_eq!(
        (&all[0]["bytes"], &all[0]["request_bytes"], &all[0]["status"]),
        (&2.into(), &19.into(), &200.into())
    );
    assert!(all[0]["upstream_ms"].as_f64().unwrap() >= 20.0, "{}", all[0]);
    assert_eq!((&all[2]["kind"], &all[2]["targets"]), (&"write".into(), &serde_json::json!(["shop"])));
    assert_eq!(
        (&all[3]["kind"], &all[3]["why"]),
        (&"pass".into(), &"an endpoint that is never stored".into())
    );
    let items = all[4]["items"].as_array().unwrap();
    assert!(items.len() == 2 && items[0] != items[1], "{items:?}");
    assert!(all.iter().all(|line| line["run"] == all[0]["run"]));
    assert!(!fs::read_to_string(&file).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn what_a_cache_would_see_of_pages() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("observed.jsonl");
    let origin = Origin::start(|asked: Asked| async move {
        answer(&[("cache-control", if asked.target == "/never" { "no-store" } else { "max-age=60" })], "body")
    })
    .await;
    let settings = [
        ("routes.all.mode", "observe"),
        ("routes.all.observe.file", file.to_str().unwrap()),
        ("routes.all.observe.as", "http"),
    ];
    let proxy = Running::start(origin.address, &settings).await;
    for path in ["/x", "/x", "/never"] {
        assert_eq!(proxy.get(path).await.text(), "body");
    }
    proxy.ask(Request::delete("/x")).await;
    let all = objects(&file, 4).await;
    assert_eq!((&all[0]["key"], &all[0]["ttl"], origin.count()), (&all[1]["key"], &60.into(), 4));
    assert_eq!((&all[2]["why"], &all[2]["ttl"]), (&"no-store".into(), &Value::Null));
    assert_eq!((&all[3]["kind"], &all[3]["key"]), (&"write".into(), &all[0]["key"]));
}
