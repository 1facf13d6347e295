//! Connections to the engine that are kept, and that it closes just when one is used: a search is sent again, a write never.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use super::{MODE, ask, common::Running};

const ANSWER: &str = r#"{"took":1,"timed_out":false,"_shards":{"total":1,"failed":0},"hits":{"value":"x"}}"#;

/// How an engine treats a connection: what it sends instead of an answer, and from which request on.
#[derive(Clone, Copy)]
struct Ends {
    after: usize,
    with: &'static [u8],
    /// Of how many connections; the others are as they should be.
    connections: usize,
    late: Duration,
}

struct Engine {
    address: SocketAddr,
    /// Of each request: the connection and the first line.
    asked: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Engine {
    async fn start(ends: Ends) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let told = Arc::clone(&asked);
        tokio::spawn(async move {
            for connection in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let told = Arc::clone(&told);
                tokio::spawn(async move {
                    for number in 1.. {
                        let Some(line) = request(&mut stream).await else { return };
                        told.lock().unwrap().push((connection, line));
                        if connection < ends.connections && number > ends.after {
                            sleep(ends.late).await;
                            stream.write_all(ends.with).await.unwrap();
                            return;
                        }
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
                            ANSWER.len()
                        );
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// On which connections requests with this in their first line came.
    fn on(&self, what: &str) -> Vec<usize> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(_, line)| line.contains(what)).map(|(connection, _)| *connection).collect()
    }
}

/// The first line of a request that was read to its end.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).await.ok().filter(|&read| read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Some(head.lines().next().unwrap().to_owned());
        }
    }
}

const NEVER: Duration = Duration::ZERO;

async fn proxy(engine: &Engine) -> Running {
    let settings = [MODE, ("upstreams.origin.answer", "2s")];
    Running::start(engine.address, &settings).await
}

#[tokio::test]
async fn a_search_is_sent_again_where_a_kept_connection_has_died() {
    for (path, body) in [
        ("/shop/_search", r#"{"size":1}"#),
        // Not for the cache, and still a search.
        ("/shop/_search?request_cache=false", r#"{"size":1}"#),
        ("/shop/_count", r#"{"query":{"match_all":{}}}"#),
        ("/_msearch", "{\"index\":\"shop\"}\n{}\n"),
        ("/shop/_mget", r#"{"ids":["1"]}"#),
    ] {
        let engine = Engine::start(Ends { after: 1, with: b"", connections: 1, late: NEVER }).await;
        let proxy = proxy(&engine).await;
        assert_eq!(ask(&proxy, "GET", "/_cat/nodes", &[], "").await.status, 200);
        let answer = ask(&proxy, "POST", path, &[], body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let word = path.split(['/', '?']).find(|word| word.starts_with('_')).unwrap();
        let on = engine.on(word);
        assert!(on.starts_with(&[0, 1]), "{path}: {on:?}");
    }
}

#[tokio::test]
async fn a_write_is_not() {
    for (method, path, body) in [
        ("PUT", "/shop/_doc/1", "{}"),
        ("POST", "/shop/_update/1", "{}"),
        ("POST", "/_bulk", "{\"index\":{\"_index\":\"shop\"}}\n{}\n"),
        ("POST", "/shop/_delete_by_query", "{}"),
        ("GET", "/shop/_refresh", ""),
        // It gives each hit once.
        ("POST", "/_search/scroll", r#"{"scroll_id":"x"}"#),
        ("POST", "/shop/_search?scroll=1m", "{}"),
    ] {
        let engine = Engine::start(Ends { after: 1, with: b"", connections: 1, late: NEVER }).await;
        let proxy = proxy(&engine).await;
        assert_eq!(ask(&proxy, "GET", "/_cat/nodes", &[], "").await.status, 200);
        assert_eq!(ask(&proxy, method, path, &[], body).await.status, 502, "{path}");
        assert_eq!(engine.asked.lock().unwrap().len(), 2, "{path}");
    }
}

#[tokio::test]
async fn not_where_an_answer_has_begun_nor_twice_nor_where_the_connection_was_new() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-le";
    for (ends, requests) in [
        (Ends { after: 1, with: half, connections: 1, late: NEVER }, 2),
        (Ends { after: 1, with: b"nonsense\r\n\r\n", connections: 1, late: NEVER }, 2),
        (Ends { after: 0, with: b"", connections: 9, late: NEVER }, 1),
    ] {
        let engine = Engine::start(ends).await;
        let proxy = proxy(&engine).await;
        if ends.after > 0 {
            assert_eq!(ask(&proxy, "GET", "/_cat/nodes", &[], "").await.status, 200);
        }
        assert_eq!(ask(&proxy, "POST", "/shop/_search", &[], "{}").await.status, 502);
        assert_eq!(engine.asked.lock().unwrap().len(), requests);
    }
}

/// Both together have the time that one has.
#[tokio::test]
async fn a_second_attempt_has_what_is_left_of_the_time() {
    let late = Duration::from_millis(1500);
    let engine = Engine::start(Ends { after: 1, with: b"", connections: 9, late }).await;
    let proxy = proxy(&engine).await;
    let _ =
        tokio::join!(ask(&proxy, "GET", "/_cat/nodes", &[], ""), ask(&proxy, "GET", "/_cat/nodes", &[], ""));
    let begun = Instant::now();
    let answer = ask(&proxy, "POST", "/shop/_search", &[], "{}").await;
    assert!(answer.status == 200 || answer.status == 504 || answer.status == 502);
    assert!(begun.elapsed() < Duration::from_millis(2400), "{:?}", begun.elapsed());
}
