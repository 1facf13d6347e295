//! Mode `verify`: bodies of documents come from the cache, all else from the engine, and nothing is ever older than it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use crate::common::{Answer, Asked, Origin, Running, answer, ask_at};
use http::Request;
use serde_json::{Value, json};

/// A document: identifier, sequence number, body.
type Document = (&'static str, u64, &'static str);

/// What happens to the documents.
type Change = fn(&mut State);

/// An engine with one index, `shop`, as much of it as this mode has to do with.
#[derive(Clone)]
struct Engine {
    origin: Origin,
    state: Arc<Mutex<State>>,
}

struct State {
    uuid: &'static str,
    documents: Vec<Document>,
    searches: u64,
    knows_indices: bool,
}

fn found(asked: &Asked, state: &State) -> Value {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or(json!({}));
    let hits = state.documents.iter().enumerate().map(|(place, (id, seq, text))| {
        let mut hit =
            json!({"_index": "shop", "_id": id, "_score": 1.5 + f64::from(u32::try_from(place).unwrap())});
        if body["seq_no_primary_term"] == true {
            hit["_seq_no"] = json!(seq);
            hit["_primary_term"] = json!(1);
        }
        if body["_source"] != false {
            hit["_source"] = json!({"text": text, "of": asked.header("authorization")});
        }
        hit["sort"] = json!([place]);
        hit
    });
    json!({
        "took": 1, "timed_out": false, "_shards": {"total": 1, "failed": 0},
        "hits": {"total": {"value": state.documents.len()}, "hits": hits.collect::<Vec<_>>()},
        "aggregations": {"searches": {"value": state.searches}},
    })
}

