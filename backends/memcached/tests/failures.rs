//! Servers that are down, hang, come back or talk nonsense; callers that leave; queues that fill up.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use common::{
    ANY, Dice, GET, config, connections, entry, get, impostor, key, look_up, miss, recovery, set, store,
    value,
};
use larder_core::{
    Backend as _, ErrorKind, Miss, Ttl,
    backend::{Lookup, SetOptions},
    key::StoreKey,
    layer::Deadline,
    settings::Span,
};
use larder_memcached::{MemcachedBackend, MemcachedConfig};
use larder_test_servers::MemcachedServer;
use tokio::{io::AsyncWriteExt as _, time::timeout};

const KEYS: usize = 1000;

async fn fill(store: &MemcachedBackend) {
    for n in 0..KEYS {
        set(store, &n.to_string(), format!("value of {n}")).await.unwrap();
    }
}

/// How many connections there are, without the one that asks.
fn connected(server: &MemcachedServer) -> u64 {
    common::statistic(server, "stats", "curr_connections") - 1
}

/// The server takes a moment to notice.
async fn nobody_is_connected(server: &MemcachedServer) {
    let begun = Instant::now();
    while connected(server) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "{} connections are left", connected(server));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every answer is the answer to its own question.
fn check(n: usize, found: &Lookup) {
    match found {
        Lookup::Hit(entry) => assert_eq!(value(entry), format!("value of {n}")),
        Lookup::Miss(miss) => panic!("{n}: {miss}"),
    }
}

