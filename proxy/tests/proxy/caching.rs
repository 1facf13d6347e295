//! Mode `http`, from outside: what is answered from the cache and what is not.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::{Asked, Origin, PATIENCE, Running, answer};
use http::{Request, Response};
use tokio::time::{sleep, timeout};

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60"), ("etag", "\"a\"")];

/// Until this holds.
async fn until(holds: impl Fn() -> bool) {
    timeout(PATIENCE, async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_is_fresh_is_answered_from_the_cache() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    let first = proxy.get("/a?b").await;
    assert_eq!((first.text(), first.cache()), ("1", "larder;fwd=uri-miss;ttl=60;stored"));
    let second = proxy.get("/a?b").await;
    assert_eq!((second.text(), second.status, second.header("age")), ("1", 200, "0"));
    assert!(second.is_hit(), "{}", second.cache());
    assert_eq!(origin.count(), 1);
    assert_eq!(origin.asked()[0].target, "/a?b");
    assert_eq!(origin.asked()[0].header("via"), Some("1.1 larder"));
}

#[tokio::test]
async fn each_address_has_its_own() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    let paths =
        ["/", "/?", "//", "/a/../", "/%2e%2e/", "/%2E%2E/", "/..", "/a", "/A", "/a/", "/a?x", "/a?x="];
    let mut seen = Vec::new();
    for path in paths {
        let first = proxy
            .raw(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        let again = proxy
            .raw(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        let body = |text: &str| text.rsplit("\r\n\r\n").next().unwrap().to_owned();
        assert_eq!(body(&first), body(&again), "{path}");
        seen.push(body(&first));
    }
    seen.dedup();
    assert_eq!(seen.len(), paths.len());
    // As they were written.
    let asked: Vec<_> = origin.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(asked, paths);
}

#[tokio::test]
async fn hosts_are_kept_apart() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    let proxy = &proxy;
    let of = |host: &'static str| async move { proxy.get_with("/", &[("host", host)]).await };
    assert_eq!(of("a.example").await.text(), "1");
    assert_eq!(of("b.example").await.text(), "2");
    assert_eq!(of("a.example:81").await.text(), "3");
    assert_eq!(of("A.EXAMPLE").await.text(), "1");
    assert_eq!(origin.asked()[1].header("host"), Some("b.example"));
}

#[tokio::test]
async fn one_request_for_a_thousand_callers() {
    let origin = Origin::start(|_| async {
        sleep(Duration::from_millis(200)).await;
        answer(FRESH, "slow")
    })
    .await;
    let proxy = Arc::new(Running::start(origin.address, &[]).await);
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let proxy = Arc::clone(&proxy);
            tokio::spawn(async move { proxy.proxy.answer(request("/cold")).await.status().as_u16() })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 200);
    }
    assert_eq!(origin.count(), 1);
}

fn request(path: &str) -> Request<larder_proxy::body::Body> {
    Request::get(path).header("host", "a").body(larder_proxy::body::empty()).unwrap()
}

#[tokio::test]
async fn one_confirmation_for_a_thousand_callers() {
    let origin = Origin::start(|asked: Asked| async move {
        if asked.header("if-none-match").is_some() {
            sleep(Duration::from_millis(200)).await;
            return Response::builder()
                .status(304)
                .header("cache-control", "max-age=60")
                .body(larder_proxy::body::empty())
                .unwrap();
        }
        answer(&[("cache-control", "max-age=1"), ("etag", "\"a\""), ("age", "0")], "kept")
    })
    .await;
    let proxy = Arc::new(Running::start(origin.address, &[]).await);
    assert_eq!(proxy.get("/").await.text(), "kept");
    sleep(Duration::from_millis(1100)).await;
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let proxy = Arc::clone(&proxy);
            tokio::spawn(async move {
                let request = Request::get("/").header("host", proxy.address.to_string());
                let request = request.body(larder_proxy::body::empty()).unwrap();
                proxy.proxy.answer(request).await.status().as_u16()
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 200);
    }
    assert_eq!(origin.count(), 2);
    assert!(proxy.get("/").await.is_hit());
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_waited_for() {
    // Each answer takes a second. Whoever first waited for another's would take two.
    let origin = Origin::start(|_| async {
        sleep(Duration::from_secs(1)).await;
        answer(&[("cache-control", "no-store")], "each")
    })
    .await;
    let proxy = Arc::new(Running::start(origin.address, &[]).await);
    proxy.get("/").await;
    let begun = std::time::Instant::now();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let proxy = Arc::clone(&proxy);
            tokio::spawn(async move { proxy.get("/").await.text().to_owned() })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "each");
    }
    assert_eq!(origin.count(), 21);
    assert!(begun.elapsed() < Duration::from_millis(1700), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn writes_invalidate() {
    let origin = Origin::start({
        let count = Arc::new(AtomicUsize::new(0));
        move |asked: Asked| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move {
                let mut response = answer(FRESH, &number.to_string());
                if asked.method == "POST" {
                    response.headers_mut().insert("location", "/other".parse().unwrap());
                    response
                        .headers_mut()
                        .insert("content-location", "http://elsewhere.example/third".parse().unwrap());
                }
                if asked.target == "/fails" {
                    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                }
                response
            }
        }
    })
    .await;
    let proxy = Running::start(origin.address, &[]).await;
    for path in ["/own", "/other", "/third"] {
        proxy.get(path).await;
        assert!(proxy.get(path).await.is_hit());
    }
    proxy.ask_with(Request::post("/own"), "x").await;
    assert!(!proxy.get("/own").await.is_hit());
    assert!(!proxy.get("/other").await.is_hit());
    assert!(proxy.get("/third").await.is_hit());
    // One that failed changed nothing.
    proxy.ask(Request::delete("/fails")).await;
    assert!(proxy.get("/own").await.is_hit());
}

