//! A server that is down, goes down, comes back, or does not answer.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use common::{
    ANY, GET, Keys, always, bytes, connections, connections_accepted, entry, removals, store, store_with,
    until_it_works,
};
use larder_core::{Backend as _, ErrorKind, backend::TouchOptions, layer::Deadline};
use larder_redis::RedisBackend;
use larder_test_servers::RedisServer;
use tokio::{task::JoinSet, time::sleep};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn constructing_needs_neither_a_server_nor_a_runtime() {
    let server = RedisServer::start();
    server.stop();
    let store = store(&server);
    assert!(format!("{store:?}").contains("idle"));
    let error =
        futures_util::FutureExt::now_or_never(store.get(&Keys::new(1).at(0), &GET)).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRuntime, "{error}");

    // The same store then works in a runtime, and in the next one when that is gone.
    server.restart();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            assert!(store.set(&Keys::new(1).at(0), &entry("value"), &always()).await.unwrap().took_place());
            assert_eq!(bytes(store.get(&Keys::new(1).at(0), &GET).await.unwrap()), "value");
        });
    }
}

#[tokio::test]
async fn a_server_that_is_down_at_start_fails_calls_at_once_and_is_used_when_it_is_there() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    server.stop();
    let begun = Instant::now();
    for _ in 0..100 {
        let error = store.get(&keys.at(0), &GET).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.chain().to_string().contains("refused"), "{}", error.chain());
    }
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());

    sleep(2 * SECOND).await;
    server.restart();
    let (took, _) = until_it_works(&store, &keys.at(0)).await;
    assert!(took < SECOND, "{took:?}");
}

#[tokio::test]
async fn every_operation_says_that_the_server_is_down() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    let known = entry("value");
    assert!(store.set(&key, &known, &always()).await.unwrap().took_place());
    server.stop();
    let _ = store.get(&key, &GET).await;

    let unavailable = |error: larder_core::Error| assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    unavailable(store.get(&key, &GET).await.unwrap_err());
    unavailable(store.set(&key, &known, &always()).await.unwrap_err());
    unavailable(
        store.touch(&key, &TouchOptions::new(known.meta().lifetime, SECOND.into())).await.unwrap_err(),
    );
    unavailable(store.delete(&key, &ANY).await.unwrap_err());
}

/// Tasks that read and write their own keys for as long as they are told to, and check each answer.
struct Traffic {
    tasks: JoinSet<()>,
    goes_on: Arc<AtomicBool>,
    right: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

impl Traffic {
    fn start(store: &Arc<impl larder_core::Backend>, tasks: usize) -> Self {
        let traffic = Self {
            tasks: JoinSet::new(),
            goes_on: Arc::new(AtomicBool::new(true)),
            right: Arc::default(),
            failed: Arc::default(),
        };
        (0..tasks).fold(traffic, |mut traffic, task| {
            let (store, goes_on) = (Arc::clone(store), Arc::clone(&traffic.goes_on));
            let (right, failed) = (Arc::clone(&traffic.right), Arc::clone(&traffic.failed));
            traffic.tasks.spawn(async move {
                let keys = Keys::new(task + 1);
                let value = format!("the value of {task}");
                while goes_on.load(Ordering::Relaxed) {
                    let read = match store.get(&keys.at(task), &GET).await {
                        Ok(larder_core::backend::Lookup::Hit(found)) => {
                            assert_eq!(found.encoded().unwrap().bytes, value);
                            Ok(())
                        }
                        Ok(_) => store.set(&keys.at(task), &entry(value.clone()), &always()).await.map(drop),
                        Err(error) => Err(error),
                    };
                    let count = if read.is_ok() { &right } else { &failed };
                    count.fetch_add(1, Ordering::Relaxed);
                    // As a service that is asked now and then, not one that spins on errors.
                    sleep(Duration::from_micros(500)).await;
                }
            });
            traffic
        })
    }

