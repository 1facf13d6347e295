//! Mode `search-solr`, from outside. A Solr cannot be had here: the server is a small one of these tests, whose answers have the
//! form that Solr's have.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::{Answer, Asked, Origin, Running, answer};
use http::Request;
use tokio::time::sleep;

const JSON: (&str, &str) = ("content-type", "application/json;charset=utf-8");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

/// An answer to a search, with a number in it.
fn found(number: usize, more: &str) -> String {
    format!(
        r#"{{"responseHeader":{{"zkConnected":true,"status":0,"QTime":{number}{more}}},"response":{{"numFound":{number},"start":0,"numFoundExact":true,"docs":[]}}}}"#
    )
}

/// A server that gives each search its number, counted from 1. It confirms what has its entity tag, and says so if `caching`.
async fn solr(caching: bool, more: &'static str) -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::start(move |asked: Asked| {
        let count = Arc::clone(&count);
        async move {
            if asked.target.contains("/update") {
                return answer(&[JSON], r#"{"responseHeader":{"status":0,"QTime":2}}"#);
            }
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let tag = ("etag", "\"ZTAwMDAwMDAwMDAwMDAwMFNvbHI=\"");
            if caching && asked.header("if-none-match") == Some(tag.1) {
                let mut confirmed = answer(&[tag], "");
                *confirmed.status_mut() = http::StatusCode::NOT_MODIFIED;
                return confirmed;
            }
            let body = found(number, more);
            if caching && asked.method == "GET" {
                answer(&[JSON, tag], &body)
            } else {
                answer(&[JSON], &body)
            }
        }
    })
    .await
}

async fn proxy(origin: &Origin, settings: &[(&str, &str)]) -> Running {
    let mode = ("routes.all.mode", "search-solr");
    let settings: Vec<_> = std::iter::once(mode).chain(settings.iter().copied()).collect();
    Running::start(origin.address, &settings).await
}

async fn post(proxy: &Running, path: &str, content_type: (&'static str, &'static str), body: &str) -> Answer {
    proxy.ask_with(Request::post(path).header(content_type.0, content_type.1), body.to_owned()).await
}

