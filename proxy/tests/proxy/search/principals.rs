//! Who may be answered with what.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    ask,
    common::{Asked, Origin},
    counting, hits, proxy, proxy_with, value,
};

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