    fn counts(&self) -> (usize, usize) {
        (self.right.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    async fn stop(mut self) -> (usize, usize) {
        self.goes_on.store(false, Ordering::Relaxed);
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
        self.counts()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_under_traffic_is_used_again_within_a_second() {
    let server = RedisServer::start();
    let store = Arc::new(store(&server));
    let traffic = Traffic::start(&store, 64);
    for down in [Duration::ZERO, SECOND, 3 * SECOND] {
        sleep(SECOND).await;
        server.stop();
        sleep(down).await;
        server.restart();
        let (took, _) = until_it_works(&*store, &Keys::new(1).at(0)).await;
        assert!(took < SECOND, "down for {down:?}, back after {took:?}");
        // 64 tasks wanted one. Some were opened by the test itself.
        assert_eq!(connections(&server).len(), 1);
        let accepted = connections_accepted(&server);
        assert!(accepted < 15, "{accepted} connections were opened");
    }
    let (right, failed) = traffic.stop().await;
    assert!(right > 10_000, "{right} right, {failed} failed");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_costs_no_call() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    for _ in 0..3 {
        assert!(store.set(&keys.at(0), &entry("value"), &always()).await.unwrap().took_place());
        // Old enough that its end is not taken for a failed attempt to connect.
        sleep(SECOND + Duration::from_millis(50)).await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        // A read goes out again over the next connection, a write after it finds that one.
        assert_eq!(bytes(store.get(&keys.at(0), &GET).await.unwrap()), "value");
        assert!(store.set(&keys.at(0), &entry("value"), &always()).await.unwrap().took_place());
    }
}

#[tokio::test]
async fn a_write_that_may_have_been_done_is_not_done_again() {
    let server = RedisServer::start();
    let (store, keys) = (Arc::new(store(&server)), Keys::new(1));
    store.get(&keys.at(0), &GET).await.unwrap();
    sleep(SECOND + Duration::from_millis(50)).await;
    server.pause();
    let writes: Vec<_> = (0..10)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.set(&Keys::new(1).at(0), &entry("late"), &always()).await })
        })
        .collect();
    sleep(Duration::from_millis(50)).await;
    server.stop();
    server.restart();
    for write in writes {
        let error = write.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    assert!(store.get(&keys.at(0), &GET).await.unwrap().entry().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_on_a_frozen_server_end_by_their_deadline_and_no_reply_goes_astray() {
    let server = RedisServer::start();
    let store = Arc::new(Deadline::new(store(&server), "shared", Duration::from_millis(50)));
    let keys = Keys::new(1000);
    for (number, key) in keys.all().iter().enumerate() {
        assert!(store.set(key, &entry(number.to_string()), &always()).await.unwrap().took_place());
    }
    let connection = connections(&server);
    for _ in 0..5 {
        server.pause();
        let begun = Instant::now();
        let reads: Vec<_> = (0..1000)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(
                    async move { store.get(&Keys::new(number + 1).at(number), &GET).await.map(drop) },
                )
            })
            .collect();
        for (number, read) in reads.into_iter().enumerate() {
            if number % 7 == 0 {
                read.abort();
            } else {
                assert_eq!(read.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
            }
        }
        assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());

        // The late replies come before these, over the same connection.
        server.resume();
        let mut reads = JoinSet::new();
        for number in (0..1000).rev() {
            let store = Arc::clone(&store);
            reads.spawn(async move {
                let keys = Keys::new(number + 1);
                loop {
                    match store.get(&keys.at(number), &GET).await {
                        Ok(lookup) => break assert_eq!(bytes(lookup), number.to_string()),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout),
                    }
                }
            });
        }
        while let Some(read) = reads.join_next().await {
            read.unwrap();
        }
    }
    assert_eq!(connections(&server), connection, "it was good all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_calls_at_any_point_never_mixes_replies_up() {
    let server = RedisServer::start();
    let store = Arc::new(store(&server));
    let keys = Keys::new(200);
    for (number, key) in keys.all().iter().enumerate() {
        assert!(store.set(key, &entry(number.to_string()), &always()).await.unwrap().took_place());
    }
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let keys = Keys::new(number + 1);
            for round in 0..100_u64 {
                let brief = Duration::from_micros((number as u64 * 37 + round * 13) % 3000);
                let _ = tokio::time::timeout(brief, store.get(&keys.at(number), &GET)).await;
                assert_eq!(bytes(store.get(&keys.at(number), &GET).await.unwrap()), number.to_string());
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_stays_silent_is_given_up_and_then_fails_calls_at_once() {
    let server = RedisServer::start();
    let store = store_with(&server, |config| {
        config.response_timeout = Duration::from_millis(300).into();
        config.connect_timeout = Duration::from_millis(200).into();
    });
    let keys = Keys::new(1);
    assert!(store.set(&keys.at(0), &entry("value"), &always()).await.unwrap().took_place());

    server.pause();
    let begun = Instant::now();
    let error = store.get(&keys.at(0), &GET).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!((300..400).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());

    // Connecting succeeds, since the kernel does that; the greeting is not answered.
    let error = store.get(&keys.at(0), &GET).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(begun.elapsed() < Duration::from_millis(700), "{:?}", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(store.get(&keys.at(0), &GET).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert!(begun.elapsed() < Duration::from_millis(50), "{:?}", begun.elapsed());

    server.resume();
    let (took, _) = until_it_works(&store, &keys.at(0)).await;
    assert!(took < SECOND, "{took:?}");
    assert_eq!(bytes(store.get(&keys.at(0), &GET).await.unwrap()), "value");
}

#[tokio::test]
async fn silence_is_noticed_although_each_caller_leaves_early() {
    let server = RedisServer::start();
    let store = store_with(&server, |config| {
        config.response_timeout = Duration::from_millis(300).into();
        config.connect_timeout = Duration::from_millis(200).into();
    });
    let store = Deadline::new(store, "shared", Duration::from_millis(20));
    let keys = Keys::new(1);
    store.get(&keys.at(0), &GET).await.unwrap();
    server.pause();
    let begun = Instant::now();
    while store.get(&keys.at(0), &GET).await.unwrap_err().kind() == ErrorKind::Timeout {
        assert!(begun.elapsed() < SECOND, "the connection was not given up");
        sleep(Duration::from_millis(90)).await;
    }
    server.resume();
}

#[tokio::test]
async fn an_idle_connection_is_not_taken_for_a_silent_one() {
    let server = RedisServer::start();
    let store = store_with(&server, |config| config.response_timeout = Duration::from_millis(100).into());
    let keys = Keys::new(1);
    store.get(&keys.at(0), &GET).await.unwrap();
    let connection = connections(&server);
    for _ in 0..3 {
        sleep(Duration::from_millis(350)).await;
        store.get(&keys.at(0), &GET).await.unwrap();
        assert_eq!(connections(&server), connection);
    }
}

#[tokio::test]
async fn more_calls_than_allowed_are_refused_at_once() {
    let server = RedisServer::start();
    let store = Arc::new(store_with(&server, |config| config.max_in_flight = 10));
    store.get(&Keys::new(1).at(0), &GET).await.unwrap();
    server.pause();
    let mut reads = JoinSet::new();
    for _ in 0..30 {
        let store = Arc::clone(&store);
        reads.spawn(async move { store.get(&Keys::new(1).at(0), &GET).await.map_err(|error| error.kind()) });
    }
    sleep(Duration::from_millis(100)).await;
    server.resume();
    let mut busy = 0;
    while let Some(read) = reads.join_next().await {
        if let Err(kind) = read.unwrap() {
            assert_eq!(kind, ErrorKind::Busy);
            busy += 1;
        }
    }
    assert_eq!(busy, 20);
    // Every place was given back.
    for _ in 0..100 {
        store.get(&Keys::new(1).at(0), &GET).await.unwrap();
    }
}

async fn after_close(store: &RedisBackend) {
    let keys = Keys::new(2);
    let (key, known) = (keys.at(0), entry("value"));
    let closed = |error: larder_core::Error| assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    closed(store.get(&key, &GET).await.unwrap_err());
    closed(store.set(&key, &known, &always()).await.unwrap_err());
    closed(store.touch(&key, &TouchOptions::new(known.meta().lifetime, SECOND.into())).await.unwrap_err());
    closed(store.delete(&key, &ANY).await.unwrap_err());
    store.get_many(&keys.all(), &GET).await.into_iter().for_each(|lookup| closed(lookup.unwrap_err()));
    store
        .delete_many(&removals(&keys.all()))
        .await
        .into_iter()
        .for_each(|removed| closed(removed.unwrap_err()));
    store.close().await.unwrap();
}

#[tokio::test]
async fn closing_ends_the_connection_and_every_later_call() {
    let server = RedisServer::start();
    let store = Arc::new(store(&server));
    assert!(store.set(&Keys::new(1).at(0), &entry("value"), &always()).await.unwrap().took_place());
    assert_eq!(connections(&server).len(), 1);

    server.pause();
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.get(&Keys::new(1).at(0), &GET).await.map(drop) }
    });
    sleep(Duration::from_millis(20)).await;
    // What was asked is still waited for, until the server was silent for too long.
    store.close().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    server.resume();
    after_close(&store).await;

    let begun = Instant::now();
    while !connections(&server).is_empty() {
        assert!(begun.elapsed() < SECOND, "the connection is still there");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.command(&["DBSIZE"]).integer(), Some(1));
}

#[tokio::test]
async fn closing_before_the_first_call_and_while_the_server_is_down() {
    let server = RedisServer::start();
    let never_used = store(&server);
    never_used.close().await.unwrap();
    after_close(&never_used).await;

    let down = store(&server);
    server.stop();
    assert_eq!(down.get(&Keys::new(1).at(0), &GET).await.unwrap_err().kind(), ErrorKind::Unavailable);
    down.close().await.unwrap();
    after_close(&down).await;
}

#[tokio::test]
async fn dropping_the_store_ends_the_connection() {
    let server = RedisServer::start();
    let store = store(&server);
    store.get(&Keys::new(1).at(0), &GET).await.unwrap();
    drop(store);
    let begun = Instant::now();
    while !connections(&server).is_empty() {
        assert!(begun.elapsed() < SECOND, "the connection is still there");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_connections_share_the_calls() {
    let server = RedisServer::start();
    let store = Arc::new(store_with(&server, |config| config.connections = 3));
    let traffic = Traffic::start(&store, 16);
    sleep(SECOND / 2).await;
    assert_eq!(connections(&server).len(), 3);
    let (right, failed) = traffic.stop().await;
    assert!(right > 1000);
    assert_eq!(failed, 0);
}
