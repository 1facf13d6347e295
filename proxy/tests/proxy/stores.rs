//! Answers in stores that processes share: they come back as they were, and what one proxy invalidates is gone for all.

#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common::{Asked, Origin, Running, answer};
use http::Request;
use larder_test_servers::{MemcachedServer, RedisServer};

async fn origin() -> Origin {
    Origin::start(|asked: Asked| async move {
        let mut response = answer(
            &[("cache-control", "max-age=60"), ("etag", "\"a\""), ("vary", "foo"), ("cache-groups", "\"g\"")],
            "body",
        );
        response.headers_mut().append("x-two", "1".parse().unwrap());
        response.headers_mut().append("x-two", http::HeaderValue::from_bytes(b"\xfc").unwrap());
        if asked.target == "/group" {
            response.headers_mut().insert("cache-group-invalidation", "\"g\"".parse().unwrap());
        }
        response
    })
    .await
}

async fn two_proxies(settings: &[(&str, &str)], lists: &[(&str, &[&str])]) {
    let origin = origin().await;
    let one = Running::with(origin.address, settings, lists).await;
    let other = Running::with(origin.address, settings, lists).await;
    let host = ("host", "a.example");
    for value in ["1", "2"] {
        let first = one.get_with("/x", &[host, ("foo", value)]).await;
        assert!(!first.is_hit() && first.cache().contains("stored"), "{}", first.cache());
    }
    for value in ["1", "2"] {
        let found = other.get_with("/x", &[host, ("foo", value)]).await;
        assert!(found.is_hit(), "{}", found.cache());
        let two: Vec<_> = found.headers.get_all("x-two").iter().map(http::HeaderValue::as_bytes).collect();
        assert_eq!((found.text(), two), ("body", vec![&b"1"[..], b"\xfc"]));
    }
    assert_eq!(other.get_with("/x", &[host, ("foo", "1"), ("if-none-match", "\"a\"")]).await.status, 304);
    assert_eq!(origin.count(), 2);

    // By address, and at once.
    other.ask(Request::delete("/x").header("host", "a.example")).await;
    assert!(!one.get_with("/x", &[host, ("foo", "1")]).await.is_hit());
    // By group, no later than the cache's lag.
    assert!(one.get_with("/x", &[host, ("foo", "1")]).await.is_hit());
    other.ask(Request::post("/group").header("host", "a.example")).await;
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    assert!(!one.get_with("/x", &[host, ("foo", "1")]).await.is_hit());
    for proxy in [one, other] {
        assert_eq!(proxy.proxy.counters().store_failures.get(), 0);
    }
}

#[tokio::test]
async fn redis() {
    let server = RedisServer::start();
    two_proxies(&[("stores.main.backend", "redis"), ("stores.main.url", server.url())], &[]).await;
}

#[tokio::test]
async fn memcached() {
    let server = MemcachedServer::start();
    let address = server.address();
    two_proxies(&[("stores.main.backend", "memcached")], &[("stores.main.servers", &[&address])]).await;
}

#[tokio::test]
async fn memory_before_redis() {
    let server = RedisServer::start();
    let origin = origin().await;
    let settings = [
        ("stores.near.backend", "memory"),
        ("stores.main.backend", "redis"),
        ("stores.main.url", server.url()),
    ];
    let store: (&str, &[&str]) = ("caches.http.store", &["near", "main"]);
    let proxy = Running::with(origin.address, &settings, &[store]).await;
    proxy.get("/x").await;
    assert!(proxy.get("/x").await.is_hit());
    proxy.ask(Request::delete("/x")).await;
    assert!(!proxy.get("/x").await.is_hit());
}

/// A store that dies under load: nobody sees it.
#[tokio::test]
async fn a_store_that_dies() {
    let server = RedisServer::start();
    let origin = origin().await;
    let settings = [("stores.main.backend", "redis"), ("stores.main.url", server.url())];
    let proxy = Running::start(origin.address, &settings).await;
    proxy.get("/x").await;
    assert!(proxy.get("/x").await.is_hit());
    drop(server);
    for _ in 0..50 {
        let found = proxy.get("/x").await;
        assert_eq!((found.status, found.text()), (200, "body"));
    }
}
