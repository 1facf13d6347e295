//! `_bulk` bodies that are larger than what is kept of a request: read as they go by.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{
    MODE, ask,
    common::{PATIENCE, Running},
    counting, proxy_with, search, ttl,
};

const SMALL: &[(&str, &str)] =
    &[("routes.all.search.max_request", "1 KiB"), ("routes.all.search.aliases", "false")];

fn lines(index: &str, count: usize) -> String {
    let line =
        |number| format!("{{\"index\":{{\"_index\":\"{index}\",\"_id\":\"{number}\"}}}}\n{{\"a\":1}}\n");
    (0..count).map(line).collect()
}

#[tokio::test]
async fn a_large_one_ends_what_it_names_and_nothing_else() {
    let origin = counting().await;
    let proxy = proxy_with(&origin, SMALL).await;
    let hit = async |index: &str| search(&proxy, &format!("/{index}/_search"), "{}").await.is_hit();
    for index in ["a", "b", "c", "d"] {
        hit(index).await;
    }
    let body = lines("a", 2000) + &lines("b", 1);
    let written = ask(&proxy, "POST", "/c/_bulk?refresh=true", &[], &body).await;
    assert_eq!((written.status, written.cache()), (200, "larder;fwd=method;detail=\"a write\""));
    assert_eq!([hit("a").await, hit("b").await, hit("c").await, hit("d").await], [false, false, true, true]);
    let asked = origin.asked();
    let bulk = asked.iter().find(|asked| asked.target.contains("_bulk")).unwrap();
    assert_eq!(
        (&bulk.body[..], bulk.header("content-length")),
        (body.as_bytes(), Some(&*body.len().to_string()))
    );
    // When the write is over, no mark of it is left.
    assert!(ttl(&search(&proxy, "/a/_search", "{}").await) > 10);
    // What cannot be read may have written anywhere.
    for body in [lines("a", 200) + "nonsense\n", lines("a", 200) + "{\"index\":{\"pipeline\":\"p\"}}\n{}\n"] {
        assert!(hit("d").await);
        ask(&proxy, "POST", "/_bulk?refresh=true", &[], &body).await;
        assert!(!hit("d").await);
    }
}

async fn connect(proxy: &Running, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let head = format!(
        "POST /_bulk?refresh=true HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-ndjson\r\n{head}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn send(stream: &mut TcpStream, piece: &str) {
    stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await.unwrap();
}

#[tokio::test]
async fn nothing_goes_by_before_what_it_ends_is_ended() {
    let origin = counting().await;
    let proxy = proxy_with(&origin, SMALL).await;
    let again = async |index: &str| search(&proxy, &format!("/{index}/_search"), "{}").await;
    for index in ["a", "b"] {
        again(index).await;
    }
    let mut stream = connect(&proxy, "transfer-encoding: chunked").await;
    send(&mut stream, &lines("c", 100)).await;
    sleep(Duration::from_millis(100)).await;
    assert!(again("a").await.is_hit());
    // Half a line is not yet an action.
    send(&mut stream, "{\"delete\":{\"_index\":\"a\",").await;
    sleep(Duration::from_millis(100)).await;
    assert!(again("a").await.is_hit());
    send(&mut stream, "\"_id\":\"1\"}}\n").await;
    sleep(Duration::from_millis(100)).await;
    // The engine may do it from now on, so nothing that is asked now may live for long.
    assert!(!again("a").await.is_hit());
    assert!(ttl(&again("a").await) <= 1);
    assert!(again("b").await.is_hit());
    // The last line need not have an end.
    send(&mut stream, "{\"delete\":{\"_index\":\"b\",\"_id\":\"1\"}}").await;
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert!(!again("a").await.is_hit() && !again("b").await.is_hit());
    assert!(ttl(&again("a").await) > 10);
}

#[tokio::test]
async fn a_client_that_breaks_off_has_perhaps_written() {
    let origin = counting().await;
    let proxy = proxy_with(&origin, SMALL).await;
    let mut stream = connect(&proxy, "transfer-encoding: chunked").await;
    send(&mut stream, &lines("a", 100)).await;
    sleep(Duration::from_millis(100)).await;
    search(&proxy, "/a/_search", "{}").await;
    drop(stream);
    sleep(Duration::from_millis(300)).await;
    assert!(!search(&proxy, "/a/_search", "{}").await.is_hit());
}

/// Reads what comes and says nothing.
async fn sink() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut piece = vec![0; 64 * 1024];
                while stream.read(&mut piece).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    address
}

/// In bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_large_ones_take_little_memory() {
    const EACH: usize = 4 << 20;
    let proxy = Running::start(sink().await, &[MODE]).await;
    let piece = lines("a", 1200);
    let before = resident();
    let uploads = (0..100).map(|_| {
        let (piece, proxy) = (&piece, &proxy);
        async move {
            let mut stream = connect(proxy, "content-length: 1073741824").await;
            let mut sent = 0;
            while sent < EACH {
                stream.write_all(piece.as_bytes()).await.unwrap();
                sent += piece.len();
            }
            stream
        }
    });
    let streams = timeout(PATIENCE * 6, futures_util::future::join_all(uploads)).await.unwrap();
    let grown = resident().saturating_sub(before);
    assert!(grown < 100 << 20, "{} MiB for 400 MiB on their way", grown >> 20);
    drop(streams);
}
