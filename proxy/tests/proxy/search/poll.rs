//! What is written past the proxy, and found out by sequence numbers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use larder_test_servers::RedisServer;
use tokio::time::sleep;

use super::{
    JSON, ask,
    common::{Asked, Origin, Running, answer, ask_at, until},
    hits, proxy_with, search, ttl,
};

/// An engine with sequence numbers, which can be written to past the proxy.
#[derive(Clone)]
struct Engine {
    origin: Origin,
    numbers: Arc<Mutex<BTreeMap<&'static str, i64>>>,
    is_mute: Arc<AtomicBool>,
}

impl Engine {
    async fn start() -> Self {
        let numbers = Arc::new(Mutex::new(BTreeMap::from([("shop", 7_i64), ("books", -1)])));
        let (is_mute, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, mute) = (Arc::clone(&numbers), Arc::clone(&is_mute));
        let origin = Origin::start(move |asked: Asked| {
            let mut given = if asked.target.contains("_search") {
                hits(&(count.fetch_add(1, Ordering::SeqCst) + 1).to_string())
            } else if asked.target.starts_with("/_stats") {
                let indices: Vec<_> = told
                    .lock()
                    .unwrap()
                    .iter()
                    .map(|(name, number)| {
                        format!(
                            r#""{name}":{{"uuid":"u","shards":{{"0":[{{"seq_no":{{"max_seq_no":{number}}}}}]}}}}"#
                        )
                    })
                    .collect();
                answer(JSON, &format!("{{\"indices\":{{{}}}}}", indices.join(",")))
            } else {
                answer(JSON, "{}")
            };
            if mute.load(Ordering::SeqCst) && asked.target.starts_with("/_stats") {
                *given.status_mut() = http::StatusCode::FORBIDDEN;
            }
            async move { given }
        })
        .await;
        Self { origin, numbers, is_mute }
    }

    /// Nobody tells the proxy.
    fn write(&self, index: &'static str) {
        *self.numbers.lock().unwrap().entry(index).or_insert(-1) += 1;
    }

    fn polls(&self) -> usize {
        self.origin.asked().iter().filter(|asked| asked.target.starts_with("/_stats")).count()
    }
}

const POLL: &[(&str, &str)] = &[
    ("routes.all.search.poll", "100ms"),
    ("routes.all.search.aliases", "false"),
    ("routes.all.search.refresh_interval", "100ms"),
];

/// Until what is asked lives for its whole TTL.
async fn is_settled(proxy: &Running, path: &str) {
    until("a whole TTL", async || {
        search(proxy, path, "{}").await;
        let found = search(proxy, path, "{}").await;
        found.is_hit() && ttl(&found) > 30
    })
    .await;
}

async fn metrics(proxy: &Running) -> String {
    let admin = proxy.admin(|| Ok(())).await;
    ask_at(admin, Request::get("/metrics"), "").await.text().to_owned()
}

#[tokio::test]
async fn what_is_written_past_the_proxy_ends_what_depends_on_it() {
    let engine = Engine::start().await;
    let proxy = proxy_with(&engine.origin, POLL).await;
    for path in ["/shop/_search", "/books/_search", "/b*/_search"] {
        is_settled(&proxy, path).await;
    }
    engine.write("shop");
    until("the write is noticed", async || !search(&proxy, "/shop/_search", "{}").await.is_hit()).await;
    // It may not be visible yet: what is found now does not live long.
    assert_eq!(ttl(&search(&proxy, "/shop/_search", "{}").await), 0);
    assert!(search(&proxy, "/books/_search", "{}").await.is_hit(), "it is another index");
    assert!(!search(&proxy, "/b*/_search", "{}").await.is_hit(), "a pattern may be about any");
    is_settled(&proxy, "/shop/_search").await;
    // An index that is new, and one that is gone.
    for is_there in [true, false] {
        is_settled(&proxy, "/b*/_search").await;
        if is_there {
            engine.write("bag");
        } else {
            engine.numbers.lock().unwrap().remove("bag");
        }
        until("it is noticed", async || !search(&proxy, "/b*/_search", "{}").await.is_hit()).await;
    }
    let changes = proxy.proxy.counters().poll_changes.get();
    assert_eq!(changes, 4, "at first nobody knew");
    let before = engine.polls();
    sleep(Duration::from_secs(1)).await;
    assert!((3..=10).contains(&(engine.polls() - before)), "{}", engine.polls() - before);
    assert_eq!(proxy.proxy.counters().poll_changes.get(), changes, "what does not change ends nothing");
    assert!(metrics(&proxy).await.contains("larder_proxy_poll_healthy{route=\"all\"} 1"));
}

#[tokio::test]
async fn numbers_that_cannot_be_had_are_seen_and_made_up_for() {
    let engine = Engine::start().await;
    let proxy = proxy_with(&engine.origin, POLL).await;
    is_settled(&proxy, "/shop/_search").await;
    engine.is_mute.store(true, Ordering::SeqCst);
    until("the failure is seen", async || {
        metrics(&proxy).await.contains("larder_proxy_poll_healthy{route=\"all\"} 0")
    })
    .await;
    let text = metrics(&proxy).await;
    assert!(text.contains("larder_proxy_poll_age_seconds{route=\"all\"}"), "{text}");
    engine.write("shop");
    assert!(search(&proxy, "/shop/_search", "{}").await.is_hit(), "by its TTL");
    engine.is_mute.store(false, Ordering::SeqCst);
    until("what was written meanwhile is noticed", async || {
        !search(&proxy, "/shop/_search", "{}").await.is_hit()
    })
    .await;
    assert!(metrics(&proxy).await.contains("larder_proxy_poll_healthy{route=\"all\"} 1"));
}

#[tokio::test]
async fn proxies_ask_in_turns_and_one_that_comes_back_knows_what_was_written() {
    let server = RedisServer::start();
    let engine = Engine::start().await;
    let mut settings = POLL.to_vec();
    settings.extend([
        ("stores.main.backend", "redis"),
        ("stores.main.url", server.url()),
        ("caches.search.invalidation_lag", "0s"),
        ("routes.all.search.poll", "400ms"),
    ]);
    let one = proxy_with(&engine.origin, &settings).await;
    let other = proxy_with(&engine.origin, &settings).await;
    is_settled(&one, "/shop/_search").await;
    engine.write("shop");
    until("the write is noticed", async || !search(&other, "/shop/_search", "{}").await.is_hit()).await;
    is_settled(&other, "/shop/_search").await;
    let before = engine.polls();
    sleep(Duration::from_secs(2)).await;
    assert!(engine.polls() - before <= 8, "{}: each would ask five times", engine.polls() - before);
    drop((one, other));
    // Until the last poll is over.
    sleep(Duration::from_millis(500)).await;
    engine.write("shop");
    let again = proxy_with(&engine.origin, &settings).await;
    until("the write is noticed", async || !search(&again, "/shop/_search", "{}").await.is_hit()).await;
}

#[tokio::test]
async fn a_route_that_is_gone_asks_no_more() {
    let engine = Engine::start().await;
    let proxy = proxy_with(&engine.origin, POLL).await;
    until("it asks", async || engine.polls() > 2).await;
    let (larder, configuration) =
        super::common::configured(engine.origin.address, &[("routes.all.mode", "pass")]);
    proxy.proxy.reload(&larder, &configuration).unwrap();
    sleep(Duration::from_millis(300)).await;
    let before = engine.polls();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(engine.polls(), before);
    assert_eq!(ask(&proxy, "GET", "/", &[], "").await.status, 200);
}
