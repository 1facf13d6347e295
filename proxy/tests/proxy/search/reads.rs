//! Which questions are one, and what is never answered from the cache.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::{
    JSON, MODE, ask,
    common::{Origin, Running, answer},
    counting, hits, proxy, proxy_with, search, value,
};

#[tokio::test]
async fn a_search_is_asked_for_once() {
    let origin = counting().await;
    let proxy = proxy(&origin).await;
    let first = search(&proxy, "/shop/_search", r#"{"size":1,"query":{"match":{"a":"b"}}}"#).await;
    assert_eq!((value(&first), first.cache()), ("1".to_owned(), "larder;fwd=uri-miss;stored"));
    // The same question, written in another way, and by GET.
    let fields = &[("x-opaque-id", "mine")];
    let body = r#"{ "query": {"match": {"a": "b"}}, "size": 1 }"#;
    for method in ["POST", "GET"] {
        let again = ask(&proxy, method, "/shop/_search", fields, body).await;
        assert!(again.is_hit(), "{}", again.cache());
        assert_eq!((value(&again), again.body.len()), ("1".to_owned(), first.body.len()));
        assert_eq!(again.header("content-type"), "application/json");
        assert_eq!(again.header("x-elastic-product"), "Elasticsearch");
        assert_eq!(again.header("x-opaque-id"), "mine");
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_get_is_forwarded_with_its_body() {
    let origin = counting().await;
    let proxy = proxy(&origin).await;
    let body = r#"{"query":{"term":{"a":1}}}"#;
    ask(&proxy, "GET", "/shop/_search", &[], body).await;
    let asked = &origin.asked()[0];
    assert_eq!((asked.method.as_str(), asked.body.as_ref()), ("GET", body.as_bytes()));
}

#[tokio::test]
async fn an_index_whose_name_looks_like_an_endpoint_is_cached_and_endpoints_are_not() {
    let origin = counting().await;
    let proxy = proxy(&origin).await;
    search(&proxy, "/payroll_open_items/_search", "{}").await;
    assert!(search(&proxy, "/payroll_open_items/_search", "{}").await.is_hit());
    for path in ["/_tasks", "/_cat/indices", "/_cluster/health", "/_new/thing", "/"] {
        let before = origin.count();
        for _ in 0..2 {
            let passed = ask(&proxy, "GET", path, &[], "").await;
            assert!(passed.cache().starts_with("larder;fwd=bypass;detail="), "{path}: {}", passed.cache());
        }
        assert_eq!(origin.count(), before + 2, "{path}");
    }
}

#[tokio::test]
async fn long_bodies_with_different_ends_are_different_questions() {
    let origin = counting().await;
    let proxy = proxy(&origin).await;
    let body =
        |end: &str| format!(r#"{{"query":{{"terms":{{"a":["{}","{end}"]}}}}}}"#, "x".repeat(16 * 1024));
    assert_eq!(value(&search(&proxy, "/shop/_search", &body("a")).await), "1");
    assert_eq!(value(&search(&proxy, "/shop/_search", &body("b")).await), "2");
    let again = search(&proxy, "/shop/_search", &body("a")).await;
    assert!(again.is_hit() && value(&again) == "1");
}

#[tokio::test]
async fn what_is_too_large_to_be_looked_at_passes_whole() {
    let origin = counting().await;
    let proxy = proxy_with(&origin, &[("routes.all.search.max_request", "1 KiB")]).await;
    let body = format!(r#"{{"query":{{"term":{{"a":"{}"}}}}}}"#, "x".repeat(4096));
    for expected in ["1", "2"] {
        let passed = search(&proxy, "/shop/_search", &body).await;
        assert_eq!(value(&passed), expected);
        assert_eq!(passed.cache(), "larder;fwd=bypass;detail=\"a large request\"");
    }
    assert_eq!(origin.asked()[1].body, body);
}

#[tokio::test]
async fn compressed_requests_pass() {
    let origin = counting().await;
    let proxy = proxy(&origin).await;
    for expected in ["1", "2"] {
        let passed = ask(&proxy, "POST", "/shop/_search", &[("content-encoding", "gzip")], "x").await;
        assert_eq!(value(&passed), expected);
    }
}

#[tokio::test]
async fn what_is_not_whole_is_not_stored() {
    for (status, body) in [
        (200, r#"{"took":1,"timed_out":true,"_shards":{"total":1,"failed":0},"hits":{}}"#),
        (200, r#"{"took":1,"timed_out":false,"_shards":{"total":2,"failed":1},"hits":{}}"#),
        (200, r#"{"took":1,"timed_out":false,"_shards":{"total":1,"failed":0},"hits":{}"#),
        (404, r#"{"error":{},"status":404}"#),
        (500, r#"{"error":{},"status":500}"#),
    ] {
        let origin = Origin::start(move |_| async move {
            let mut answer = answer(JSON, body);
            *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
            answer
        })
        .await;
        let proxy = proxy(&origin).await;
        for count in 1..=2 {
            let got = search(&proxy, "/shop/_search", "{}").await;
            assert_eq!((got.status, got.text()), (status, body));
            assert!(!got.cache().contains("stored;") && got.cache().contains(";detail="), "{}", got.cache());
            assert_eq!(origin.count(), count, "{body}");
        }
    }
}

#[tokio::test]
async fn a_condition_is_answered_from_what_is_stored() {
    let origin = counting().await;
    let proxy = proxy(&origin).await;
    let first = search(&proxy, "/shop/_search", "{}").await;
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() == 34, "{etag}");
    let same = ask(&proxy, "POST", "/shop/_search", &[("if-none-match", &etag)], "{}").await;
    assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, etag.as_str()));
    assert!(same.is_hit());
    let other = ask(&proxy, "POST", "/shop/_search", &[("if-none-match", "\"x\"")], "{}").await;
    assert_eq!((other.status, value(&other)), (200, "1".to_owned()));
    assert_eq!(origin.asked()[0].header("if-none-match"), None);
}

#[tokio::test]
async fn one_request_for_many_callers() {
    let origin = Origin::start(|_| async {
        sleep(Duration::from_millis(200)).await;
        hits("slow")
    })
    .await;
    let proxy = proxy(&origin).await;
    let callers = (0..100).map(|_| search(&proxy, "/shop/_search", "{}"));
    for got in futures_util::future::join_all(callers).await {
        assert_eq!(value(&got), "slow");
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn an_upstream_that_fails_is_its_own_status_or_something_stale() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let origin = Origin::start(move |_| {
        let fails = failing.load(Ordering::SeqCst);
        async move {
            let mut answer = hits("old");
            if fails {
                *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            }
            answer
        }
    })
    .await;
    let settings = &[("routes.all.search.ttl", "100ms"), ("caches.search.stale_if_error", "1m")];
    let proxy = proxy_with(&origin, settings).await;
    assert_eq!(search(&proxy, "/shop/_search", "{}").await.status, 200);
    fails.store(true, Ordering::SeqCst);
    sleep(Duration::from_millis(200)).await;
    let stale = search(&proxy, "/shop/_search", "{}").await;
    assert_eq!((stale.status, value(&stale).as_str()), (200, "old"));
    assert_eq!(search(&proxy, "/other/_search", "{}").await.status, 503);
    // What was written is never served stale.
    ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}").await;
    assert_eq!(search(&proxy, "/shop/_search", "{}").await.status, 503);
    let nobody = Running::start("127.0.0.1:1".parse().unwrap(), &[MODE]).await;
    assert_eq!(search(&nobody, "/shop/_search", "{}").await.status, 502);
}
