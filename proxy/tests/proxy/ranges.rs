//! Ranges in mode `http`: they go to the upstream, a part is never stored, and nobody is given another's part.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::common::{Asked, Origin, Running, answer};
use http::{HeaderValue, Response, StatusCode};
use larder_proxy::body::Body;
use tokio::time::sleep;

const WHOLE: &str = "0123456789";
const FRESH: &[(&str, &str)] =
    &[("cache-control", "max-age=60"), ("etag", "\"a\""), ("accept-ranges", "bytes")];

/// The part that is asked for, or all of it; and `/part` gives a part to whoever asks for all.
fn part(asked: &Asked) -> Response<Body> {
    let range = match asked.header("range") {
        None if asked.target == "/part" => Some("bytes=0-1"),
        range => range,
    };
    let ends = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((from, to)) = ends else { return answer(FRESH, WHOLE) };
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    let mut given = answer(FRESH, WHOLE.get(from..=to).unwrap_or_default());
    *given.status_mut() =
        if to < 10 { StatusCode::PARTIAL_CONTENT } else { StatusCode::RANGE_NOT_SATISFIABLE };
    let range = format!("bytes {from}-{to}/10");
    given.headers_mut().insert("content-range", HeaderValue::try_from(range).unwrap());
    given
}

async fn start() -> (Origin, Running) {
    let origin = Origin::start(|asked: Asked| async move {
        if asked.target == "/slow" {
            sleep(Duration::from_millis(300)).await;
        }
        part(&asked)
    })
    .await;
    let proxy = Running::start(origin.address, &[]).await;
    (origin, proxy)
}

#[tokio::test]
async fn whoever_asks_for_a_part_has_this_part_and_leaves_nothing() {
    let (origin, proxy) = start().await;
    for (range, status, body) in [
        ("bytes=2-4", 206, "234"),
        ("bytes=0-1", 206, "01"),
        ("bytes=2-4", 206, "234"),
        ("bytes=5-20", 416, ""),
    ] {
        let got = proxy.get_with("/a", &[("range", range)]).await;
        assert_eq!((got.status, got.text()), (status, body), "{range}");
        assert_eq!(got.cache(), "larder;fwd=bypass;detail=range");
    }
    assert_eq!(origin.count(), 4);
    let whole = proxy.get("/a").await;
    assert_eq!(
        (whole.status, whole.text(), whole.cache()),
        (200, WHOLE, "larder;fwd=uri-miss;ttl=60;stored")
    );
    assert!(proxy.get("/a").await.is_hit());
    // What is stored is not cut into parts, nor replaced by one.
    for range in ["bytes=2-4", "bytes=0-1"] {
        let got = proxy.get_with("/a", &[("range", range), ("if-range", "\"a\"")]).await;
        assert_eq!((got.status, got.text().len()), (206, if range == "bytes=2-4" { 3 } else { 2 }));
        assert_eq!(got.header("content-range"), format!("bytes {}/10", &range[6..]));
    }
    let again = proxy.get("/a").await;
    assert_eq!((again.status, again.text(), again.is_hit()), (200, WHOLE, true));
    assert_eq!(again.header("content-range"), "");
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_not_stored() {
    let (origin, proxy) = start().await;
    for _ in 0..2 {
        let got = proxy.get("/part").await;
        assert_eq!((got.status, got.text()), (206, "01"));
        assert!(!got.cache().contains("stored") && !got.is_hit(), "{}", got.cache());
    }
    assert_eq!(origin.count(), 2);
}

/// Whoever wants a part and whoever wants all of it do not wait for each other.
#[tokio::test]
async fn nobody_joins_a_request_for_something_else() {
    let (origin, proxy) = start().await;
    let (whole, first, second, other) = tokio::join!(
        proxy.get("/slow"),
        proxy.get_with("/slow", &[("range", "bytes=2-4")]),
        proxy.get_with("/slow", &[("range", "bytes=5-6")]),
        proxy.get("/slow"),
    );
    assert_eq!((whole.text(), other.text()), (WHOLE, WHOLE));
    assert_eq!((first.status, first.text(), second.status, second.text()), (206, "234", 206, "56"));
    assert_eq!(origin.count(), 3);
    let head = proxy.ask(http::Request::head("/slow").header("range", "bytes=2-4")).await;
    assert!(head.status == 206 || head.header("content-length") != "3", "{:?}", head.headers);
    assert_eq!(proxy.get("/slow").await.text(), WHOLE);
}
