//! Mode `search-elasticsearch`, from outside: what is answered from the cache, what never is, and what a write ends.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Answer, Asked, Origin, PATIENCE, Running, answer};
use http::{Request, Response};
use larder_proxy::body::Body;
use larder_test_servers::RedisServer;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

const MODE: (&str, &str) = ("routes.all.mode", "search-elasticsearch");
const JSON: &[(&str, &str)] = &[("content-type", "application/json"), ("x-elastic-product", "Elasticsearch")];

/// An answer to a search, as the engines give it.
fn hits(value: &str) -> Response<Body> {
    let body = format!(
        r#"{{"took":1,"timed_out":false,"_shards":{{"total":1,"successful":1,"failed":0}},"hits":{{"value":"{value}"}}}}"#
    );
    answer(JSON, &body)
}

/// An engine that gives each search its number, counted from 1, and says yes to everything else.
async fn counting() -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::start(move |asked: Asked| {
        let answer = if asked.target.contains("_search") {
            hits(&(count.fetch_add(1, Ordering::SeqCst) + 1).to_string())
        } else {
            answer(JSON, "{}")
        };
        async move { answer }
    })
    .await
}

async fn proxy(origin: &Origin) -> Running {
    proxy_with(origin, &[]).await
}

async fn proxy_with(origin: &Origin, settings: &[(&str, &str)]) -> Running {
    let settings: Vec<_> = std::iter::once(MODE).chain(settings.iter().copied()).collect();
    Running::start(origin.address, &settings).await
}

async fn ask(proxy: &Running, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    proxy.ask_with(request, body.to_owned()).await
}

async fn search(proxy: &Running, path: &str, body: &str) -> Answer {
    ask(proxy, "POST", path, &[], body).await
}

fn value(answer: &Answer) -> String {
    let text = answer.text();
    text.split("\"value\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or(text).to_owned()
}

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
async fn nobody_is_given_what_another_principal_was() {
    let origin = counting().await;
    let proxy = proxy(&origin).await;
    let of = |who: &'static str| {
        let proxy = &proxy;
        async move {
            let fields: &[(&str, &str)] = if who.is_empty() { &[] } else { &[("authorization", who)] };
            value(&ask(proxy, "POST", "/shop/_search", fields, "{}").await)
        }
    };
    assert_eq!(of("Basic YTph").await, "1");
    assert_eq!(of("Basic YjpiCg==").await, "2");
    assert_eq!(of("").await, "3");
    assert_eq!(of("Basic YTph").await, "1");

    // Not even of those who wait together.
    let origin = Origin::start(|asked: Asked| async move {
        sleep(Duration::from_millis(100)).await;
        hits(asked.header("authorization").unwrap_or("nobody"))
    })
    .await;
    let proxy = proxy_with(&origin, &[]).await;
    let asked = ["Basic a", "Basic b", "Basic c", "Basic a"].map(|who| {
        let proxy = &proxy;
        async move {
            let got = ask(proxy, "POST", "/shop/_search", &[("authorization", who)], "{}").await;
            assert_eq!(value(&got), who);
        }
    });
    futures_util::future::join_all(asked).await;
    assert_eq!(origin.count(), 3);
}

#[tokio::test]
async fn a_refusal_is_nobody_elses_where_answers_are_shared() {
    let origin = Origin::start(|asked: Asked| async move {
        sleep(Duration::from_millis(100)).await;
        let mut answer = hits("yes");
        if asked.header("authorization").is_none() {
            *answer.status_mut() = http::StatusCode::FORBIDDEN;
        }
        answer
    })
    .await;
    let proxy = proxy_with(&origin, &[("routes.all.search.auth", "shared")]).await;
    let nobody = ask(&proxy, "POST", "/shop/_search", &[], "{}");
    let somebody = async {
        sleep(Duration::from_millis(30)).await;
        ask(&proxy, "POST", "/shop/_search", &[("authorization", "Basic a")], "{}").await
    };
    let (nobody, somebody) = futures_util::future::join(nobody, somebody).await;
    assert_eq!((nobody.status, somebody.status), (403, 200));
}

