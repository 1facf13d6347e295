//! Proxies that share a store, and stores that fail.

use std::time::Duration;

use larder_test_servers::RedisServer;
use tokio::time::{sleep, timeout};

use super::{ask, common::PATIENCE, counting, proxy_with, search, value};

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