#[tokio::test]
async fn groups_are_invalidated_together() {
    let origin = Origin::start(|asked: Asked| async move {
        let mut response = answer(FRESH, "x");
        if asked.method == "POST" {
            response.headers_mut().insert("cache-group-invalidation", "\"g\"".parse().unwrap());
        } else if asked.target != "/c" {
            response.headers_mut().insert("cache-groups", "\"g\", \"h\"".parse().unwrap());
        }
        response
    })
    .await;
    let proxy = Running::start(origin.address, &[]).await;
    for path in ["/a", "/b", "/c"] {
        proxy.get(path).await;
        assert!(proxy.get(path).await.is_hit());
    }
    proxy.ask(Request::post("/somewhere")).await;
    assert!(!proxy.get("/a").await.is_hit());
    assert!(!proxy.get("/b").await.is_hit());
    assert!(proxy.get("/c").await.is_hit());
}

#[tokio::test]
async fn who_is_authorized_shares_nothing_with_others() {
    let origin = Origin::start(|asked: Asked| async move {
        answer(FRESH, asked.header("authorization").unwrap_or("nobody"))
    })
    .await;
    let proxy = Arc::new(Running::start(origin.address, &[]).await);
    for spelling in ["Authorization", "AUTHORIZATION"] {
        assert_eq!(proxy.get_with("/", &[(spelling, "Basic a")]).await.text(), "Basic a");
    }
    assert_eq!(proxy.get_with("/", &[("authorization", "Basic b")]).await.text(), "Basic b");
    // At once.
    let both = |who: &'static str| {
        let proxy = Arc::clone(&proxy);
        async move { proxy.get_with("/2", &[("authorization", who)]).await.text().to_owned() }
    };
    let (a, b) = tokio::join!(both("a"), both("b"));
    assert_eq!((&*a, &*b), ("a", "b"));
}

