//! The listener for operators: who may change something, what a purge removes and says, health, and what the page is made of.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{net::SocketAddr, time::Duration};

use crate::common::{Answer, Asked, Origin, Running, answer, ask_at, until};
use http::Request;
use larder_test_servers::RedisServer;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const TOKEN: &str = "a token of many characters";
const WITH_TOKEN: (&str, &str) = ("proxy.admin_token", TOKEN);
const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60")];
const SEARCH: (&str, &str) = ("routes.all.mode", "search-elasticsearch");

async fn post(admin: SocketAddr, path: &str, token: Option<&str>, body: &str) -> Answer {
    let mut request = Request::post(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    ask_at(admin, request, body.to_owned()).await
}

async fn purge(admin: SocketAddr, what: &Value) -> (u16, Value) {
    let answer = post(admin, "/purge", Some(TOKEN), &what.to_string()).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

fn done(existed: Option<bool>) -> Value {
    let done = existed.map_or(json!({"route": "all"}), |existed| json!({"route": "all", "existed": existed}));
    json!({"done": [done], "failed": [], "nothing": []})
}

async fn http(settings: &[(&str, &str)]) -> (Origin, Running, SocketAddr) {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, settings).await;
    let admin = proxy.admin(|| Ok(())).await;
    (origin, proxy, admin)
}

#[tokio::test]
async fn nobody_changes_anything_without_the_token() {
    let (_, proxy, admin) = http(&[]).await;
    proxy.get("/x").await;
    for path in ["/purge", "/reload"] {
        let refused = post(admin, path, Some(TOKEN), "{\"all\":true}").await;
        assert_eq!(refused.status, 403);
        assert!(refused.text().contains("set `admin_token` in [proxy]"), "{}", refused.text());
    }
    assert!(proxy.get("/x").await.is_hit());

    let (_, proxy, admin) = http(&[WITH_TOKEN]).await;
    proxy.get("/x").await;
    for token in [None, Some(""), Some("a token of many character"), Some("a token of many characterS")] {
        for path in ["/purge", "/reload"] {
            let refused = post(admin, path, token, "{\"all\":true}").await;
            assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer"), "{token:?}");
            assert!(!refused.text().contains(TOKEN));
        }
    }
    assert_eq!(ask_at(admin, Request::get("/purge"), "").await.status, 405);
    assert!(proxy.get("/x").await.is_hit());
    assert_eq!(purge(admin, &json!({"all": true})).await.0, 200);
    assert!(!proxy.get("/x").await.is_hit());
    // On the address for clients it is a path like any other.
    let theirs =
        proxy.ask_with(Request::post("/purge").header("authorization", TOKEN), "{\"all\":true}").await;
    assert_eq!(theirs.status, 200);
    assert!(proxy.get("/x").await.is_hit());
}

#[tokio::test]
async fn by_key() {
    let (_, proxy, admin) = http(&[WITH_TOKEN]).await;
    let url = format!("http://{}/x?y", proxy.address);
    for path in ["/x?y", "/x"] {
        proxy.get(path).await;
    }
    assert_eq!(purge(admin, &json!({"key": {"url": url}})).await, (200, done(Some(true))));
    assert!(proxy.get("/x").await.is_hit() && !proxy.get("/x?y").await.is_hit());
    let absent = format!("http://{}/absent", proxy.address);
    assert_eq!(purge(admin, &json!({"key": {"url": absent}})).await, (200, done(Some(false))));
}

#[tokio::test]
async fn by_tag() {
    let fields = &[("cache-control", "max-age=60"), ("cache-groups", "\"g\"")];
    let origin = Origin::counting(fields).await;
    let proxy = Running::start(origin.address, &[WITH_TOKEN]).await;
    let admin = proxy.admin(|| Ok(())).await;
    proxy.get("/x").await;
    let tag = |name: &str| json!({"tag": format!("group http://{} {name}", proxy.address)});
    assert_eq!(purge(admin, &tag("other")).await, (200, done(None)));
    assert!(proxy.get("/x").await.is_hit());
    assert_eq!(purge(admin, &tag("g")).await, (200, done(None)));
    assert!(!proxy.get("/x").await.is_hit());
}

#[tokio::test]
async fn of_one_route_alone() {
    let settings = [
        WITH_TOKEN,
        ("routes.other.upstream", "origin"),
        ("routes.other.path", "/other"),
        ("routes.other.cache", "other"),
        ("routes.none.upstream", "origin"),
        ("routes.none.path", "/none"),
        ("routes.none.mode", "pass"),
    ];
    let (_, proxy, admin) = http(&settings).await;
    proxy.get("/x").await;
    proxy.get("/other").await;
    assert_eq!(purge(admin, &json!({"all": true, "route": "all"})).await, (200, done(None)));
    assert!(!proxy.get("/x").await.is_hit() && proxy.get("/other").await.is_hit());
    let (status, told) = purge(admin, &json!({"all": true, "route": "none"})).await;
    assert_eq!((status, &told["nothing"][0]["route"]), (404, &json!("none")));
    let (status, told) = purge(admin, &json!({"all": true, "route": "absent"})).await;
    assert_eq!(
        (status, &told["error"]),
        (400, &json!("there is no route \"absent\"; there are: other, none, all"))
    );
}

#[tokio::test]
async fn what_is_not_understood_removes_nothing() {
    let (_, proxy, admin) = http(&[WITH_TOKEN]).await;
    proxy.get("/x").await;
    let long = format!("{{\"tag\":\"{}\"}}", "x".repeat(256));
    for body in [
        "",
        "all",
        "[]",
        "{}",
        "{\"all\":false}",
        "{\"all\":true,\"tag\":\"a\"}",
        "{\"every\":true}",
        "{\"tag\":\"\"}",
        &long,
        "{\"index\":\" \"}",
        "{\"key\":{\"url\":\"/x\"}}",
        "{\"key\":{\"url\":\"http://u@a/x\"}}",
        "{\"key\":{\"url\":\"http://a/x\",\"method\":\"a b\"}}",
        "{\"key\":{\"url\":\"http://a/x\",\"headers\":{\"a b\":\"\"}}}",
        "{\"key\":{\"url\":\"http://a/x\",\"headers\":{\"a\":\"b\\r\\nc\"}}}",
    ] {
        let answer = post(admin, "/purge", Some(TOKEN), body).await;
        assert_eq!(answer.status, 400, "{body}");
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(told["error"].as_str().is_some_and(|error| error.len() > 10), "{told}");
    }
    let large = post(admin, "/purge", Some(TOKEN), &" ".repeat(2 << 20)).await;
    assert_eq!(large.status, 413);
    assert!(proxy.get("/x").await.is_hit());
}

fn hits(asked: &Asked) -> http::Response<larder_proxy::body::Body> {
    let body =
        format!(r#"{{"took":1,"timed_out":false,"_shards":{{"failed":0}},"hits":{}}}"#, asked.body.len());
    answer(&[("content-type", "application/json")], &body)
}

async fn search(settings: &[(&str, &str)]) -> (Origin, Running, SocketAddr) {
    let origin = Origin::start(|asked: Asked| async move { hits(&asked) }).await;
    let proxy = Running::start(origin.address, settings).await;
    let admin = proxy.admin(|| Ok(())).await;
    (origin, proxy, admin)
}

async fn ask(proxy: &Running, index: &str, body: &'static str) -> Answer {
    let request = Request::post(format!("/{index}/_search")).header("content-type", "application/json");
    proxy.ask_with(request, body).await
}

#[tokio::test]
async fn by_index() {
    let settings = [SEARCH, WITH_TOKEN, ("routes.all.search.aliases", "false")];
    let (_, proxy, admin) = search(&settings).await;
    for index in ["a", "b"] {
        ask(&proxy, index, "{}").await;
        assert!(ask(&proxy, index, "{}").await.is_hit());
    }
    assert_eq!(purge(admin, &json!({"index": "a"})).await, (200, done(None)));
    let made = ask(&proxy, "a", "{}").await;
    assert!(!made.is_hit() && ask(&proxy, "b", "{}").await.is_hit());
    // Whoever asks for it has written something elsewhere, which the engine may not show yet.
    let found = ask(&proxy, "a", "{}").await;
    assert!(
        found.is_hit() && (found.cache().contains("ttl=1") || found.cache().contains("ttl=0")),
        "{}",
        found.cache()
    );
    // A pattern means all.
    assert_eq!(purge(admin, &json!({"index": "*"})).await.0, 200);
    assert!(!ask(&proxy, "b", "{}").await.is_hit());
}

#[tokio::test]
async fn by_the_key_of_a_search() {
    let (_, proxy, admin) = search(&[SEARCH, WITH_TOKEN]).await;
    ask(&proxy, "a", "{\"from\":1,\"size\":2}").await;
    ask(&proxy, "a", "{\"from\":3}").await;
    let key = |path: &str, body: &str| {
        let url = format!("http://{}{path}", proxy.address);
        let headers = json!({"content-type": "application/json"});
        json!({"key": {"method": "POST", "url": url, "headers": headers, "body": body}})
    };
    // In another spelling.
    let asked = key("/a/_search", "{\"size\": 2, \"from\": 1}");
    assert_eq!(purge(admin, &asked).await, (200, done(Some(true))));
    assert!(ask(&proxy, "a", "{\"from\":3}").await.is_hit());
    assert!(!ask(&proxy, "a", "{\"from\":1,\"size\":2}").await.is_hit());
    for (path, why) in [
        ("/_search/scroll", "an endpoint that is never stored"),
        ("/a/_doc/1", "a write"),
        ("/_msearch", "its items are stored one by one; purge by index"),
    ] {
        let (status, told) = purge(admin, &key(path, "{}")).await;
        assert_eq!((status, &told["nothing"][0]["why"]), (404, &json!(why)), "{path}");
    }
}

/// A purge that did not reach the store is said to have failed, and until it is made up for, nothing that it was about is served.
#[tokio::test]
async fn a_store_that_cannot_be_reached() {
    let server = RedisServer::start();
    let settings = [SEARCH, WITH_TOKEN, ("stores.main.backend", "redis"), ("stores.main.url", server.url())];
    let (_, proxy, admin) = search(&settings).await;
    ask(&proxy, "a", "{}").await;
    assert!(ask(&proxy, "a", "{}").await.is_hit());
    server.pause();
    for what in [json!({"index": "a"}), json!({"all": true}), json!({"tag": "i:a"})] {
        let (status, told) = purge(admin, &what).await;
        assert_eq!((status, &told["done"]), (503, &json!([])), "{told}");
        let why = told["failed"][0]["why"].as_str().unwrap();
        assert!(why.contains("is not answered from the cache by this proxy until"), "{why}");
    }
    server.resume();
    until("it is made up for", async || {
        let found = ask(&proxy, "a", "{}").await;
        let owed = found.cache().contains("an invalidation is owed");
        assert!(owed || !found.is_hit(), "an answer from before the purge: {}", found.cache());
        !owed
    })
    .await;
    assert_eq!(purge(admin, &json!({"index": "a"})).await, (200, done(None)));
}

#[tokio::test]
async fn what_the_page_is_made_of() {
    let origin = Origin::start(|asked: Asked| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if asked.target.starts_with("/slow") {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let control = if asked.target == "/never" { "no-store" } else { "max-age=60" };
        answer(&[("cache-control", control)], "body")
    })
    .await;
    let proxy = Running::start(origin.address, &[]).await;
    let admin = proxy.admin(|| Ok(())).await;
    for path in ["/a?token=hunter2", "/a?token=hunter2", "/a?token=hunter2", "/slow", "/never"] {
        proxy.get(path).await;
    }
    let read = async || -> Value {
        serde_json::from_slice(&ask_at(admin, Request::get("/statistics"), "").await.body).unwrap()
    };
    until("all are counted", async || read().await["asked"].as_array().unwrap().len() == 3).await;
    let shown = read().await;
    let of = |name: &str| {
        shown["outcomes"].as_array().unwrap().iter().find(|outcome| outcome[0] == name).unwrap()[1].clone()
    };
    assert_eq!((of("hit"), of("miss")), (json!(2), json!(3)));
    let label = |path: &str| json!(format!("GET {}{path}", proxy.address));
    assert_eq!((&shown["asked"][0]["label"], &shown["asked"][0]["count"]), (&label("/a"), &json!(3)));
    assert_eq!(shown["slow"][0]["label"], label("/slow"));
    assert!(shown["slow"][0]["slowest"].as_f64().unwrap() >= 200.0, "{shown}");
    // Two hits of what took 50 ms.
    let saved = shown["saved"].as_f64().unwrap();
    assert!((0.1..1.0).contains(&saved), "{saved}");
    assert_eq!(shown["unstored"], json!([["no-store", 1]]));
    assert!(!shown.to_string().contains("hunter2"));

    let metrics = ask_at(admin, Request::get("/metrics"), "").await;
    let saved =
        metrics.text().lines().find(|line| line.starts_with("larder_proxy_upstream_seconds_saved_total "));
    assert!(saved.unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap() >= 0.1, "{saved:?}");
}

#[tokio::test]
async fn the_page_takes_nothing_from_elsewhere() {
    let (_, _proxy, admin) = http(&[]).await;
    let page = ask_at(admin, Request::get("/"), "").await;
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"), "{policy}");
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(nonce.len() == 32 && page.text().matches(nonce).count() == 2 && !page.text().contains("NONCE"));
    let other = ask_at(admin, Request::get("/"), "").await;
    assert_ne!(other.header("content-security-policy"), policy);
    for elsewhere in ["src=", "@import", "url(", "//cdn", "innerHTML"] {
        assert!(!page.text().contains(elsewhere), "{elsewhere}");
    }
}

/// Answers each connection with this status, until it is dropped.
async fn server(status: &'static str, address: SocketAddr) -> tokio::task::JoinHandle<()> {
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let port = stream.local_addr().unwrap().port().to_string();
                    let head = format!(
                        "HTTP/1.1 {status}\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\r\n",
                        port.len()
                    );
                    let _ = stream.write_all(format!("{head}{port}").as_bytes()).await;
                }
            });
        }
    })
}

