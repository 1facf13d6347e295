//! A map of aliases: an answer depends on writes to the indices that its names stand for, and on no others.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder_proxy::body::Body;
use tokio::time::sleep;

use super::{
    JSON, ask,
    common::{Asked, Origin, Running, answer},
    hits, proxy_with, search, value,
};

/// An engine that counts searches, and whose aliases are these lines, which `POST /_aliases` replaces by its body.
async fn engine(aliases: &'static str) -> Origin {
    let (aliases, count) = (Arc::new(Mutex::new(aliases.to_owned())), Arc::new(AtomicUsize::new(0)));
    Origin::start(move |asked: Asked| {
        let answer: http::Response<Body> = if asked.target.contains("_search") {
            hits(&(count.fetch_add(1, Ordering::SeqCst) + 1).to_string())
        } else if asked.target == "/_alias" {
            answer(JSON, &aliases.lock().unwrap())
        } else {
            if asked.target == "/_aliases" {
                *aliases.lock().unwrap() = String::from_utf8(asked.body.to_vec()).unwrap();
            }
            answer(JSON, "{}")
        };
        async move { answer }
    })
    .await
}

const ONE: &str = r#"{"shop-1":{"aliases":{"market":{}}},"shop-2":{"aliases":{}},"books":{"aliases":{}}}"#;
const TWO: &str = r#"{"shop-1":{"aliases":{}},"shop-2":{"aliases":{"market":{}}},"books":{"aliases":{}}}"#;

async fn proxy(origin: &Origin) -> Running {
    let settings = &[("routes.all.search.alias_map", "1m"), ("routes.all.search.refresh_interval", "100ms")];
    proxy_with(origin, settings).await
}

async fn write(proxy: &Running, index: &str) {
    ask(proxy, "PUT", &format!("/{index}/_doc/1?refresh=true"), &[], "{}").await;
}

#[tokio::test]
async fn a_write_ends_what_reads_its_index_by_whatever_name() {
    let origin = engine(ONE).await;
    let proxy = proxy(&origin).await;
    let hit = async |target: &str| search(&proxy, &format!("/{target}/_search"), "{}").await.is_hit();
    for target in ["market", "shop-1", "books", "market,books", "bo*"] {
        assert!(!hit(target).await, "{target}");
    }
    write(&proxy, "shop-1").await;
    assert!(hit("books").await, "it is another index");
    for target in ["market", "shop-1", "market,books", "bo*"] {
        assert!(!hit(target).await, "{target}");
    }
    write(&proxy, "market").await;
    assert!(hit("books").await && !hit("shop-1").await);
    // A name that the map does not know may be an alias of anything.
    write(&proxy, "new").await;
    assert!(!hit("books").await);
    let maps = origin.asked().iter().filter(|asked| asked.target == "/_alias").count();
    assert!(maps <= 2, "{maps}: it is asked for once, and again when everything was ended");
}

#[tokio::test]
async fn an_alias_that_is_moved_is_known_to_be() {
    let origin = engine(ONE).await;
    let proxy = proxy(&origin).await;
    assert_eq!(value(&search(&proxy, "/market/_search", "{}").await), "1");
    ask(&proxy, "POST", "/_aliases", &[], TWO).await;
    assert_eq!(value(&search(&proxy, "/market/_search", "{}").await), "2");
    // In the gap of a change nothing is known, so each write ends each answer.
    write(&proxy, "books").await;
    assert_eq!(value(&search(&proxy, "/market/_search", "{}").await), "3");
    sleep(Duration::from_millis(700)).await;
    write(&proxy, "shop-2").await;
    assert_eq!(value(&search(&proxy, "/market/_search", "{}").await), "4");
    write(&proxy, "shop-2").await;
    assert_eq!(value(&search(&proxy, "/market/_search", "{}").await), "5");
    write(&proxy, "shop-1").await;
    write(&proxy, "books").await;
    assert!(search(&proxy, "/market/_search", "{}").await.is_hit());
}

#[tokio::test]
async fn where_the_upstream_does_not_say_each_write_ends_each_answer() {
    let origin = engine("no").await;
    let proxy = proxy(&origin).await;
    search(&proxy, "/market/_search", "{}").await;
    assert!(search(&proxy, "/market/_search", "{}").await.is_hit());
    write(&proxy, "books").await;
    assert!(!search(&proxy, "/market/_search", "{}").await.is_hit());
}
