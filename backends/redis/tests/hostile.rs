//! Servers that talk nonsense: an error or a miss, never a panic, a wrong value or a connection that is used on.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
mod liar;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{ANY, GET, Keys, always, entry};
use larder_core::{
    Backend as _, ErrorKind,
    backend::{TouchOptions, Written},
};
use larder_redis::{RedisBackend, RedisConfig};
use liar::{GREETED, Liar};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

#[tokio::test]
async fn nonsense_is_an_error_and_ends_the_connection() {
    for answer in [
        b"hunter2\r\n".as_slice(),
        b":5\r\n",
        b"+OK\r\n",
        b"*1\r\n$7\r\nhunter2\r\n",
        b"%1\r\n+a\r\n+hunter2\r\n",
        b"$x\r\n",
        b"$5\r\nhunter2\r\n",
        b"\x00\xff\xfe",
        b"*-5\r\n*-5\r\n:1\r\n",
    ] {
        let liar = Liar::start(GREETED, answer).await;
        let store = liar.store();
        for _ in 0..3 {
            let shown = match store.get(&Keys::new(1).at(0), &GET).await {
                Err(error) => {
                    assert!(
                        matches!(
                            error.kind(),
                            ErrorKind::Protocol | ErrorKind::Timeout | ErrorKind::Unavailable
                        ),
                        "{error}"
                    );
                    format!("{error} {error:?}")
                }
                Ok(lookup) => format!("{:?}", assert_miss(lookup)),
            };
            assert!(!shown.contains("hunter2"), "{shown}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if answer != b"*-5\r\n*-5\r\n:1\r\n" {
            assert!(liar.connections.load(Ordering::Relaxed) > 1, "{answer:?}: the connection was used on");
        }
    }
}

/// A length that is wrong, and bytes without a line's end: the connection ends at once, and does not wait for what never
/// comes.
#[tokio::test]
async fn what_cannot_be_followed_ends_the_connection_before_anything_is_kept_for_it() {
    let endless: &'static [u8] = Vec::leak(vec![b'+'; 100_000]);
    for answer in [b"$999999999\r\n".as_slice(), b"*2\r\n$999999999\r\n", endless] {
        let liar = Liar::start(GREETED, answer).await;
        let (store, begun) = (liar.store(), std::time::Instant::now());
        // Asked twice: once more when the connection has ended.
        let error = store.get(&Keys::new(1).at(0), &GET).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Unavailable), "{error}");
        assert!(begun.elapsed() < Duration::from_millis(190), "it was waited for: {:?}", begun.elapsed());
    }
}

/// Another key's entry is a miss; twice in a row, the connection is in doubt.
#[tokio::test]
async fn two_entries_of_other_keys_in_a_row_end_the_connection() {
    let keys = Keys::new(2);
    let other =
        larder_core::envelope::Envelope::write(&keys.at(1), &entry("other")).await.unwrap().to_bytes();
    let answer = [format!("${}\r\n", other.len()).as_bytes(), &other, b"\r\n"].concat();
    let liar = Liar::start(GREETED, Vec::leak(answer)).await;
    let store = liar.store();
    // One, its own between, and then two.
    for key in [0, 1, 0, 0] {
        let lookup = store.get(&keys.at(key), &GET).await.unwrap();
        assert_eq!(lookup.entry().is_some(), key == 1);
        assert_eq!(liar.connections.load(Ordering::Relaxed), 1);
    }
    let begun = std::time::Instant::now();
    while liar.connections.load(Ordering::Relaxed) == 1 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the connection was used on");
        let _ = store.get(&keys.at(1), &GET).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn assert_miss(lookup: larder_core::backend::Lookup) -> larder_core::Miss {
    match lookup {
        larder_core::backend::Lookup::Miss(miss) => miss,
        larder_core::backend::Lookup::Hit(entry) => panic!("a hit: {entry:?}"),
    }
}

#[tokio::test]
async fn answers_of_the_wrong_kind_to_every_operation() {
    let liar = Liar::start(GREETED, b"%1\r\n+a\r\n:7\r\n").await;
    let store = liar.store();
    let keys = Keys::new(2);
    let (key, known) = (keys.at(0), entry("value"));
    let refused = |result: larder_core::Result<bool>| {
        let kind = result.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Protocol | ErrorKind::Unavailable), "{kind}");
    };
    for _ in 0..3 {
        refused(store.set(&key, &known, &always()).await.map(Written::took_place));
        refused(store.delete(&key, &ANY).await);
        refused(
            store.touch(&key, &TouchOptions::new(known.meta().lifetime, Duration::from_secs(1).into())).await,
        );
        refused(store.get_many(&keys.all(), &GET).await.remove(1).map(|_| true));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn deep_nesting_is_refused() {
    let answer: &'static [u8] = Vec::leak("*1\r\n".repeat(100_000).into_bytes());
    let liar = Liar::start(GREETED, answer).await;
    liar.store().get(&Keys::new(1).at(0), &GET).await.unwrap_err();
}

#[tokio::test]
async fn what_greets_like_no_redis_server_is_said_to_be_none() {
    for greeting in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
        b"+OK\r\n+and more\r\n",
        b"+OK\r\n$-1\r\n",
        b"+OK\r\n$99999999999999\r\n",
        b"+OK\r\n$3\r\nabc\r\n+and more\r\n",
        b"\xff\xff\r\n",
        b":1\r\n",
        b"\r\n",
        &[b'x'; 10_000],
    ] {
        let liar = Liar::start(greeting, b"").await;
        let error = liar.store().get(&Keys::new(1).at(0), &GET).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    }
    let liar = Liar::start(b"+O", b"").await;
    let error = liar.store().get(&Keys::new(1).at(0), &GET).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_up_on_everybody_is_not_connected_to_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(GREETED).await;
            let _ = stream.read(&mut [0; 1000]).await;
        }
    });
    let store = RedisBackend::new(RedisConfig::new(url)).unwrap();
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        store.get(&Keys::new(1).at(0), &GET).await.unwrap_err();
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let connections = connections.load(Ordering::Relaxed);
    assert!((5..25).contains(&connections), "{connections} connections in two seconds");
}