fn number(answer: &Answer) -> usize {
    answer.text().split("\"numFound\":").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn one_query_is_asked_for_once_however_it_is_sent() {
    let origin = solr(false, "").await;
    let proxy = proxy(&origin, &[]).await;
    let first = proxy.get("/solr/shop/select?q=a+b&fq=x:1&fq=y:2&rows=10&wt=json").await;
    assert_eq!((number(&first), first.cache()), (1, "larder;fwd=uri-miss;stored"));
    let others = [
        proxy.get("/solr/shop/select/?wt=json&fq=y%3A2&fq=x:1&rows=10&q=a%20b&_=171").await,
        post(&proxy, "/solr/shop/select", FORM, "q=a+b&fq=x:1&fq=y:2&rows=10&wt=json").await,
        post(&proxy, "/solr/shop/select/", FORM, "wt=json&rows=10&fq=x:1&fq=y:2&q=a+b").await,
        post(
            &proxy,
            "/solr/shop/select?wt=json",
            ("content-type", "application/json"),
            r#"{"query":"a b","filter":["x:1","y:2"],"limit":10}"#,
        )
        .await,
    ];
    for other in others {
        assert!(other.is_hit(), "{}", other.cache());
        assert_eq!((number(&other), other.header("content-type")), (1, JSON.1));
    }
    assert_eq!(number(&proxy.get("/solr/shop/select?q=a+b&fq=x:1&rows=10&wt=json").await), 2);
    assert_eq!(number(&proxy.get("/solr/other/select?q=a+b&fq=x:1&fq=y:2&rows=10&wt=json").await), 3);
    // The form went to Solr as it was, and so does what passes.
    let passed = post(&proxy, "/solr/shop/select", FORM, "q=a&debugQuery=true").await;
    assert!(passed.cache().starts_with("larder;fwd=bypass"), "{}", passed.cache());
    assert_eq!(origin.asked().last().unwrap().body, "q=a&debugQuery=true");
    for path in ["/solr/shop/export?q=a", "/solr/admin/collections?action=LIST", "/api/collections"] {
        assert_eq!(proxy.get(path).await.cache(), "larder;fwd=bypass;detail=\"neither a read nor a write\"");
    }
}

#[tokio::test]
async fn updates_and_commits_end_what_they_touch() {
    let origin = solr(false, "").await;
    let settings = &[("routes.all.search.aliases", "false"), ("routes.all.search.refresh_interval", "100ms")];
    let proxy = proxy(&origin, settings).await;
    let hit = async |collection: &str| proxy.get(&format!("/solr/{collection}/select?q=a")).await.is_hit();
    hit("other").await;
    for update in [
        "/solr/shop/update?commit=true",
        "/solr/shop/update?softCommit=true",
        "/solr/shop/update/json/docs?commitWithin=10",
        "/solr/shop/update",
        "/solr/shop/schema",
    ] {
        hit("shop").await;
        assert!(hit("shop").await, "{update}");
        let written = post(&proxy, update, ("content-type", "application/json"), r#"[{"id":"1"}]"#).await;
        assert_eq!((written.status, written.cache()), (200, "larder;fwd=method;detail=\"a write\""));
        assert!(!hit("shop").await, "{update}");
    }
    assert!(hit("other").await);
    // By GET, too.
    assert!(proxy.get("/solr/other/update?commit=true").await.cache().ends_with("detail=\"a write\""));
    assert!(!hit("other").await);
    proxy.get("/solr/admin/collections?action=RELOAD&name=shop").await;
    assert!(!hit("other").await);
}

#[tokio::test]
async fn what_is_asked_before_the_commit_ends_with_the_gap() {
    let origin = solr(false, "").await;
    let proxy = proxy(&origin, &[("routes.all.search.refresh_interval", "200ms")]).await;
    let ttl = async || {
        proxy.get("/solr/shop/select?q=a").await;
        let again = proxy.get("/solr/shop/select?q=a").await;
        again.cache().split("ttl=").nth(1).and_then(|ttl| ttl.parse::<u64>().ok()).unwrap()
    };
    let update = async |parameters: &str| {
        post(&proxy, &format!("/solr/shop/update{parameters}"), ("content-type", "application/json"), "[]")
            .await
    };
    update("?commit=true").await;
    assert!(ttl().await > 10, "searches see it");
    update("").await;
    assert_eq!(ttl().await, 0, "they see it after autoSoftCommit");
    sleep(Duration::from_millis(800)).await;
    assert!(ttl().await > 10);
    update("?commitWithin=1500").await;
    assert_eq!(ttl().await, 0);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ttl().await, 0, "it may still not be committed");
    sleep(Duration::from_millis(1800)).await;
    assert!(ttl().await > 10);
}

/// An update that is committed sooner does not make up for one that is committed later.
#[tokio::test]
async fn a_shorter_mark_does_not_replace_a_longer_one() {
    let origin = solr(false, "").await;
    let proxy = proxy(&origin, &[("routes.all.search.refresh_interval", "100ms")]).await;
    for update in ["/solr/shop/update?commitWithin=60000", "/solr/other/update?commitWithin=10"] {
        post(&proxy, update, ("content-type", "application/json"), "[]").await;
    }
    sleep(Duration::from_millis(1500)).await;
    proxy.get("/solr/shop/select?q=a").await;
    sleep(Duration::from_secs(1)).await;
    assert!(!proxy.get("/solr/shop/select?q=a").await.is_hit(), "it is not committed yet");
}

#[tokio::test]
async fn what_is_partial_is_not_stored() {
    for more in [r#","partialResults":true"#, r#","segmentTerminatedEarly":true"#] {
        let origin = solr(false, more).await;
        let proxy = proxy(&origin, &[]).await;
        for expected in 1..=2 {
            let got = proxy.get("/solr/shop/select?q=a&timeAllowed=5").await;
            assert_eq!(
                (number(&got), got.cache()),
                (expected, "larder;fwd=uri-miss;detail=\"it is partial\"")
            );
        }
    }
}

#[tokio::test]
async fn a_tag_does_not_say_what_time_it_is() {
    let origin = solr(true, "").await;
    let proxy = proxy(&origin, &[("routes.all.search.ttl", "200ms")]).await;
    for expected in 1..=2 {
        let answer = proxy.get("/solr/shop/select?q=d:[NOW/DAY%20TO%20*]").await;
        assert_eq!(number(&answer), expected, "{}", answer.cache());
        sleep(Duration::from_millis(400)).await;
    }
}

#[tokio::test]
async fn solrs_own_tag_confirms_what_is_over() {
    let origin = solr(true, "").await;
    let proxy = proxy(&origin, &[("routes.all.search.ttl", "200ms")]).await;
    let path = "/solr/shop/select?q=a";
    let first = proxy.get(path).await;
    assert_eq!((number(&first), first.cache()), (1, "larder;fwd=uri-miss;stored"));
    assert_eq!(proxy.get(path).await.cache(), "larder;hit;ttl=0");
    sleep(Duration::from_millis(300)).await;
    let confirmed = proxy.get(path).await;
    assert_eq!((number(&confirmed), confirmed.status), (1, 200));
    assert_eq!(confirmed.cache(), "larder;fwd=stale;fwd-status=304;stored");
    assert_eq!(confirmed.header("content-type"), JSON.1);
    assert!(proxy.get(path).await.is_hit(), "it is fresh again");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(proxy.get(path).await.cache(), "larder;fwd=stale;fwd-status=304;stored", "and again");
    // After an update there is nothing to confirm.
    proxy.get("/solr/shop/update?commit=true").await;
    let anew = proxy.get(path).await;
    assert_eq!(anew.cache(), "larder;fwd=uri-miss;stored");
    assert_eq!(origin.asked().last().unwrap().header("if-none-match"), None);
    // The tags are for GET.
    post(&proxy, "/solr/shop/select", FORM, "q=form").await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(post(&proxy, "/solr/shop/select", FORM, "q=form").await.cache(), "larder;fwd=uri-miss;stored");
}

/// What an update says in its body counts as well as what its address says.
#[tokio::test]
async fn within_which_time_an_update_is_committed_may_stand_in_its_body() {
    const XML: (&str, &str) = ("content-type", "text/xml; charset=utf-8");
    const APPLICATION_JSON: (&str, &str) = ("content-type", "application/json");
    let long = format!("<add><doc>{}</doc></add><delete commitWithin='60000'/>", "x".repeat(100_000));
    for (content_type, body) in [
        (APPLICATION_JSON, r#"{"add":{"doc":{"id":"1"},"commitWithin":60000}}"#),
        (
            APPLICATION_JSON,
            "{\"add\": {\"commitWithin\" : 60000, \"doc\": {}}, \"add\": {\"commitWithin\": 10}}",
        ),
        (XML, r#"<add overwrite="true" commitWithin="60000"><doc/></add>"#),
        (XML, &*long),
    ] {
        let origin = solr(false, "").await;
        let settings =
            [("routes.all.search.refresh_interval", "100ms"), ("routes.all.search.max_request", "4 KiB")];
        let proxy = proxy(&origin, &settings).await;
        assert_eq!(post(&proxy, "/solr/shop/update", content_type, body).await.status, 200);
        assert_eq!(origin.asked()[0].body, body, "it went there as it was");
        sleep(Duration::from_millis(800)).await;
        proxy.get("/solr/shop/select?q=a").await;
        let again = proxy.get("/solr/shop/select?q=a").await;
        assert!(again.cache().ends_with("ttl=0"), "{body:.80}: {}", again.cache());
    }
}

/// An answer that Solr would confirm is served stale when it cannot, where that is allowed.
#[tokio::test]
async fn what_is_to_be_confirmed_is_served_when_solr_fails() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let origin = Origin::start(move |asked: Asked| {
        let mut given = if asked.target.contains("/update") {
            answer(&[JSON], r#"{"responseHeader":{"status":0,"QTime":2}}"#)
        } else {
            answer(&[JSON, ("etag", "\"a\"")], &found(7, ""))
        };
        if failing.load(Ordering::SeqCst) && !asked.target.contains("/update") {
            *given.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        }
        async move { given }
    })
    .await;
    let path = "/solr/shop/select?q=a";
    let ttl = ("routes.all.search.ttl", "200ms");
    let gap = ("routes.all.search.refresh_interval", "100ms");
    for (settings, served) in [
        (&[ttl, gap, ("caches.search.stale_if_error", "1m")][..], true),
        (&[ttl, gap, ("caches.search.stale_if_error", "100ms")], false),
        (&[ttl, gap], false),
    ] {
        fails.store(false, Ordering::SeqCst);
        let proxy = proxy(&origin, settings).await;
        assert_eq!(proxy.get(path).await.cache(), "larder;fwd=uri-miss;stored");
        fails.store(true, Ordering::SeqCst);
        sleep(Duration::from_millis(400)).await;
        let got = proxy.get(path).await;
        assert_eq!(got.status, if served { 200 } else { 503 }, "{}", got.cache());
        if !served {
            continue;
        }
        assert_eq!((number(&got), got.cache()), (7, "larder;hit;ttl=0"));
        // Never what a write has ended.
        post(&proxy, "/solr/shop/update?commit=true", ("content-type", "application/json"), "[]").await;
        assert_eq!(proxy.get(path).await.status, 503);
    }
}