#[tokio::test]
async fn each_kind_of_write_ends_what_it_touches() {
    let origin = counting().await;
    let proxy = proxy(&origin).await;
    for (number, (method, path, body)) in [
        ("PUT", "/shop/_doc/1", "{}"),
        ("POST", "/shop/_doc", "{}"),
        ("DELETE", "/shop/_doc/1", ""),
        ("POST", "/shop/_update/1", "{}"),
        ("POST", "/_bulk", "{\"delete\":{\"_index\":\"shop\",\"_id\":\"1\"}}\n"),
        ("POST", "/shop/_bulk", "{\"delete\":{\"_id\":\"1\"}}\n"),
        ("POST", "/_aliases", "{}"),
        ("POST", "/_reindex", "{\"source\":{\"index\":\"a\"},\"dest\":{\"index\":\"shop\"}}"),
        ("POST", "/sh*/_delete_by_query", "{}"),
        ("GET", "/_refresh", ""),
        ("DELETE", "/shop", ""),
        ("POST", "/_something/new", "{}"),
        // An alias of it, for all that is known.
        ("PUT", "/market/_doc/1", "{}"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), (number + 1).to_string());
        assert!(search(&proxy, "/shop/_search", "{}").await.is_hit(), "{path}");
        let written = ask(&proxy, method, path, &[], body).await;
        assert_eq!((written.status, written.text()), (200, "{}"));
        assert!(written.cache().ends_with("detail=\"a write\""), "{}", written.cache());
    }
    let asked = origin.asked();
    let bulk = asked.iter().find(|asked| asked.target == "/_bulk").unwrap();
    assert_eq!(bulk.body, "{\"delete\":{\"_index\":\"shop\",\"_id\":\"1\"}}\n");
}

#[tokio::test]
async fn without_aliases_a_write_leaves_other_indices_alone() {
    let origin = counting().await;
    let proxy = proxy_with(&origin, &[("routes.all.search.aliases", "false")]).await;
    for index in ["a", "b", "a,b"] {
        search(&proxy, &format!("/{index}/_search"), "{}").await;
    }
    ask(&proxy, "PUT", "/a/_doc/1?refresh=true", &[], "{}").await;
    assert!(search(&proxy, "/b/_search", "{}").await.is_hit());
    assert!(!search(&proxy, "/a/_search", "{}").await.is_hit());
    assert!(!search(&proxy, "/a,b/_search", "{}").await.is_hit());
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_ends_what_it_may_have_touched() {
    let data = Arc::new(AtomicUsize::new(1));
    let changed = Arc::clone(&data);
    let origin = Origin::start(move |asked: Asked| {
        let data = Arc::clone(&changed);
        async move {
            if asked.target.contains("_search") {
                return hits(&data.load(Ordering::SeqCst).to_string());
            }
            // It is done, and nobody is told.
            sleep(Duration::from_millis(200)).await;
            data.store(2, Ordering::SeqCst);
            std::future::pending().await
        }
    })
    .await;
    let proxy = proxy_with(&origin, &[("upstreams.origin.answer", "500ms")]).await;
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "1");
    let written = ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}");
    let between = async {
        // Under the generation of the first time, and before the write is done.
        sleep(Duration::from_millis(100)).await;
        assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "1");
        assert!(search(&proxy, "/shop/_search", "{}").await.is_hit());
    };
    let (written, ()) = futures_util::future::join(written, between).await;
    assert_eq!(written.status, 504);
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "2");
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_the_second_invalidation() {
    let data = Arc::new(AtomicUsize::new(1));
    let written = Arc::new(AtomicBool::new(false));
    let (changed, told) = (Arc::clone(&data), Arc::clone(&written));
    let origin = Origin::start(move |asked: Asked| {
        let (data, told) = (Arc::clone(&changed), Arc::clone(&told));
        async move {
            if asked.target.contains("_search") {
                return hits(&data.load(Ordering::SeqCst).to_string());
            }
            sleep(Duration::from_millis(300)).await;
            data.store(2, Ordering::SeqCst);
            told.store(true, Ordering::SeqCst);
            answer(JSON, "{}")
        }
    })
    .await;
    let proxy = proxy(&origin).await;
    let write = timeout(Duration::from_millis(100), ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}")).await;
    assert!(write.is_err());
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "1");
    timeout(PATIENCE, async {
        while !written.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "2");
}