#[tokio::test]
async fn a_primary_that_was_demoted_is_looked_for_anew_but_not_at_every_write() {
    let liar = Liar::start(GREETED, b"-READONLY You can't write against a read only replica.\r\n").await;
    let (store, keys) = (liar.store(), Keys::new(1));
    let write = || async {
        let error = store.set(&keys.at(0), &entry("value"), &always()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    for connections in 1..4 {
        for _ in 0..10 {
            write().await;
        }
        assert_eq!(liar.connections.load(Ordering::Relaxed), connections);
        // Ten seconds go by, in which nothing happens: a name may mean another server by now.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
        write().await;
    }
}

#[tokio::test]
async fn slow_is_not_silent() {
    // Each way takes twice the limit; a value of this size may take longer than one reply.
    const LEN: usize = 20_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = RedisConfig::new(format!("redis://{}", listener.local_addr().unwrap()));
    config.response_timeout = Duration::from_millis(400).into();
    let keys = Keys::new(1);
    let stored =
        larder_core::envelope::Envelope::write(&keys.at(0), &entry(vec![0; LEN])).await.unwrap().to_bytes();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; LEN / 20];
        let _ = stream.read(&mut heard).await;
        stream.write_all(GREETED).await.unwrap();
        let mut left = LEN;
        while left > 0 {
            left = left.saturating_sub(stream.read(&mut heard).await.unwrap());
            if left < LEN - 4_000_000 {
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        }
        stream.write_all(b"+OK\r\n").await.unwrap();
        let _ = stream.read(&mut heard).await;
        stream.write_all(format!("${}\r\n", stored.len()).as_bytes()).await.unwrap();
        for part in stored.chunks(stored.len() / 20) {
            tokio::time::sleep(Duration::from_millis(40)).await;
            stream.write_all(part).await.unwrap();
        }
        stream.write_all(b"\r\n").await.unwrap();
    });
    let store = RedisBackend::new(config).unwrap();
    let begun = std::time::Instant::now();
    assert!(store.set(&keys.at(0), &entry(vec![0; LEN]), &always()).await.unwrap().took_place());
    let (written, begun) = (begun.elapsed(), std::time::Instant::now());
    assert!(written > Duration::from_millis(600), "too fast to show anything: {written:?}");
    assert!(store.get(&keys.at(0), &GET).await.unwrap().entry().is_some());
    assert!(begun.elapsed() > Duration::from_millis(600), "too fast to show anything: {:?}", begun.elapsed());
}

/// Bytes that lead to no reply are no sign of life.
#[tokio::test]
async fn a_value_that_trickles_is_silence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = RedisConfig::new(format!("redis://{}", listener.local_addr().unwrap()));
    config.response_timeout = Duration::from_millis(400).into();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = [0; 4096];
        let _ = stream.read(&mut heard).await;
        stream.write_all(GREETED).await.unwrap();
        let _ = stream.read(&mut heard).await;
        let _ = stream.write_all(b"$100000000\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let (store, keys) = (RedisBackend::new(config).unwrap(), Keys::new(1));
    let error = store.get(&keys.at(0), &GET).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_gives_nobody_a_wrong_value() {
    // Twice the answer to each request: the second would be the next caller's.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let keys = Keys::new(2);
    let first =
        larder_core::envelope::Envelope::write(&keys.at(0), &entry("first")).await.unwrap().to_bytes();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let reply = [format!("${}\r\n", first.len()).as_bytes(), &first, b"\r\n"].concat();
            let twice = [&reply[..], &reply].concat();
            tokio::spawn(async move {
                let mut heard = [0; 4096];
                let _ = stream.read(&mut heard).await;
                let _ = stream.write_all(GREETED).await;
                while stream.read(&mut heard).await.is_ok_and(|len| len > 0) {
                    let _ = stream.write_all(&twice).await;
                }
            });
        }
    });
    let store = RedisBackend::new(RedisConfig::new(url)).unwrap();
    for round in 0..20 {
        for index in [0, 1] {
            let found = match store.get(&keys.at(index), &GET).await {
                Ok(lookup) => lookup.entry(),
                // What was not asked for ends the connection.
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Protocol), "{error}");
                    None
                }
            };
            if let Some(found) = found {
                assert_eq!(index, 0, "round {round}: the value of another key");
                assert_eq!(found.encoded().unwrap().bytes, "first");
            }
        }
    }
}