#[test]
fn constructing_needs_no_runtime_and_connects_to_nothing() {
    let server = MemcachedServer::start();
    let before = connections(&server);
    let store = store(&server);
    assert_eq!(connections(&server), before + 1);
    drop(store);
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_used_when_it_is_there() {
    let server = MemcachedServer::start();
    server.stop();
    let store = store(&server);
    let error = look_up(&store, "plum").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains(&server.address()), "{error}");

    // While it is down nobody waits for anything.
    let begun = Instant::now();
    for _ in 0..1000 {
        assert_eq!(look_up(&store, "plum").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
    for kind in [
        set(&store, "plum", "ripe").await.unwrap_err().kind(),
        store.delete(&key("plum").get(), &ANY).await.unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::Unavailable);
    }

    server.restart();
    let took = recovery(&store).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    set(&store, "plum", "ripe").await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_and_comes_back_is_used_again_within_a_second() {
    let server = MemcachedServer::start();
    let store = store(&server);
    for _ in 0..3 {
        set(&store, "plum", "ripe").await.unwrap();
        server.stop();
        look_up(&store, "plum").await.unwrap_err();
        // Long enough for the pauses between attempts to have grown.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        server.restart();
        let took = recovery(&store).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(miss(&store, "plum").await, Miss::Absent);
    }
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_a_server_that_is_down() {
    let store = MemcachedBackend::new(MemcachedConfig::new(["no-such-host.invalid"])).unwrap();
    let error = look_up(&store, "plum").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_pause_no_reply_reaches_the_wrong_request() {
    let server = MemcachedServer::start();
    let store = Arc::new(store(&server));
    fill(&store).await;
    let before = connections(&server);
    let store = Arc::new(Deadline::new(store, "shared", Duration::from_millis(50)));

    for _ in 0..3 {
        server.pause();
        let begun = Instant::now();
        let waiting: Vec<_> = (0..KEYS)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.get(&key(n.to_string()).get(), &GET).await })
            })
            .collect();
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{took:?}");
        server.resume();

        let asking: Vec<_> = (0..KEYS)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    loop {
                        match store.get(&key(n.to_string()).get(), &GET).await {
                            Ok(found) => return check(n, &found),
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout),
                        }
                    }
                })
            })
            .collect();
        for asking in asking {
            asking.await.unwrap();
        }
    }
    assert_eq!(connections(&server), before + 1, "the connection was good all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_leave_at_any_moment_harm_nobody() {
    let server = MemcachedServer::start();
    let store = Arc::new(store(&server));
    fill(&store).await;
    let before = connections(&server);
    let left = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..64)
        .map(|seed| {
            let (store, left) = (Arc::clone(&store), Arc::clone(&left));
            tokio::spawn(async move {
                let mut dice = Dice(seed);
                for _ in 0..200 {
                    let n = usize::try_from(dice.roll(KEYS as u64)).unwrap();
                    let patience = Duration::from_micros(dice.roll(400));
                    let asked = key(n.to_string());
                    match dice.roll(4) {
                        0 => {
                            let others: Vec<_> = (0..5).map(|k| key(((n + k) % KEYS).to_string())).collect();
                            let keys: Vec<StoreKey<'_>> = others.iter().map(|key| key.get()).collect();
                            match timeout(patience, store.get_many(&keys, &GET)).await {
                                Ok(found) => {
                                    for (k, found) in found.into_iter().enumerate() {
                                        check((n + k) % KEYS, &found.unwrap());
                                    }
                                }
                                Err(_) => drop(left.fetch_add(1, Ordering::Relaxed)),
                            }
                        }
                        1 => {
                            // Writing what is there already: whether it takes place makes no difference.
                            let entry = entry(format!("value of {n}"));
                            let options = SetOptions::new(Ttl::Never);
                            match timeout(patience, store.set(&asked.get(), &entry, &options)).await {
                                Ok(written) => assert!(written.unwrap().took_place()),
                                Err(_) => drop(left.fetch_add(1, Ordering::Relaxed)),
                            }
                        }
                        _ => match timeout(patience, store.get(&asked.get(), &GET)).await {
                            Ok(found) => check(n, &found.unwrap()),
                            Err(_) => drop(left.fetch_add(1, Ordering::Relaxed)),
                        },
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let left = left.load(Ordering::Relaxed);
    assert!((500..12_500).contains(&left), "{left} of 12800 left: too few or too many to mean anything");
    for n in 0..KEYS {
        check(n, &look_up(&store, &n.to_string()).await.unwrap());
    }
    assert_eq!(connections(&server), before + 1, "the connection was good all the time");
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_any_more_does_not_overtake_the_next() {
    let server = MemcachedServer::start();
    let mut config = config(&server);
    config.connections = 8;
    let store = MemcachedBackend::new(config).unwrap();
    let store = Deadline::new(store, "shared", Duration::from_millis(20));
    for n in 0..20 {
        let name = n.to_string();
        set(&store, &name, "warm").await.ok();
        server.pause();
        assert_eq!(set(&store, &name, "stale").await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(store.delete(&key(&*name).get(), &ANY).await.unwrap_err().kind(), ErrorKind::Timeout);
        server.resume();
        let begun = Instant::now();
        loop {
            match look_up(&store, &name).await {
                Ok(found) => {
                    assert!(found.entry().is_none(), "the write came after the removal");
                    break;
                }
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(5), "{error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_used_again_when_it_wakes_up() {
    let server = MemcachedServer::start();
    let mut config = config(&server);
    config.response_timeout = Span(Duration::from_millis(200));
    config.connect_timeout = Span(Duration::from_millis(300));
    let store = MemcachedBackend::new(config).unwrap();
    set(&store, "plum", "ripe").await.unwrap();
    server.pause();
    let begun = Instant::now();
    let error = look_up(&store, "plum").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");

    // The kernel takes connections for it, and nobody answers: those who wait for the first attempt are told. (A machine that
    // stands still for longer than a call may take ends the call first.)
    let begun = Instant::now();
    while look_up(&store, "plum").await.unwrap_err().kind() != ErrorKind::Unavailable {
        assert!(begun.elapsed() < Duration::from_secs(10), "the server is never found to be unavailable");
    }
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(look_up(&store, "plum").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert!(begun.elapsed() < Duration::from_millis(200));

    server.resume();
    let took = recovery(&store).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"ripe"[..]));
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_however_many_calls_keep_coming() {
    let server = MemcachedServer::start();
    let mut config = config(&server);
    config.response_timeout = Span(Duration::from_millis(300));
    let store = Arc::new(MemcachedBackend::new(config).unwrap());
    set(&*store, "plum", "ripe").await.unwrap();
    server.pause();
    let begun = Instant::now();
    // Each gives up long before the server is given up, and the next one follows at once.
    let given_up = loop {
        match timeout(Duration::from_millis(20), look_up(&*store, "plum")).await {
            Err(_) => assert!(begun.elapsed() < Duration::from_secs(5), "the server was never given up"),
            Ok(found) => break found.unwrap_err(),
        }
    };
    assert!(matches!(given_up.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{given_up}");
    server.resume();
    let took = recovery(&*store).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn nonsense_ends_the_connection_and_is_distinguished() {
    let wrong_opaque = |request: &str| {
        let opaque = impostor::opaque(request).trim_start_matches('O');
        let opaque = u32::from_str_radix(opaque, 16).unwrap();
        Some(format!("EN O{:x}\r\n", opaque + 1).into_bytes())
    };
    let with = |answer: &'static str| move |_: &str| Some(answer.as_bytes().to_vec());
    for (what, server) in [
        ("another request's opaque", impostor::greeting(wrong_opaque).await),
        ("no opaque", impostor::greeting(with("EN\r\n")).await),
        ("no protocol", impostor::greeting(with("HTTP/1.1 400 Bad Request\r\n\r\n")).await),
        ("an error line", impostor::greeting(with("ERROR\r\n")).await),
        ("a client's error", impostor::greeting(with("CLIENT_ERROR bad data chunk\r\n")).await),
        ("a huge value", impostor::greeting(with("VA 99999999999 O0\r\n")).await),
        ("a line without an end", impostor::greeting(|_| Some(vec![b'V'; 100_000])).await),
    ] {
        let store = MemcachedBackend::new(MemcachedConfig::new([&*server.address])).unwrap();
        let asked = [look_up(&store, "plum"), look_up(&store, "plum"), look_up(&store, "pear")];
        let [first, second, third] = futures_util::future::join_all(asked).await.try_into().unwrap();
        for answer in [first, second, third] {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Protocol, "{what}");
        }
    }
}

#[tokio::test]
async fn more_replies_than_requests_are_never_anybodys() {
    let server = impostor::greeting(|request| {
        let opaque = impostor::opaque(request);
        Some(format!("EN {opaque}\r\nEN {opaque}\r\n").into_bytes())
    })
    .await;
    let store = MemcachedBackend::new(MemcachedConfig::new([&*server.address])).unwrap();
    for n in 0..20 {
        match look_up(&store, &n.to_string()).await {
            Ok(Lookup::Miss(Miss::Absent)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol, "{error}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_on_everybody_is_down() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = impostor::greeting(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        None
    })
    .await;
    let store = MemcachedBackend::new(MemcachedConfig::new([&*server.address])).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        assert_eq!(look_up(&store, "plum").await.unwrap_err().kind(), ErrorKind::Unavailable);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Pauses that grow, and not an attempt for every request.
    let attempts = count.load(Ordering::Relaxed);
    assert!((3..20).contains(&attempts), "{attempts}");
}

#[tokio::test]
async fn what_the_greeting_may_hide() {
    for (answer, kind) in [
        ("ERROR Too many open connections\r\n", ErrorKind::Busy),
        ("CLIENT_ERROR unauthenticated\r\n", ErrorKind::Auth),
        ("VERSION 1.4.15\r\n", ErrorKind::Protocol),
        ("VERSION 1.6.9\r\n", ErrorKind::Protocol),
        ("ERROR\r\n", ErrorKind::Protocol),
        ("+PONG\r\n", ErrorKind::Protocol),
        ("", ErrorKind::Unavailable),
    ] {
        let server = impostor::raw(move |mut connection| async move {
            let _ = connection.get_mut().write_all(answer.as_bytes()).await;
        })
        .await;
        let store = MemcachedBackend::new(MemcachedConfig::new([&*server.address])).unwrap();
        let error = look_up(&store, "plum").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{answer:?}: {error}");
    }
    // Settings without end.
    let server = impostor::raw(|mut connection| async move {
        let _ = connection.get_mut().write_all(b"VERSION 1.6.18\r\n").await;
        while connection.get_mut().write_all(b"STAT x y\r\n").await.is_ok() {}
    })
    .await;
    let store = MemcachedBackend::new(MemcachedConfig::new([&*server.address])).unwrap();
    assert_eq!(look_up(&store, "plum").await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn too_many_at_once_are_refused_and_harm_nobody() {
    let server = MemcachedServer::start();
    let mut config = config(&server);
    config.max_in_flight = 100;
    let store = Arc::new(MemcachedBackend::new(config).unwrap());
    set(&*store, "plum", "ripe").await.unwrap();
    server.pause();
    let asking: Vec<_> = (0..300)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { look_up(&*store, "plum").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.resume();
    let (mut hits, mut refused) = (0, 0);
    for asking in asking {
        match asking.await.unwrap() {
            Ok(found) => hits += usize::from(found.entry().is_some()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((hits, refused), (100, 200));
    assert_eq!(get(&*store, "plum").await.as_deref(), Some(&b"ripe"[..]));
}

#[tokio::test]
async fn bytes_that_wait_are_bounded_too() {
    let server = MemcachedServer::start();
    let store = Arc::new(store(&server));
    set(&*store, "plum", "ripe").await.unwrap();
    server.pause();
    let value = bytes::Bytes::from(vec![1; 1_000_000]);
    let mut sending = Vec::new();
    for n in 0..200 {
        let (store, value) = (Arc::clone(&store), value.clone());
        sending.push(tokio::spawn(async move { set(&*store, &n.to_string(), value).await }));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.resume();
    let mut refused = 0;
    for sending in sending {
        if let Err(error) = sending.await.unwrap() {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            refused += 1;
        }
    }
    assert!((50..150).contains(&refused), "{refused}");
    assert_eq!(get(&*store, "plum").await.as_deref(), Some(&b"ripe"[..]));
}

#[tokio::test]
async fn what_was_asked_before_closing_is_answered_and_nothing_after() {
    let server = MemcachedServer::start();
    let store = Arc::new(store(&server));
    set(&*store, "plum", "ripe").await.unwrap();
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { look_up(&*store, "plum").await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    for asking in asking {
        assert!(asking.await.unwrap().unwrap().entry().is_some());
    }
    for _ in 0..2 {
        store.close().await.unwrap();
        assert_eq!(look_up(&*store, "plum").await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(set(&*store, "plum", "no").await.unwrap_err().kind(), ErrorKind::Closed);
        let many = store.get_many(&[key("plum").get()], &GET).await;
        assert_eq!(many[0].as_ref().unwrap_err().kind(), ErrorKind::Closed);
    }
    nobody_is_connected(&server).await;
}

#[tokio::test]
async fn closing_with_the_server_gone_does_not_hang() {
    let server = MemcachedServer::start();
    let store = store(&server);
    set(&store, "plum", "ripe").await.unwrap();
    server.stop();
    look_up(&store, "plum").await.unwrap_err();
    timeout(Duration::from_secs(1), store.close()).await.unwrap().unwrap();
}

#[tokio::test]
async fn dropping_the_store_ends_its_connections() {
    let server = MemcachedServer::start();
    let store = store(&server);
    set(&store, "plum", "ripe").await.unwrap();
    assert_eq!(connected(&server), 1);
    drop(store);
    nobody_is_connected(&server).await;
}

#[test]
fn a_store_outlives_the_runtime_that_used_it_first() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    runtime().block_on(async { set(&store, "plum", "ripe").await.unwrap() });
    for _ in 0..3 {
        let found = runtime().block_on(async { get(&store, "plum").await });
        assert_eq!(found.as_deref(), Some(&b"ripe"[..]));
    }
    // Without any there is an error and no panic.
    let asked = futures_util::FutureExt::now_or_never(look_up(&store, "plum")).unwrap();
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::NoRuntime);
}
