//! What writes end, whatever becomes of them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    JSON, ask,
    common::{Asked, Origin, PATIENCE, answer},
    counting, hits, proxy, proxy_with, search, value,
};

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
            // It is done, and there is no answer.
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

/// What the gap allows counts from when the engine was asked, for who has asked and for who joins it.
#[tokio::test]
async fn a_search_that_takes_longer_than_the_gap_is_nobody_elses_answer() {
    let visible = Arc::new(AtomicUsize::new(1));
    let origin = Origin::start(move |asked: Asked| {
        let visible = Arc::clone(&visible);
        async move {
            if asked.target.contains("_search") {
                let value = visible.load(Ordering::SeqCst);
                sleep(Duration::from_millis(1500)).await;
                return hits(&value.to_string());
            }
            tokio::spawn(async move {
                sleep(Duration::from_millis(100)).await;
                visible.store(2, Ordering::SeqCst);
            });
            answer(JSON, "{}")
        }
    })
    .await;
    let proxy = proxy_with(&origin, &[("routes.all.search.refresh_interval", "100ms")]).await;
    ask(&proxy, "PUT", "/shop/_doc/1", &[], "{}").await;
    let joins = async {
        sleep(Duration::from_millis(900)).await;
        search(&proxy, "/shop/_search", "{}").await
    };
    let (first, joined) = futures_util::future::join(search(&proxy, "/shop/_search", "{}"), joins).await;
    assert_eq!((value(&first), value(&joined)), ("1".into(), "2".into()));
    assert_eq!(value(&search(&proxy, "/shop/_search", "{}").await), "2");
}
