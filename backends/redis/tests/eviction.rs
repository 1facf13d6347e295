//! What the server does when it is full is noticed when a connection is opened.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{GET, Keys, store};
use larder_core::Backend as _;
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::RedisServer;

#[tokio::test]
async fn a_policy_that_drops_versions_or_refuses_writes_is_noticed() {
    for (limit, policy, advice) in [
        ("0", "noeviction", None),
        ("100mb", "allkeys-lfu", None),
        ("100mb", "volatile-ttl", None),
        ("100mb", "noeviction", Some("refuses writes when it is full")),
        ("100mb", "allkeys-random", Some("can be evicted")),
        ("100mb", "volatile-random", Some("can be evicted")),
    ] {
        let server =
            RedisServer::builder().config("maxmemory", limit).config("maxmemory-policy", policy).start();
        let store = store(&server);
        assert_eq!(store.advice(), [""; 0], "nothing is known before the first connection");
        store.get(&Keys::new(1).at(0), &GET).await.unwrap();
        let said = store.advice();
        assert_eq!(said.len(), usize::from(advice.is_some()), "{policy}: {said:?}");
        assert!(said.iter().all(|said| said.contains(advice.unwrap_or_default())), "{policy}: {said:?}");
    }
}

#[tokio::test]
async fn a_server_that_was_put_right_is_believed_on_the_next_connection() {
    let server = RedisServer::builder().config("maxmemory-policy", "allkeys-random").start();
    let store = store(&server);
    store.get(&Keys::new(1).at(0), &GET).await.unwrap();
    assert_eq!(store.advice().len(), 1);
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    let begun = Instant::now();
    while !store.advice().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", store.advice());
        let _ = store.get(&Keys::new(1).at(0), &GET).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn who_may_not_ask_is_told_nothing_and_works() {
    let server = RedisServer::builder()
        .config("maxmemory-policy", "allkeys-random")
        .acl_user("reader", "on >secret ~* -@all +get")
        .start();
    let url = format!("redis://reader:secret@{}", server.address());
    let store = RedisBackend::new(RedisConfig::new(url)).unwrap();
    store.get(&Keys::new(1).at(0), &GET).await.unwrap();
    assert_eq!(store.advice(), [""; 0]);
}
