//! A whole cache on Redis: what several processes see of each other, and what a caller sees of a store that fails.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{convert::Infallible, time::Duration};

use common::store;
use larder_core::{Cache, Key, Ttl, cache::Status, layer::Deadline};
use larder_test_servers::RedisServer;

/// A cache as one of several processes has it.
fn cache(server: &RedisServer) -> Cache<String> {
    let store = Deadline::new(store(server), "shared", Duration::from_secs(1));
    Cache::builder(store).namespace("shop/pages").invalidation_lag(Duration::ZERO).build().unwrap()
}

async fn load(cache: &Cache<String>, key: &Key, value: &'static str) -> (String, Status) {
    let fetched =
        cache.get_or_load(key, move || async move { Ok::<_, Infallible>(value.to_owned()) }).await.unwrap();
    (fetched.to_string(), fetched.status())
}

#[tokio::test]
async fn processes_share_values_and_invalidations() {
    let server = RedisServer::start();
    let (one, two) = (cache(&server), cache(&server));
    let (home, shop) = (Key::new("home"), Key::new("shop"));
    assert_eq!(load(&one, &home, "first").await, ("first".into(), Status::Loaded));
    assert_eq!(load(&two, &home, "other").await, ("first".into(), Status::Hit));

    one.at(&shop).tag("apps").set("tagged".into()).await.unwrap();
    assert_eq!(two.get(&shop).await.unwrap().unwrap(), "tagged".to_owned());
    two.invalidate_tag("apps").await.unwrap();
    assert!(one.get(&shop).await.unwrap().is_none());
    assert!(one.get(&home).await.unwrap().is_some());

    assert!(!two.add(&home, "added".into()).await.unwrap());
    two.clear().await.unwrap();
    assert!(one.get(&home).await.unwrap().is_none());
    assert!(one.add(&home, "added".into()).await.unwrap());
    assert!(!two.add(&home, "late".into()).await.unwrap());

    assert!(one.touch(&home, Ttl::Never).await.unwrap());
    assert_eq!(two.ttl(&home).await.unwrap(), Some(Ttl::Never));
    assert_eq!(two.get(&home).await.unwrap().unwrap(), "added".to_owned());
    assert!(two.delete(&home).await.unwrap());
    assert!(!one.delete(&home).await.unwrap());
}

#[tokio::test]
async fn a_store_that_is_down_costs_the_loader_nothing() {
    let server = RedisServer::start();
    let cache = cache(&server);
    let key = Key::new("home");
    load(&cache, &key, "first").await;
    server.stop();
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(load(&cache, &key, "loaded").await, ("loaded".into(), Status::LoadedNotStored));
    }
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    server.restart();
    while load(&cache, &key, "again").await.1 == Status::LoadedNotStored {
        assert!(begun.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(load(&cache, &key, "other").await, ("again".into(), Status::Hit));
}
