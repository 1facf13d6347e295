//! A map of aliases: an answer depends on writes to the indices that its names stand for, and on no others.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use larder_proxy::body::Body;
use tokio::time::sleep;

use super::{
    JSON, ask,
    common::{Asked, Origin, Running, answer, until},
    hits, proxy_with, search,
};

/// An engine that counts searches, and whose aliases are these lines, which `POST /_aliases` replaces by its body.
async fn engine(aliases: &'static str) -> Origin {
    let (aliases, count) = (Arc::new(Mutex::new(aliases.to_owned())), Arc::new(AtomicUsize::new(0)));
    Origin::start(move |asked: Asked| {
        let answer: http::Response<Body> = if asked.target.contains("_search") {
            hits(&(count.fetch_add(1, Ordering::SeqCst) + 1).to_string())
        } else if asked.target == "/_alias" {
            answer(JSON, &aliases.lock().unwrap())
        } else if asked.target.starts_with("/_data_stream") {
            answer(JSON, STREAMS)
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

const STREAMS: &str = r#"{"data_streams":[{"name":"clicks","indices":[{"index_name":".ds-clicks-1","index_uuid":"A"},{"index_name":".ds-clicks-2","index_uuid":"B"}]}]}"#;
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
    map_is_known(&proxy).await;
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
    assert!(maps(&origin) <= 2, "{}: it is asked for once, and again for a new name", maps(&origin));
}

fn maps(origin: &Origin) -> usize {
    origin.asked().iter().filter(|asked| asked.target == "/_alias").count()
}

/// Until a write to one index leaves what is known of another.
async fn map_is_known(proxy: &Running) {
    until("a map", async || {
        search(proxy, "/books/_search", r#"{"size":0}"#).await;
        write(proxy, "shop-1").await;
        search(proxy, "/books/_search", r#"{"size":0}"#).await.is_hit()
    })
    .await;
}

#[tokio::test]
async fn a_data_stream_is_its_backing_indices() {
    let origin =
        engine(r#"{"clicks":{"aliases":{"web":{}}},"books":{"aliases":{}},"shop-1":{"aliases":{}}}"#).await;
    let proxy = proxy(&origin).await;
    map_is_known(&proxy).await;
    let hit = async |target: &str| search(&proxy, &format!("/{target}/_search"), "{}").await.is_hit();
    for written in ["clicks", "web", ".ds-clicks-2", ".ds-clicks-1"] {
        for target in ["clicks", "web", "books"] {
            hit(target).await;
            assert!(hit(target).await, "{target}");
        }
        write(&proxy, written).await;
        assert!(!hit("clicks").await && !hit("web").await, "{written}");
        assert!(hit("books").await, "{written}");
    }
    hit(".ds-clicks-1").await;
    write(&proxy, "web").await;
    assert!(!hit(".ds-clicks-1").await);
}

/// An engine that says nothing when it is asked for aliases, for as long as this is so.
async fn engine_that_is_silent(silent: Arc<AtomicBool>) -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::start(move |asked: Asked| {
        let (silent, count) = (Arc::clone(&silent), Arc::clone(&count));
        async move {
            if asked.target.contains("_search") {
                return hits(&(count.fetch_add(1, Ordering::SeqCst) + 1).to_string());
            }
            if asked.target == "/_alias" {
                while silent.load(Ordering::SeqCst) {
                    sleep(Duration::from_millis(10)).await;
                }
                return answer(JSON, ONE);
            }
            answer(JSON, if asked.target.starts_with("/_data_stream") { STREAMS } else { "{}" })
        }
    })
    .await
}

#[tokio::test]
async fn nobody_waits_for_a_map_that_cannot_be_had() {
    let silent = Arc::new(AtomicBool::new(true));
    let origin = engine_that_is_silent(Arc::clone(&silent)).await;
    let settings = [
        ("routes.all.search.alias_map", "1m"),
        ("routes.all.search.refresh_interval", "100ms"),
        ("upstreams.origin.answer", "2s"),
    ];
    let proxy = proxy_with(&origin, &settings).await;
    let begun = Instant::now();
    for number in 1..=20 {
        let body = format!("{{\"size\":{number}}}");
        search(&proxy, "/market/_search", &body).await;
        assert!(search(&proxy, "/market/_search", &body).await.is_hit());
        write(&proxy, "books").await;
        // What is not known may be everything.
        assert!(!search(&proxy, "/market/_search", &body).await.is_hit());
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(maps(&origin), 1);
    sleep(Duration::from_millis(2500)).await;
    for _ in 0..20 {
        search(&proxy, "/market/_search", "{}").await;
    }
    assert!(maps(&origin) <= 2, "{}", maps(&origin));
    silent.store(false, Ordering::SeqCst);
    map_is_known(&proxy).await;
    search(&proxy, "/market/_search", "{}").await;
    write(&proxy, "books").await;
    assert!(search(&proxy, "/market/_search", "{}").await.is_hit());
}

/// Writes to names that nobody knows do not keep the map from being learnt.
#[tokio::test]
async fn a_map_is_learnt_under_writes() {
    let silent = Arc::new(AtomicBool::new(true));
    let origin = engine_that_is_silent(Arc::clone(&silent)).await;
    let settings = [("routes.all.search.alias_map", "1m"), ("routes.all.search.refresh_interval", "5s")];
    let proxy = proxy_with(&origin, &settings).await;
    for _ in 0..3 {
        ask(&proxy, "PUT", "/books/_doc/1", &[], "{}").await;
    }
    silent.store(false, Ordering::SeqCst);
    until("a map", async || {
        // In the refresh gap of each of them.
        ask(&proxy, "PUT", "/shop-1/_doc/1", &[], "{}").await;
        search(&proxy, "/other/_search", "{}").await;
        search(&proxy, "/shop-2/_search", "{}").await;
        ask(&proxy, "PUT", "/shop-1/_doc/1", &[], "{}").await;
        search(&proxy, "/shop-2/_search", "{}").await.is_hit()
    })
    .await;
}

/// What was answered under one map is not kept under another: whoever writes by the new one does not end it.
#[tokio::test]
async fn a_map_that_has_changed_ends_what_depends_on_the_old_one() {
    let aliases = Arc::new(Mutex::new(ONE));
    let count = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&aliases);
    let origin = Origin::start(move |asked: Asked| {
        let answer = if asked.target.contains("_search") {
            hits(&(count.fetch_add(1, Ordering::SeqCst) + 1).to_string())
        } else if asked.target == "/_alias" {
            answer(JSON, *told.lock().unwrap())
        } else {
            answer(JSON, if asked.target.starts_with("/_data_stream") { STREAMS } else { "{}" })
        };
        async move { answer }
    })
    .await;
    let settings =
        [("routes.all.search.alias_map", "500ms"), ("routes.all.search.refresh_interval", "100ms")];
    let proxy = proxy_with(&origin, &settings).await;
    map_is_known(&proxy).await;
    search(&proxy, "/market/_search", "{}").await;
    assert!(search(&proxy, "/market/_search", "{}").await.is_hit());
    // Nobody has told the proxy.
    *aliases.lock().unwrap() = TWO;
    until("the new map", async || {
        sleep(Duration::from_millis(50)).await;
        !search(&proxy, "/market/_search", "{}").await.is_hit()
    })
    .await;
}

#[tokio::test]
async fn an_alias_that_is_moved_is_known_to_be() {
    let origin = engine(ONE).await;
    let proxy = proxy(&origin).await;
    map_is_known(&proxy).await;
    let hit = async || search(&proxy, "/market/_search", "{}").await.is_hit();
    assert!(!hit().await && hit().await);
    ask(&proxy, "POST", "/_aliases", &[], TWO).await;
    assert!(!hit().await);
    // In the gap of a change nothing is known, so each write ends each answer.
    write(&proxy, "books").await;
    assert!(!hit().await);
    sleep(Duration::from_millis(700)).await;
    map_is_known(&proxy).await;
    hit().await;
    write(&proxy, "shop-2").await;
    assert!(!hit().await);
    write(&proxy, "shop-1").await;
    write(&proxy, "books").await;
    assert!(hit().await);
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