#[tokio::test]
async fn a_search_that_began_before_a_write_is_not_served_after_it() {
    let (data, begun, go) = (Arc::new(AtomicUsize::new(1)), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = Arc::new(AtomicBool::new(true));
    let (data2, begun2, go2) = (Arc::clone(&data), Arc::clone(&begun), Arc::clone(&go));
    let origin = Origin::start(move |asked: Asked| {
        let (data, begun, go) = (Arc::clone(&data2), Arc::clone(&begun2), Arc::clone(&go2));
        let slow = Arc::clone(&slow);
        async move {
            if asked.target.contains("_search") {
                let seen = data.load(Ordering::SeqCst);
                if slow.swap(false, Ordering::SeqCst) {
                    begun.notify_one();
                    go.notified().await;
                }
                return hits(&seen.to_string());
            }
            data.store(2, Ordering::SeqCst);
            answer(JSON, "{}")
        }
    })
    .await;
    let proxy = proxy(&origin).await;
    let slow = search(&proxy, "/shop/_search", "{}");
    let rest = async {
        begun.notified().await;
        ask(&proxy, "PUT", "/shop/_doc/1?refresh=true", &[], "{}").await;
        // Who asks after the write does not wait for who asked before.
        let after = search(&proxy, "/shop/_search", "{}").await;
        assert_eq!(value(&after), "2");
        go.notify_one();
    };
    let (slow, ()) = futures_util::future::join(slow, rest).await;
    assert_eq!(value(&slow), "1");
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "2");
}

/// An engine in which a write is seen by searches a while after its answer, as in the real ones.
async fn near_real_time(interval: Duration) -> Origin {
    let visible = Arc::new(Mutex::new(1usize));
    Origin::start(move |asked: Asked| {
        let visible = Arc::clone(&visible);
        async move {
            if asked.target.contains("_search") {
                let value = *visible.lock().unwrap();
                return hits(&value.to_string());
            }
            tokio::spawn(async move {
                sleep(interval).await;
                *visible.lock().unwrap() += 1;
            });
            answer(JSON, "{}")
        }
    })
    .await
}

#[tokio::test]
async fn what_is_asked_before_the_refresh_ends_with_the_gap() {
    let origin = near_real_time(Duration::from_millis(300)).await;
    let proxy = proxy_with(&origin, &[("routes.all.search.refresh_interval", "300ms")]).await;
    ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}").await;
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "1");
    // The interval, and what a refresh may take.
    sleep(Duration::from_millis(900)).await;
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "2");
    sleep(Duration::from_millis(900)).await;
    assert!(search(&proxy, "/shop/_search", "{}").await.is_hit());
    // A write that waits for its refresh opens no gap.
    ask(&proxy, "PUT", "/shop/_doc/1?refresh=wait_for", &[], "{}").await;
    let first = search(&proxy, "/shop/_search", "{}").await;
    sleep(Duration::from_millis(900)).await;
    let second = search(&proxy, "/shop/_search", "{}").await;
    assert!(second.is_hit() && value(&second) == value(&first));
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