#[tokio::test]
async fn an_address_that_is_not_well_is_left_out_and_comes_back() {
    let free = async || TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (one, two) = (free().await, free().await);
    let good = server("200 OK", one).await;
    let ill = server("503 Service Unavailable", two).await;
    let urls = [format!("http://{one}"), format!("http://{two}")];
    let settings = [
        ("upstreams.pair.health.interval", "20ms"),
        ("upstreams.pair.health.path", "/health"),
        ("routes.all.upstream", "pair"),
    ];
    let lists: [(&str, &[&str]); 1] = [("upstreams.pair.addresses", &[&urls[0], &urls[1]])];
    let proxy = Running::with(one, &settings, &lists).await;
    let admin = proxy.admin(|| Ok(())).await;
    let health = async || ask_at(admin, Request::get("/health"), "").await;
    let asked = async || {
        let mut ports = Vec::new();
        for number in 0..20 {
            // Connections are kept; a new one is made where two are needed.
            let (a, b) = (format!("/{number}"), format!("/{number}b"));
            let (a, b) = tokio::join!(proxy.get(&a), proxy.get(&b));
            ports.extend([a, b].map(|answer| (answer.status, answer.text().to_owned())));
        }
        ports
    };
    until("one is left out", async || health().await.text().contains("pair: 1 of 2")).await;
    assert!(health().await.text().starts_with("degraded\n"), "{}", health().await.text());
    assert!(health().await.text().contains(&format!("  {two}: answered 503")), "{}", health().await.text());
    let all = asked().await;
    assert!(all.iter().all(|found| *found == (200, one.port().to_string())), "{all:?}");
    let metrics = ask_at(admin, Request::get("/metrics"), "").await;
    let line = |address, well| {
        format!("larder_proxy_upstream_healthy{{upstream=\"pair\",address=\"{address}\"}} {well}\n")
    };
    assert!(
        metrics.text().contains(&line(one, 1)) && metrics.text().contains(&line(two, 0)),
        "{}",
        metrics.text()
    );
    assert_eq!(ask_at(admin, Request::get("/ready"), "").await.status, 200);

    ill.abort();
    let well = server("200 OK", two).await;
    until("it is back", async || health().await.text().contains("pair: 2 of 2")).await;
    until("it is asked again", async || asked().await.contains(&(200, two.port().to_string()))).await;

    well.abort();
    good.abort();
    until("both are ill", async || ask_at(admin, Request::get("/ready"), "").await.status == 503).await;
    // The proxy itself is alive.
    assert_eq!(health().await.status, 200);
}