impl Engine {
    async fn start(documents: &[Document]) -> Self {
        let state = State { uuid: "A", documents: documents.to_vec(), searches: 0, knows_indices: true };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let origin = Origin::start(move |asked: Asked| {
            let state = Arc::clone(&shared);
            async move {
                let mut state = state.lock().unwrap();
                let body = if asked.target.contains("_settings") {
                    if !state.knows_indices {
                        let mut refused = answer(&[], "{}");
                        *refused.status_mut() = http::StatusCode::FORBIDDEN;
                        return refused;
                    }
                    json!({"shop": {"settings": {"index.uuid": state.uuid}}})
                } else {
                    state.searches += 1;
                    found(&asked, &state)
                };
                answer(
                    &[("content-type", "application/json"), ("x-elastic-product", "Elasticsearch")],
                    &body.to_string(),
                )
            }
        })
        .await;
        Self { origin, state }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    async fn proxy(&self) -> Running {
        Running::start(self.origin.address, &[("routes.all.mode", "verify")]).await
    }

    /// The bodies of searches that it was asked, in order.
    fn searches(&self) -> Vec<String> {
        let asked = self.origin.asked().into_iter().filter(|asked| asked.target.contains("_search"));
        asked.map(|asked| String::from_utf8(asked.body.to_vec()).unwrap()).collect()
    }
}

async fn search_as(proxy: &Running, who: &str, body: &str) -> Answer {
    let mut request = Request::post("/shop/_search").header("content-type", "application/json");
    if !who.is_empty() {
        request = request.header("authorization", who);
    }
    proxy.ask_with(request, body.to_owned()).await
}

async fn search(proxy: &Running, body: &str) -> Answer {
    search_as(proxy, "", body).await
}

fn texts(answer: &Answer) -> Vec<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let hits = body["hits"]["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["_source"]["text"].as_str().unwrap().to_owned()).collect()
}

const VERIFIED: &str = "larder;fwd=stale;fwd-status=200;detail=verified";
const CHANGED: &str = "larder;fwd=stale;stored;detail=changed";

#[tokio::test]
async fn bodies_come_from_the_cache_and_all_else_from_the_engine() {
    let engine = Engine::start(&[("1", 7, "one"), ("2", 8, "two")]).await;
    let proxy = engine.proxy().await;
    let question = r#"{"query":{"match_all":{}},"_source":["text","of"]}"#;
    let first = search(&proxy, question).await;
    assert_eq!(first.cache(), "larder;fwd=uri-miss;stored");
    let again = search(&proxy, question).await;
    assert_eq!(again.cache(), VERIFIED);
    assert_eq!(again.header("x-elastic-product"), "Elasticsearch");
    assert_eq!(
        engine.searches(),
        [
            r#"{"query":{"match_all":{}},"_source":["text","of"],"seq_no_primary_term":true}"#,
            r#"{"query":{"match_all":{}},"_source":false,"seq_no_primary_term":true}"#,
        ]
    );
    // But for the count of searches, which is of this moment, it is the engine's answer to what was asked.
    let of = |answer: &Answer| serde_json::from_slice::<Value>(&answer.body).unwrap();
    let asked = Asked {
        method: "POST".to_owned(),
        target: String::new(),
        headers: http::HeaderMap::new(),
        body: question.into(),
    };
    let straight = found(&asked, &engine.state.lock().unwrap());
    assert_eq!(of(&again), straight);
    assert_eq!(of(&first)["aggregations"]["searches"]["value"], 1);
    assert_eq!(of(&again)["aggregations"]["searches"]["value"], 2);
    // Versions are for those who ask for them.
    let versions = of(&search(&proxy, r#"{"seq_no_primary_term":true}"#).await);
    let versions_again = of(&search(&proxy, r#"{"seq_no_primary_term":true}"#).await);
    for answer in [versions, versions_again] {
        assert_eq!(answer["hits"]["hits"][0]["_seq_no"], 7);
    }
}

#[tokio::test]
async fn nothing_is_ever_older_than_the_engine() {
    let engine = Engine::start(&[("1", 1, "one"), ("2", 2, "two")]).await;
    let proxy = engine.proxy().await;
    search(&proxy, "{}").await;
    let changes: [(Change, &[&str]); 5] = [
        // By nobody that this proxy has seen.
        (|state| state.documents[0] = ("1", 3, "new"), &["new", "two"]),
        (|state| state.documents.reverse(), &["two", "new"]),
        (|state| state.documents.truncate(1), &["two"]),
        (|state| state.documents.push(("3", 4, "three")), &["two", "three"]),
        // Deleted and made anew, with the same documents in the same order.
        (
            |state| {
                state.uuid = "B";
                state.documents[0].2 = "other";
            },
            &["other", "three"],
        ),
    ];
    for (change, expected) in changes {
        engine.change(change);
        let got = search(&proxy, "{}").await;
        assert_eq!(
            (texts(&got), got.cache()),
            (expected.iter().map(|&text| text.to_owned()).collect(), CHANGED)
        );
        let again = search(&proxy, "{}").await;
        assert_eq!((texts(&again), again.cache()), (texts(&got), VERIFIED));
    }
    engine.change(|state| state.documents.clear());
    let none = search(&proxy, "{}").await;
    assert_eq!((texts(&none), none.cache()), (Vec::new(), VERIFIED));
}

#[tokio::test]
async fn what_is_not_known_passes_as_it_was_sent() {
    let engine = Engine::start(&[("1", 1, "one")]).await;
    let proxy = engine.proxy().await;
    for body in [
        r#"{"_source":false}"#,
        r#"{"suggest":{}}"#,
        r#"{"query":{"nested":{"inner_hits":{}}}}"#,
        r#"{"size":1,"size":2}"#,
        r#"{"profile":true}"#,
    ] {
        for _ in 0..2 {
            let got = search(&proxy, body).await;
            assert!(got.cache().starts_with("larder;fwd=bypass;detail="), "{body}: {}", got.cache());
            assert_eq!(engine.searches().last().unwrap(), body);
        }
    }
    for path in ["/shop/_count", "/_msearch", "/shop/_doc/1", "/_cat/indices", "/shop/_search?_source=a"] {
        let got = proxy.get(path).await;
        assert!(got.cache().starts_with("larder;fwd=bypass;detail="), "{path}: {}", got.cache());
    }
    // Without a clock of its own nothing is late.
    let now = r#"{"query":{"range":{"at":{"gte":"now-1h"}}}}"#;
    search(&proxy, now).await;
    assert_eq!(search(&proxy, now).await.cache(), VERIFIED);
}

#[tokio::test]
async fn what_the_engine_does_not_identify_is_not_kept() {
    let engine = Engine::start(&[("1", 1, "one")]).await;
    engine.change(|state| state.knows_indices = false);
    let proxy = engine.proxy().await;
    for why in ["its indices do not say which they are", "not verified lately"] {
        let got = search(&proxy, "{}").await;
        assert_eq!(got.cache(), format!("larder;fwd=uri-miss;detail=\"{why}\""));
        assert_eq!(texts(&got), ["one"]);
    }
    assert_eq!(engine.searches(), ["{}", "{}"]);
    // Afterwards neither: what was kept cannot be compared.
    let other = r#"{"size":5}"#;
    engine.change(|state| state.knows_indices = true);
    search(&proxy, other).await;
    engine.change(|state| state.knows_indices = false);
    assert_eq!(texts(&search(&proxy, other).await), ["one"]);
    assert_eq!(engine.searches().last().unwrap(), other);
}

#[tokio::test]
async fn everybody_has_bodies_of_their_own() {
    let engine = Engine::start(&[("1", 1, "one")]).await;
    let proxy = engine.proxy().await;
    for who in ["Basic a", "Basic b", "Basic a"] {
        let got = search_as(&proxy, who, "{}").await;
        assert!(got.text().contains(&format!("\"of\":\"{who}\"")), "{}", got.text());
    }
    assert_eq!(search_as(&proxy, "Basic b", "{}").await.cache(), VERIFIED);
    // What somebody may see is changed.
    proxy.ask_with(Request::put("/_security/role/r"), "{}").await;
    assert_eq!(search_as(&proxy, "Basic b", "{}").await.cache(), "larder;fwd=uri-miss;stored");
    // A document is not a matter of rights.
    proxy.ask_with(Request::put("/shop/_doc/9"), "{}").await;
    assert_eq!(search_as(&proxy, "Basic b", "{}").await.cache(), VERIFIED);
}

#[tokio::test]
async fn a_condition_is_answered_when_nothing_has_changed() {
    let engine = Engine::start(&[("1", 1, "one")]).await;
    let proxy = engine.proxy().await;
    engine.change(|state| state.searches = u64::MAX / 2);
    let ask = async |etag: &str| {
        engine.change(|state| state.searches = 0);
        let request = Request::post("/shop/_search").header("content-type", "application/json");
        proxy.ask_with(request.header("if-none-match", etag), "{}").await
    };
    let first = ask("\"x\"").await;
    assert_eq!(first.status, 200);
    let same = ask(first.header("etag")).await;
    assert_eq!((same.status, same.body.len(), same.cache()), (304, 0, VERIFIED));
    engine.change(|state| state.documents[0].1 = 2);
    assert_eq!(ask("\"x\"").await.status, 200);
}

/// Other routes may be in front of the same engine.
#[tokio::test]
async fn a_write_ends_what_another_route_has_stored() {
    let engine = Engine::start(&[("1", 1, "a")]).await;
    let settings = [
        ("routes.all.mode", "search-elasticsearch"),
        ("routes.shop.path", "/shop"),
        ("routes.shop.upstream", "origin"),
        ("routes.shop.mode", "verify"),
    ];
    let proxy = Running::start(engine.origin.address, &settings).await;
    proxy.get("/_search").await;
    assert!(proxy.get("/_search").await.is_hit());
    proxy.ask_with(Request::put("/shop/_doc/1?refresh=true"), "{}").await;
    assert!(!proxy.get("/_search").await.is_hit());
}

/// What is kept is of no index, so an index is everything.
#[tokio::test]
async fn a_purge_of_an_index_removes_bodies() {
    let engine = Engine::start(&[("1", 1, "a")]).await;
    let token = "a token of many characters";
    let settings = [("routes.all.mode", "verify"), ("proxy.admin_token", token)];
    let proxy = Running::start(engine.origin.address, &settings).await;
    let admin = proxy.admin(|| Ok(())).await;
    proxy.get("/shop/_search").await;
    assert!(proxy.get("/shop/_search").await.cache().ends_with("detail=verified"));
    let purge = Request::post("/purge").header("authorization", format!("Bearer {token}"));
    assert_eq!(ask_at(admin, purge, r#"{"index":"shop"}"#).await.status, 200);
    let again = proxy.get("/shop/_search").await;
    assert!(again.cache().ends_with("stored"), "{}", again.cache());
}

/// What cannot be kept is asked for as it was sent, and not in three ways.
#[tokio::test]
async fn what_cannot_be_kept_is_asked_for_once() {
    let engine = Engine::start(&[("1", 0, "one")]).await;
    engine.change(|state| state.knows_indices = false);
    let proxy = engine.proxy().await;
    search(&proxy, "{}").await;
    for _ in 0..3 {
        let before = engine.origin.count();
        let passed = search(&proxy, "{}").await;
        assert_eq!((passed.status, texts(&passed)), (200, vec!["one".to_owned()]));
        assert_eq!(engine.origin.count() - before, 1, "{}", passed.cache());
    }
    // Another question is another matter.
    engine.change(|state| state.knows_indices = true);
    search(&proxy, r#"{"size":1}"#).await;
    let verified = search(&proxy, r#"{"size":1}"#).await;
    assert!(verified.cache().contains("verified"), "{}", verified.cache());
}

/// An answer that is too large is found out once.
#[tokio::test]
async fn what_is_too_large_is_asked_for_once() {
    let engine = Engine::start(&[("1", 0, "one"), ("2", 0, "two"), ("3", 0, "three")]).await;
    let settings = [("routes.all.mode", "verify"), ("routes.all.max_body", "400B")];
    let proxy = Running::start(engine.origin.address, &settings).await;
    search(&proxy, "{}").await;
    let before = engine.origin.count();
    assert_eq!(texts(&search(&proxy, "{}").await).len(), 3);
    assert_eq!(engine.origin.count() - before, 1);
}
