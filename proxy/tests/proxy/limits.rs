//! How many clients, how long, and an end in good order.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::common::{Origin, Running, answer, read_all};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    time::{sleep, timeout},
};

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60")];
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn more_clients_than_may_be_wait() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[("proxy.max_connections", "2")]).await;
    let first = TcpStream::connect(proxy.address).await.unwrap();
    let _second = TcpStream::connect(proxy.address).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let mut third = TcpStream::connect(proxy.address).await.unwrap();
    third.write_all(GET).await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(300), third.read(&mut byte)).await.is_err());
    assert_eq!(proxy.proxy.counters().connections.get(), 2);
    drop(first);
    assert!(read_all(&mut third).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn what_is_under_way_is_answered_in_the_end() {
    let origin = Origin::start(|_| async {
        sleep(Duration::from_millis(500)).await;
        answer(FRESH, "slow")
    })
    .await;
    let (tell, told) = oneshot::channel::<()>();
    let proxy = Running::until(origin.address, &[], async {
        let _ = told.await;
    })
    .await;
    let mut slow = TcpStream::connect(proxy.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut idle = TcpStream::connect(proxy.address).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let address = proxy.address;
    tell.send(()).unwrap();
    // Who has not asked anything is closed at once.
    assert_eq!(read_all(&mut idle).await, "");
    assert!(read_all(&mut slow).await.ends_with("slow"));
    proxy.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_takes_too_long_in_the_end_is_cut_off() {
    let origin = Origin::start(|_| async {
        sleep(Duration::from_mins(1)).await;
        answer(FRESH, "never")
    })
    .await;
    let (tell, told) = oneshot::channel::<()>();
    let settings = [("proxy.shutdown", "200ms")];
    let proxy = Running::until(origin.address, &settings, async {
        let _ = told.await;
    })
    .await;
    let mut slow = TcpStream::connect(proxy.address).await.unwrap();
    slow.write_all(GET).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    tell.send(()).unwrap();
    proxy.ended().await;
}

#[tokio::test]
async fn an_upstream_with_as_many_requests_as_it_may_have() {
    let origin = Origin::start(|_| async {
        sleep(Duration::from_secs(1)).await;
        answer(&[("cache-control", "no-store")], "slow")
    })
    .await;
    let settings = [("upstreams.origin.max_requests", "1"), ("upstreams.origin.wait", "100ms")];
    let proxy = Running::start(origin.address, &settings).await;
    let (first, second) = tokio::join!(proxy.get("/1"), proxy.get("/2"));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[("proxy.body_timeout", "200ms")]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
    let answered = read_all(&mut stream).await;
    assert!(answered.starts_with("HTTP/1.1 400 "), "{answered}");
}

/// How long an answer may take counts from the last part of a request that was taken: an upload is as slow as its client.
#[tokio::test]
async fn a_slow_upload_is_not_an_upstream_that_is_late() {
    let origin = Origin::start(|asked| async move { answer(&[], &asked.body.len().to_string()) }).await;
    let proxy =
        Running::start(origin.address, &[("upstreams.origin.answer", "1s"), ("routes.all.mode", "pass")])
            .await;
    let mut slow = TcpStream::connect(proxy.address).await.unwrap();
    slow.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 50000\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..10 {
        sleep(Duration::from_millis(250)).await;
        slow.write_all(&[b'x'; 5000]).await.unwrap();
    }
    let answer = read_all(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("50000"), "{answer}");
}
