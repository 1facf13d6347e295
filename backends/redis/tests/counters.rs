//! Counters on a real server.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{ANY, GET, Keys, always, bytes, entry, store};
use larder_core::{
    Backend as _, ErrorKind, Result, Ttl,
    backend::{CounterEnds, CounterOptions},
    key::COUNTER_SUFFIX,
};
use larder_redis::RedisBackend;
use larder_test_servers::RedisServer;

const MINUTE: Ttl = Ttl::After(Duration::from_mins(1));
const KEPT: CounterOptions = CounterOptions::new(MINUTE);
const MAX: u64 = i64::MAX as u64;

fn from(initial: u64) -> CounterOptions {
    KEPT.with_initial(Some(initial))
}

async fn count(store: &RedisBackend, by: i64, options: CounterOptions) -> Result<Option<u64>> {
    store.counters().unwrap().increment(&Keys::new(1).at(0), by, &options).await
}

#[tokio::test]
async fn a_counter_counts_beside_the_entries() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let name = format!("{}{COUNTER_SUFFIX}", keys.at(0));
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), None);
    assert_eq!(server.command(&["DBSIZE"]).integer(), Some(0));
    assert_eq!(count(&store, 1, from(10)).await.unwrap(), Some(10));
    let left = server.command(&["PTTL", &name]).integer().unwrap();
    assert!((59_000..=60_000).contains(&left), "{left}");
    assert_eq!(count(&store, 5, from(0)).await.unwrap(), Some(15));
    assert_eq!(count(&store, -6, KEPT).await.unwrap(), Some(9));
    assert_eq!(count(&store, 0, CounterOptions::new(Ttl::Never)).await.unwrap(), Some(9));
    assert!(server.command(&["PTTL", &name]).integer().unwrap() > 0, "the TTL is kept");
    assert_eq!(server.command(&["GET", &name]).to_string(), "9");

    assert!(store.get(&keys.at(0), &GET).await.unwrap().entry().is_none());
    assert!(!store.delete(&keys.at(0), &ANY).await.unwrap());
    assert!(store.set(&keys.at(0), &entry("entry"), &always()).await.unwrap().took_place());
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), Some(10));
    assert_eq!(bytes(store.get(&keys.at(0), &GET).await.unwrap()), "entry");
}

#[tokio::test]
async fn a_ttl_is_given_only_to_a_counter_that_is_made() {
    let server = RedisServer::start();
    let store = store(&server);
    let brief = CounterOptions::new(Duration::from_millis(40).into()).with_initial(Some(1));
    assert_eq!(count(&store, 1, brief).await.unwrap(), Some(1));
    assert_eq!(count(&store, 1, from(7)).await.unwrap(), Some(2));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), None);
    // Over at once: not kept at all.
    let none = CounterOptions::new(Duration::ZERO.into()).with_initial(Some(3));
    assert_eq!(count(&store, 1, none).await.unwrap(), Some(3));
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), None);
    let ever = CounterOptions::new(Ttl::Never).with_initial(Some(4));
    assert_eq!(count(&store, 1, ever).await.unwrap(), Some(4));
    let name = format!("{}{COUNTER_SUFFIX}", Keys::new(1).at(0));
    assert_eq!(server.command(&["PTTL", &name]).integer(), Some(-1));
}

#[tokio::test]
async fn numbers_are_exact_up_to_both_ends_and_go_no_further() {
    let server = RedisServer::start();
    let store = store(&server);
    assert_eq!(store.capabilities().counter_ends, CounterEnds::Refuse);
    let refused = async |by| {
        let error = count(&store, by, KEPT).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange, "{by}: {error}");
    };
    // A double cannot hold these.
    assert_eq!(count(&store, 1, from(MAX - 2)).await.unwrap(), Some(MAX - 2));
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), Some(MAX - 1));
    for by in [2, i64::MAX, i64::MIN] {
        refused(by).await;
    }
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), Some(MAX));
    assert_eq!(count(&store, -i64::MAX, KEPT).await.unwrap(), Some(0));
    for by in [-1, -i64::MAX, i64::MIN] {
        refused(by).await;
    }
    assert_eq!(count(&store, 100, KEPT).await.unwrap(), Some(100));
    assert_eq!(count(&store, -99, KEPT).await.unwrap(), Some(1));
    refused(-2).await;
    refused(-10).await;
    assert_eq!(count(&store, -1, KEPT).await.unwrap(), Some(0));

    assert_eq!(count(&store, 1, from(MAX + 1)).await.unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(count(&store, 0, KEPT).await.unwrap(), Some(0));
}

#[tokio::test]
async fn what_is_no_counter_is_said_to_be_none_and_left() {
    let server = RedisServer::start();
    let store = store(&server);
    let name = format!("{}{COUNTER_SUFFIX}", Keys::new(1).at(0));
    for foreign in ["", "abc", "-5", "1.5", " 1", "99999999999999999999", "9223372036854775808"] {
        server.command(&["SET", &name, foreign]);
        let error = count(&store, 1, from(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{foreign}: {error}");
        assert_eq!(server.command(&["GET", &name]).to_string(), foreign);
    }
    server.command(&["DEL", &name]);
    server.command(&["RPUSH", &name, "a list"]);
    assert_eq!(count(&store, 1, from(1)).await.unwrap_err().kind(), ErrorKind::Decode);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_increments_of_two_processes_lose_nothing() {
    let server = RedisServer::start();
    let stores = [Arc::new(store(&server)), Arc::new(store(&server))];
    let workers = (0..8_usize).map(|worker| {
        let store = Arc::clone(&stores[worker % 2]);
        tokio::spawn(async move {
            for _ in 0..500 {
                assert!(count(&store, 3, from(0)).await.unwrap().is_some());
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    assert_eq!(
        count(&stores[0], 0, KEPT).await.unwrap(),
        Some(3 * (8 * 500 - 1)),
        "one of them made it, with 0"
    );
}
