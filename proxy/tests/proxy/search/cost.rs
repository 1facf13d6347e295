//! What is not stored: what cannot be is remembered, what costs little may be left out; and conditions on answers of many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Barrier, time::timeout};

use super::{
    JSON, ask,
    common::{Asked, Origin, PATIENCE, answer},
    counting, proxy, proxy_with, search, value,
};

#[tokio::test]
async fn what_could_not_be_stored_is_not_waited_for() {
    let (whole, met) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(5)));
    let (count, wholly, meeting) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&whole), Arc::clone(&met));
    let origin = Origin::start(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let (whole, met) = (wholly.load(Ordering::SeqCst), Arc::clone(&meeting));
        async move {
            if (2..=6).contains(&number) {
                // They are here at the same time, or never.
                let _ = timeout(PATIENCE / 4, met.wait()).await;
            }
            answer(
                JSON,
                &format!(
                    r#"{{"took":1,"timed_out":{},"_shards":{{"failed":0}},"hits":{{"value":"{number}"}}}}"#,
                    !whole
                ),
            )
        }
    })
    .await;
    // Where who asks is not in the key, nobody is given what is not stored.
    let proxy = proxy_with(&origin, &[("routes.all.search.auth", "shared")]).await;
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "1");
    let begun = std::time::Instant::now();
    futures_util::future::join_all((0..5).map(|_| search(&proxy, "/shop/_search", "{}"))).await;
    assert_eq!(origin.count(), 6);
    assert!(begun.elapsed() < PATIENCE / 4, "some have waited for others: {:?}", begun.elapsed());
    // As soon as one can be stored, the next is.
    whole.store(true, Ordering::SeqCst);
    let got = search(&proxy, "/shop/_search", "{}").await;
    assert_eq!(got.cache(), "larder;fwd=uri-miss;detail=\"not stored lately\"");
    assert!(search(&proxy, "/shop/_search", "{}").await.cache().ends_with(";stored"));
    assert!(search(&proxy, "/shop/_search", "{}").await.is_hit());
}

#[tokio::test]
async fn what_is_too_large_to_be_stored_is_not_waited_for() {
    let met = Arc::new(Barrier::new(3));
    let count = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start(move |_| {
        let (first, met) = (count.fetch_add(1, Ordering::SeqCst) == 0, Arc::clone(&met));
        async move {
            if !first {
                let _ = timeout(PATIENCE / 4, met.wait()).await;
            }
            answer(JSON, &"x".repeat(4096))
        }
    })
    .await;
    let proxy = proxy_with(&origin, &[("routes.all.max_body", "1 KiB")]).await;
    assert_eq!(search(&proxy, "/shop/_search", "{}").await.body.len(), 4096);
    let begun = std::time::Instant::now();
    futures_util::future::join_all((0..3).map(|_| search(&proxy, "/shop/_search", "{}"))).await;
    assert!(begun.elapsed() < PATIENCE / 4, "some have waited for others: {:?}", begun.elapsed());
}

#[tokio::test]
async fn what_costs_little_is_not_stored() {
    let origin = Origin::start(|asked: Asked| async move {
        let took = asked.target.split("took=").nth(1).unwrap_or("1").to_owned();
        let body = format!(r#"{{"took":{took},"timed_out":false,"_shards":{{"failed":0}},"hits":{{}}}}"#);
        answer(JSON, &body)
    })
    .await;
    let ask_twice = async |settings: &[(&str, &str)], path: &str| {
        let proxy = proxy_with(&origin, settings).await;
        search(&proxy, path, "{}").await;
        search(&proxy, path, "{}").await
    };
    let took = ("routes.all.search.admit_took", "50ms");
    let cheap = ask_twice(&[took], "/shop/_search?took=49").await;
    assert_eq!(cheap.cache(), "larder;fwd=uri-miss;detail=\"it cost too little\"");
    assert!(ask_twice(&[took], "/shop/_search?took=50").await.is_hit());
    let bytes = |least| ("routes.all.search.admit_bytes", least);
    assert!(!ask_twice(&[bytes("1 KiB")], "/shop/_search").await.is_hit());
    assert!(ask_twice(&[bytes("50B")], "/shop/_search").await.is_hit());
    // One of the two is enough.
    assert!(ask_twice(&[took, bytes("50B")], "/shop/_search").await.is_hit());
    assert!(ask_twice(&[took, bytes("1 KiB")], "/shop/_search?took=60").await.is_hit());
    assert!(!ask_twice(&[took, bytes("1 KiB")], "/shop/_search").await.is_hit());
}

#[tokio::test]
async fn a_condition_on_many_is_answered() {
    let count = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start(move |asked: Asked| {
        // Each time it takes longer.
        let took = count.fetch_add(1, Ordering::SeqCst);
        async move {
            let body = if asked.target.contains("_mget") {
                r#"{"docs":[{"_index":"shop","_id":"1","found":true,"_source":{}}]}"#.to_owned()
            } else {
                format!(r#"{{"took":{took},"responses":[{{"took":{took},"timed_out":false,"_shards":{{"failed":0}},"hits":{{}},"status":200}}]}}"#)
            };
            answer(JSON, &body)
        }
    })
    .await;
    let proxy = proxy(&origin).await;
    for (path, body) in [("/shop/_msearch", "{}\n{}\n"), ("/shop/_mget", r#"{"ids":["1"]}"#)] {
        let first = ask(&proxy, "POST", path, &[], body).await;
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() == 34, "{path}: {etag:?}");
        let same = ask(&proxy, "POST", path, &[("if-none-match", &etag)], body).await;
        assert_eq!((same.status, same.body.len(), same.is_hit()), (304, 0, true), "{path}");
        // The engine is asked again, and nothing but the time is different.
        ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}").await;
        let asked_anew = ask(&proxy, "POST", path, &[("if-none-match", &etag)], body).await;
        assert_eq!((asked_anew.status, asked_anew.is_hit()), (304, false), "{path}");
        let other = ask(&proxy, "POST", path, &[("if-none-match", "\"x\"")], body).await;
        assert_eq!(other.status, 200);
    }
    assert!(origin.asked().iter().all(|asked| asked.header("if-none-match").is_none()));
}

#[tokio::test]
async fn what_nobody_measured_is_stored() {
    let origin = counting().await;
    let proxy = proxy_with(&origin, &[("routes.all.search.admit_bytes", "1B")]).await;
    search(&proxy, "/shop/_search", "{}").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(search(&proxy, "/shop/_search", "{}").await.is_hit());
}
