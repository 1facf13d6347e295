//! Proxies that share a store, and stores that fail.

use std::time::Duration;

use larder_test_servers::RedisServer;
use tokio::time::{sleep, timeout};

use super::{
    JSON, ask,
    common::{Asked, Origin, PATIENCE, Running, answer},
    counting, hits, proxy_with, search, ttl, value,
};

/// Proxies that share a Redis, and see at once what another has done.
fn shared(url: &str) -> Vec<(&str, &str)> {
    vec![
        ("stores.main.backend", "redis"),
        ("stores.main.url", url),
        ("caches.search.invalidation_lag", "0s"),
        ("routes.all.search.refresh_interval", "1s"),
    ]
}

#[tokio::test]
async fn a_write_through_one_proxy_ends_what_another_has() {
    let server = RedisServer::start();
    let url = server.url();
    let origin = counting().await;
    let (one, other) = (proxy_with(&origin, &shared(url)).await, proxy_with(&origin, &shared(url)).await);
    let first = search(&one, "/shop/_search", "{}").await;
    assert!(first.cache().ends_with(";stored"), "{}", first.cache());
    assert!(search(&other, "/shop/_search", "{}").await.is_hit());
    ask(&one, "PUT", "/shop/_doc/1", &[], "{}").await;
    // Which is in the gap that the first has opened, although the other has seen no write.
    assert_eq!(value(&search(&other, "/shop/_search", "{}").await), "2");
    sleep(Duration::from_millis(1700)).await;
    assert_eq!(value(&search(&other, "/shop/_search", "{}").await), "3");
}

#[tokio::test]
async fn a_store_that_fails_costs_no_request_and_nothing_old_comes_back() {
    let server = RedisServer::start();
    let url = server.url();
    let origin = counting().await;
    let proxy = proxy_with(&origin, &shared(url)).await;
    search(&proxy, "/shop/_search", "{}").await;
    assert!(search(&proxy, "/shop/_search", "{}").await.is_hit());
    server.pause();
    assert_eq!(ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}").await.status, 200);
    assert!(proxy.proxy.counters().invalidations_owed.get() > 0);
    let passed = search(&proxy, "/shop/_search", "{}").await;
    assert_eq!((passed.status, value(&passed)), (200, "2".to_owned()));
    server.resume();
    // At first it still passes; then what was owed is made up for, and only then is anything stored.
    timeout(PATIENCE, async {
        loop {
            let got = search(&proxy, "/shop/_search", "{}").await;
            assert_ne!(value(&got), "1");
            if got.is_hit() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(proxy.proxy.counters().invalidations_owed.get(), 0);
}

/// An engine that never answers writes to `slow`, and says yes to all else.
async fn never_answers_slow() -> Origin {
    Origin::start(|asked: Asked| async move {
        if asked.target.contains("_search") {
            return hits("1");
        }
        if asked.target.contains("slow") {
            std::future::pending::<()>().await;
        }
        answer(JSON, "{}")
    })
    .await
}

/// Whether what is asked now is stored for the refresh gap alone.
async fn is_in_gap(proxy: &Running) -> bool {
    assert!(!search(proxy, "/shop/_search", "{}").await.is_hit());
    ttl(&search(proxy, "/shop/_search", "{}").await) <= 1
}

#[tokio::test]
async fn a_write_that_ends_leaves_the_mark_of_another_proxy() {
    let server = RedisServer::start();
    let url = server.url();
    let origin = never_answers_slow().await;
    let (one, other) = (proxy_with(&origin, &shared(url)).await, proxy_with(&origin, &shared(url)).await);
    let slow = tokio::spawn(async move {
        let _ = timeout(PATIENCE, ask(&one, "PUT", "/shop/_doc/slow", &[], "{}")).await;
    });
    while origin.count() == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    // It begins and ends while the other is at the upstream.
    ask(&other, "PUT", "/shop/_doc/2?refresh=true", &[], "{}").await;
    assert!(is_in_gap(&other).await);
    slow.abort();
}

#[tokio::test]
async fn a_write_that_ends_leaves_the_mark_of_one_that_was_lost() {
    let origin = never_answers_slow().await;
    let settings = [("upstreams.origin.answer", "1s"), ("routes.all.search.refresh_interval", "100ms")];
    let proxy = proxy_with(&origin, &settings).await;
    assert_eq!(ask(&proxy, "PUT", "/shop/_doc/slow", &[], "{}").await.status, 504);
    ask(&proxy, "PUT", "/shop/_doc/2?refresh=true", &[], "{}").await;
    // The gap after the answer that never came is over; the write may still be done.
    sleep(Duration::from_millis(700)).await;
    assert!(is_in_gap(&proxy).await);
    // In the end it is not.
    sleep(Duration::from_secs(7)).await;
    assert!(!is_in_gap(&proxy).await);
}

#[tokio::test]
async fn when_all_writes_have_ended_no_mark_is_left() {
    let server = RedisServer::start();
    let url = server.url();
    let origin = counting().await;
    // What is shown is not how fast a busy machine is.
    let mut settings = shared(url);
    settings.push(("stores.main.deadline", "5s"));
    let (one, other) = (proxy_with(&origin, &settings).await, proxy_with(&origin, &settings).await);
    let writes = (0..60).map(|number| {
        let (proxy, path) =
            (if number % 2 == 0 { &one } else { &other }, format!("/shop/_doc/{number}?refresh=true"));
        async move { ask(proxy, "PUT", &path, &[], "{}").await.status }
    });
    for status in futures_util::future::join_all(writes).await {
        assert_eq!(status, 200);
    }
    assert!(!is_in_gap(&one).await);
}