/// An engine that answers each search of an `_msearch` with its own text and a number, and each document with its identifier.
async fn many() -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::start(move |asked: Asked| {
        let body = String::from_utf8(asked.body.to_vec()).unwrap();
        let items: Vec<String> = if asked.target.contains("_msearch") {
            let lines: Vec<_> = body.lines().collect();
            lines
                .chunks(2)
                .map(|pair| {
                    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                    let failed = usize::from(pair[1].contains("bad"));
                    format!(
                        r#"{{"took":1,"timed_out":false,"_shards":{{"total":1,"failed":{failed}}},"hits":{{"q":{},"n":{number}}},"status":200}}"#,
                        pair[1]
                    )
                })
                .collect()
        } else {
            let ids = body.trim_start_matches("{\"ids\":[").trim_end_matches("]}");
            ids.split(',')
                .map(|id| format!(r#"{{"_index":"shop","_id":{id},"found":{},"_source":{{}}}}"#, id != "\"no\""))
                .collect()
        };
        let body = if asked.target.contains("_msearch") {
            format!(r#"{{"took":2,"responses":[{}]}}"#, items.join(","))
        } else if asked.target.contains("_mget") {
            format!(r#"{{"docs":[{}]}}"#, items.join(","))
        } else {
            "{}".to_owned()
        };
        let answer = answer(JSON, &body);
        async move { answer }
    })
    .await
}

/// The number that each search of an answer has, and its question.
fn items(answer: &Answer) -> Vec<(String, String)> {
    let parts = answer.text().split("\"hits\":{\"q\":").skip(1);
    parts
        .map(|part| {
            let (question, rest) = part.split_once(",\"n\":").unwrap();
            (question.to_owned(), rest.split('}').next().unwrap().to_owned())
        })
        .collect()
}

#[tokio::test]
async fn of_many_searches_only_the_missing_go_upstream_and_the_order_stays() {
    let origin = many().await;
    let proxy = proxy(&origin).await;
    let ask_many = |questions: &'static [&'static str]| {
        let proxy = &proxy;
        async move {
            let lines = questions
                .iter()
                .map(|question| format!("{{\"index\":\"shop\"}}\n{{\"q\":\"{question}\"}}\n"));
            let body = lines.collect::<Vec<_>>().concat();
            let got = ask(proxy, "POST", "/_msearch", &[], &body).await;
            let found = items(&got);
            let asked: Vec<_> =
                questions.iter().map(|question| format!("{{\"q\":\"{question}\"}}")).collect();
            assert_eq!(found.iter().map(|item| item.0.clone()).collect::<Vec<_>>(), asked, "{}", got.text());
            let numbers: Vec<usize> = found.iter().map(|item| item.1.parse().unwrap()).collect();
            (numbers, got)
        }
    };
    let (first, got) = ask_many(&["a", "b"]).await;
    assert_eq!(got.header("x-elastic-product"), "Elasticsearch");
    assert!(!got.is_hit());
    let (second, got) = ask_many(&["c", "b", "a", "bad", "a"]).await;
    assert_eq!(got.cache(), "larder;fwd=uri-miss;detail=\"in part\"");
    assert_eq!((second[1], second[2], second[4]), (first[1], first[0], first[0]));
    assert_eq!(std::str::from_utf8(&origin.asked()[1].body).unwrap().lines().count(), 4);
    let (third, got) = ask_many(&["a", "b", "c"]).await;
    assert!(got.is_hit());
    assert_eq!(third, [first[0], first[1], second[0]]);
    assert_eq!(origin.count(), 2);
    // Shards have failed for it.
    let (again, _) = ask_many(&["bad"]).await;
    assert_ne!(again[0], second[3]);
    // A write ends all of them.
    ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}").await;
    let (after, _) = ask_many(&["a"]).await;
    assert_ne!(after[0], first[0]);
}

#[tokio::test]
async fn two_requests_of_many_that_cross_do_not_wait_for_ever() {
    let origin = many().await;
    let proxy = proxy(&origin).await;
    let asked = (0..40).map(|number| {
        let (one, other) = if number % 2 == 0 { ("a", "b") } else { ("b", "a") };
        let round = number / 8;
        let body = format!("{{}}\n{{\"q\":\"{one}{round}\"}}\n{{}}\n{{\"q\":\"{other}{round}\"}}\n");
        let proxy = &proxy;
        async move { items(&ask(proxy, "POST", "/shop/_msearch", &[], &body).await).len() }
    });
    for found in futures_util::future::join_all(asked).await {
        assert_eq!(found, 2);
    }
}

#[tokio::test]
async fn of_many_documents_only_the_missing_go_upstream() {
    let origin = many().await;
    let proxy = proxy(&origin).await;
    let first = ask(&proxy, "POST", "/shop/_mget", &[], r#"{"ids":["1","2","no"]}"#).await;
    let second = ask(&proxy, "POST", "/shop/_mget", &[], r#"{"ids":["2","no","3","1"]}"#).await;
    assert!(first.text().starts_with(r#"{"docs":[{"_index":"shop","_id":"1""#), "{}", first.text());
    let ids: Vec<_> =
        second.text().split("\"_id\":").skip(1).map(|part| part.split(',').next().unwrap()).collect();
    assert_eq!(ids, ["\"2\"", "\"no\"", "\"3\"", "\"1\""]);
    let asked = String::from_utf8(origin.asked()[1].body.to_vec()).unwrap();
    assert!(asked.contains("\"no\"") && asked.contains("\"3\"") && !asked.contains("\"1\""), "{asked}");
}

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
