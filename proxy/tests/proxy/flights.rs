//! Requests that are under way when something else happens: a purge, the end of the client that was first.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::{Answer, Origin, Running, answer, ask_at};
use http::Request;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};

const TOKEN: &str = "a token of many characters";
const SLOW: Duration = Duration::from_millis(400);
const FIELDS: &[(&str, &str)] = &[("content-type", "application/json"), ("cache-control", "max-age=60")];

/// An upstream that says in its answer, which takes long, how many requests it had when it was asked.
async fn origin() -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::start(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            sleep(SLOW).await;
            answer(
                FIELDS,
                &format!(r#"{{"took":1,"timed_out":false,"_shards":{{"total":1,"failed":0}},"n":{number}}}"#),
            )
        }
    })
    .await
}

fn number(answer: &Answer) -> u64 {
    serde_json::from_slice::<Value>(&answer.body).unwrap()["n"].as_u64().unwrap()
}

async fn purge(admin: SocketAddr, what: &Value) {
    let request = Request::post("/purge").header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(ask_at(admin, request, what.to_string()).await.status, 200);
}

/// Whoever asks after a purge is not given what was under way before, and it is not stored either.
#[tokio::test]
async fn a_purge_wins_over_what_is_under_way() {
    for (mode, method) in [("search-elasticsearch", "POST"), ("search-elasticsearch", "GET"), ("http", "GET")]
    {
        let origin = origin().await;
        let settings = [
            ("routes.all.mode", mode),
            ("proxy.admin_token", TOKEN),
            ("routes.all.search.refresh_interval", "0s"),
        ];
        let proxy = Running::start(origin.address, &settings).await;
        let admin = proxy.admin(|| Ok(())).await;
        let url = format!("http://{}/shop/_search", proxy.address);
        let mut whats = vec![json!({"key": {"method": method, "url": url}}), json!({"all": true})];
        if mode != "http" {
            whats.push(json!({"index": "shop"}));
        }
        let ask = async || proxy.ask(Request::builder().method(method).uri("/shop/_search")).await;
        for what in whats {
            let before = u64::try_from(origin.count()).unwrap();
            let (first, after) = tokio::join!(ask(), async {
                sleep(SLOW / 4).await;
                purge(admin, &what).await;
                sleep(SLOW / 4).await;
                ask().await
            });
            assert_eq!((number(&first), number(&after)), (before + 1, before + 2), "{mode} {method} {what}");
            let last = ask().await;
            assert!(number(&last) >= before + 2, "{mode} {method} {what}");
            // Whatever is stored goes before the next one.
            purge(admin, &json!({"all": true})).await;
            sleep(Duration::from_millis(700)).await;
        }
    }
}

/// The first of many goes away: the others get what it has begun, which is asked for once.
#[tokio::test]
async fn the_first_of_many_may_go() {
    for mode in ["search-elasticsearch", "http"] {
        let origin = origin().await;
        let proxy = Running::start(origin.address, &[("routes.all.mode", mode)]).await;
        let mut first = TcpStream::connect(proxy.address).await.unwrap();
        let host = proxy.address;
        first
            .write_all(format!("GET /shop/_search HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        timeout(Duration::from_secs(5), async {
            while origin.count() == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        let others = futures_util::future::join_all((0..20).map(|_| proxy.get("/shop/_search")));
        let (others, ()) = tokio::join!(others, async {
            sleep(SLOW / 4).await;
            drop(first);
        });
        for other in &others {
            assert_eq!((other.status, number(other)), (200, 1), "{mode}: {}", other.cache());
        }
        assert_eq!(origin.count(), 1, "{mode}");
    }
}
