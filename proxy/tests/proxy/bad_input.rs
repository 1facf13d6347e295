//! Requests that are none, or that two readers would read in two ways: refused, never forwarded, and the connection closed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::common::{Asked, Origin, Running, answer, read_all};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60")];

/// Sends this and then a request that must not be answered, and expects a 400, a closed connection, and nothing upstream.
async fn refused(proxy: &Running, origin: &Origin, text: &str) {
    let before = origin.count();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let answered = proxy.raw(format!("{text}{smuggled}").as_bytes()).await;
    assert!(answered.starts_with("HTTP/1.1 400 "), "{text:?}: {answered:?}");
    assert_eq!(answered.matches("HTTP/1.1 ").count(), 1, "{text:?}: {answered:?}");
    assert_eq!(origin.count(), before, "{text:?}");
}

#[tokio::test]
async fn contradicting_lengths() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 4 4\r\n",
        "Content-Length : 4\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
    ] {
        for method in ["POST", "GET"] {
            refused(&proxy, &origin, &format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\n"))
                .await;
        }
    }
}

#[tokio::test]
async fn heads_that_are_none() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    for text in [
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX y: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        refused(&proxy, &origin, text).await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_its_own_encoding() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    for body in [
        "x\r\n",
        "4\r\nbodyX\r\n0\r\n\r\n",
        "4\nbody\r\n0\r\n\r\n",
        "4;\n\r\nbody\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nx",
    ] {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let answered = proxy.raw(text.as_bytes()).await;
        assert!(answered.starts_with("HTTP/1.1 400 "), "{body:?}: {answered:?}");
        assert!(origin.asked().iter().all(|asked| asked.body.is_empty()), "{body:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_before_a_hit_is_answered() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    let get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    // The body looks like a request. Were it left on the connection, it would be the next one.
    let inner = "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n";
    let with_body = format!("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
    let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answered = proxy.raw(format!("{get}{with_body}{get}{last}").as_bytes()).await;
    assert_eq!(answered.matches("HTTP/1.1 200 ").count(), 4, "{answered}");
    let asked = origin.asked();
    let targets: Vec<_> = asked.iter().map(|asked| (&*asked.target, &*asked.body)).collect();
    assert_eq!(targets, [("/x", &b""[..]), ("/x", inner.as_bytes()), ("/last", b"")]);
}

#[tokio::test]
async fn absolute_targets_name_the_host() {
    let origin =
        Origin::start(|asked: Asked| async move { answer(FRESH, asked.header("host").unwrap_or("-")) }).await;
    let proxy = Running::start(origin.address, &[]).await;
    let ask = |target: &'static str, host: &'static str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let proxy = &proxy;
        async move { proxy.raw(text.as_bytes()).await }
    };
    // What the Host says does not count, neither here nor upstream, nor in the key.
    assert!(ask("http://b.example/x", "a").await.ends_with("b.example"));
    assert!(ask("http://b.example/x", "c").await.ends_with("b.example"));
    assert!(ask("/x", "a").await.ends_with("\r\n\r\na"));
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn methods_that_are_not_for_a_proxy_like_this() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    for text in ["CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let answered = proxy.raw(text.as_bytes()).await;
        assert!(answered.starts_with("HTTP/1.1 501 "), "{text:?}: {answered:?}");
    }
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn too_many_and_too_large_heads() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    let many = "X: y\r\n".repeat(101);
    let large = format!("X: {}\r\n", "y".repeat(100_000));
    for fields in [many, large] {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let answered = proxy.raw(text.as_bytes()).await;
        assert!(answered.starts_with("HTTP/1.1 431 "), "{answered:?}");
    }
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn who_is_slow_with_the_head_is_closed() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[("proxy.header_timeout", "300ms")]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    read_all(&mut stream).await;
    // One byte now and then is not enough.
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let begun = std::time::Instant::now();
    for byte in "GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaa".bytes() {
        if stream.write_all(&[byte]).await.is_err() || begun.elapsed() > Duration::from_secs(3) {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn who_goes_away_in_the_middle_of_a_body_leaves_nothing() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[]).await;
    for sent in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf",
    ] {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(50)).await;
        drop(stream);
    }
    sleep(Duration::from_millis(100)).await;
    assert!(proxy.get("/").await.status == 200);
    let whole =
        origin.asked().iter().filter(|asked| asked.method == "POST" && asked.body.len() == 100).count();
    assert_eq!(whole, 0);
}

#[tokio::test]
async fn an_upstream_that_sends_nonsense() {
    for (sent, status) in [
        ("", 502),
        ("nonsense\r\n\r\n", 502),
        ("HTTP/1.1 200 OK\r\n", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nCache-Control: max-age=60\r\n\r\nhalf", 502),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 502),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\nzz\r\n", 502),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n4\r\nhalf", 502),
        ("HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", 999),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(sent.as_bytes()).await;
            }
        });
        let proxy = Running::start(address, &[]).await;
        for _ in 0..2 {
            assert_eq!(proxy.get("/").await.status, status, "{sent:?}");
        }
    }
}

#[tokio::test]
async fn who_says_nothing_at_all_is_closed() {
    let origin = Origin::counting(FRESH).await;
    let proxy = Running::start(origin.address, &[("proxy.header_timeout", "300ms")]).await;
    for beginning in ["", "PRI * HT"] {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        assert_eq!(read_all(&mut stream).await, "");
    }
}

#[tokio::test]
async fn who_reads_nothing_is_closed() {
    let origin =
        Origin::start(|_| async { answer(&[("cache-control", "no-store")], &"x".repeat(50_000_000)) }).await;
    let proxy = Running::start(origin.address, &[("proxy.body_timeout", "300ms")]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let begun = std::time::Instant::now();
    while proxy.proxy.counters().connections.get() > 0 || origin.count() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "it is still open");
        sleep(Duration::from_millis(20)).await;
    }
}