#[tokio::test]
async fn variants_do_not_mix() {
    let origin = Origin::start(|asked: Asked| async move {
        sleep(Duration::from_millis(50)).await;
        answer(
            &[("cache-control", "max-age=60"), ("vary", "accept-language")],
            asked.header("accept-language").unwrap_or("-"),
        )
    })
    .await;
    let proxy = Arc::new(Running::start(origin.address, &[]).await);
    let callers: Vec<_> = (0..60)
        .map(|n| {
            let proxy = Arc::clone(&proxy);
            let language = ["de", "en", "fr"][n % 3];
            tokio::spawn(async move {
                let found = proxy.get_with("/", &[("accept-language", language)]).await;
                assert_eq!(found.text(), language);
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    for language in ["de", "en", "fr"] {
        let found = proxy.get_with("/", &[("accept-language", language)]).await;
        assert_eq!(found.text(), language);
    }
}

#[tokio::test]
async fn stale_while_it_is_revalidated() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let origin =
        Origin::start(move |_| {
            let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                answer(&[("cache-control", "max-age=1, stale-while-revalidate=60")], &number.to_string())
            }
        })
        .await;
    let proxy = Running::start(origin.address, &[]).await;
    assert_eq!(proxy.get("/").await.text(), "1");
    sleep(Duration::from_millis(1100)).await;
    let stale = proxy.get("/").await;
    assert!(stale.is_hit() && stale.text() == "1", "{stale:?}");
    until(|| count.load(Ordering::Relaxed) == 2).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(proxy.get("/").await.text(), "2");
}

#[tokio::test]
async fn stale_if_the_upstream_fails_and_only_where_allowed() {
    let fails = Arc::new(AtomicBool::new(false));
    let is_failing = Arc::clone(&fails);
    let origin = Origin::start(move |asked: Asked| {
        let fails = is_failing.load(Ordering::Relaxed);
        async move {
            let control = if asked.target == "/may" { "max-age=1, stale-if-error=60" } else { "max-age=1" };
            let mut response = answer(&[("cache-control", control)], "before");
            if fails {
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            }
            response
        }
    })
    .await;
    let proxy = Running::start(origin.address, &[]).await;
    proxy.get("/may").await;
    proxy.get("/may-not").await;
    sleep(Duration::from_millis(1100)).await;
    fails.store(true, Ordering::Relaxed);
    let may = proxy.get("/may").await;
    assert_eq!((may.status, may.text()), (200, "before"));
    assert!(may.cache().contains("detail=stale-if-error"), "{}", may.cache());
    // Its own status, whatever that is.
    assert_eq!(proxy.get("/may-not").await.status, 503);
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_a_bad_gateway() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Running::start(address, &[]).await;
    let found = proxy.get("/").await;
    assert_eq!(found.status, 502);
    assert!(found.text().contains("cannot be reached"), "{}", found.text());
    assert_eq!(proxy.ask_with(Request::post("/"), "x").await.status, 502);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_late() {
    let origin = Origin::start(|_| async {
        sleep(Duration::from_mins(1)).await;
        answer(FRESH, "late")
    })
    .await;
    let proxy = Running::start(origin.address, &[("upstreams.origin.answer", "200ms")]).await;
    assert_eq!(proxy.get("/").await.status, 504);
    assert_eq!(proxy.ask_with(Request::post("/"), "x").await.status, 504);
}

#[tokio::test]
async fn a_store_that_fails_costs_a_miss() {
    let origin = Origin::counting(FRESH).await;
    let settings = [("stores.main.backend", "redis"), ("stores.main.url", "redis://127.0.0.1:1")];
    let proxy = Running::start(origin.address, &settings).await;
    for n in 1..=5 {
        let found = proxy.get("/").await;
        assert_eq!((found.status, found.text()), (200, &*n.to_string()));
    }
    assert_eq!(proxy.ask_with(Request::post("/"), "x").await.status, 200);
    assert!(proxy.proxy.counters().store_failures.get() > 0);
}

#[tokio::test]
async fn what_is_too_large_streams_through() {
    let origin = Origin::start(|_| async { answer(FRESH, &"x".repeat(100_000)) }).await;
    let proxy = Running::start(origin.address, &[("routes.all.max_body", "50 KiB")]).await;
    for _ in 0..2 {
        let found = proxy.get("/").await;
        assert_eq!((found.body.len(), found.is_hit()), (100_000, false));
    }
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn conditions_of_clients_are_answered_here() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    proxy.get("/").await;
    let found = proxy.get_with("/", &[("if-none-match", "\"b\", \"a\"")]).await;
    assert_eq!((found.status, found.header("etag"), found.body.len()), (304, "\"a\"", 0));
    assert_eq!(proxy.get_with("/", &[("if-none-match", "\"b\"")]).await.status, 200);
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    proxy.get("/").await;
    let found = proxy.ask(Request::head("/")).await;
    assert!(found.is_hit() && found.body.is_empty());
    assert_eq!(found.header("content-length"), "1");
}

#[tokio::test]
async fn only_if_cached() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    assert_eq!(proxy.get_with("/", &[("cache-control", "only-if-cached")]).await.status, 504);
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn mode_pass_stores_nothing() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[("routes.all.mode", "pass")]).await;
    assert_eq!(proxy.get("/").await.text(), "1");
    let second = proxy.get("/").await;
    assert_eq!((second.text(), second.cache()), ("2", "larder;fwd=bypass"));
}

#[tokio::test]
async fn routes() {
    let origin = Origin::counting(FRESH).await;
    let settings = [
        ("routes.all.path", "/all"),
        ("routes.one.path", "/all/one"),
        ("routes.one.upstream", "origin"),
        ("routes.one.mode", "pass"),
    ];
    let proxy = Running::start(origin.address, &settings).await;
    assert_eq!(proxy.get("/elsewhere").await.status, 404);
    assert!(proxy.get("/all/one").await.cache().contains("bypass"));
    assert!(proxy.get("/all/two").await.cache().contains("uri-miss"));
}

#[tokio::test]
async fn a_client_that_has_something_fills_the_cache_for_others() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    let first = proxy.get_with("/", &[("if-none-match", "\"a\"")]).await;
    assert_eq!(first.status, 304);
    assert_eq!(origin.asked()[0].header("if-none-match"), None);
    assert_eq!(proxy.get("/").await.text(), "1");
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_not_an_error() {
    // Says that it keeps connections, and does not.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                // The next request is read, and not answered.
                let _ = stream.read(&mut buffer).await;
            });
        }
    });
    let proxy = Running::start(address, &[]).await;
    for _ in 0..5 {
        assert_eq!(proxy.get("/").await.text(), "ok");
    }
}
