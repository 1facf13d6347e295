//! Counters on a real server.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{ANY, connections, get, key, miss, set, store};
use larder_core::{
    Backend, ErrorKind, Key, Miss, Result, Ttl,
    backend::{CounterEnds, CounterOptions},
    key::{Namespace, StoreKey},
};
use larder_test_servers::MemcachedServer;

const MINUTE: Ttl = Ttl::After(Duration::from_mins(1));
const KEPT: CounterOptions = CounterOptions::new(MINUTE);

fn from(initial: u64) -> CounterOptions {
    KEPT.with_initial(Some(initial))
}

async fn count(store: &impl Backend, by: i64, options: CounterOptions) -> Result<Option<u64>> {
    store.counters().unwrap().increment(&key("plum").get(), by, &options).await
}

/// How many seconds the server will keep the counter; -1 for ever.
fn seconds_left(server: &MemcachedServer) -> i64 {
    let answer = server.command("mg t:plum+c t");
    answer.trim_end().strip_prefix("HD t").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_counter_counts_beside_the_entries() {
    let server = MemcachedServer::start();
    let store = store(&server);
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), None);
    assert_eq!(server.command("mg t:plum+c v"), "EN\r\n");
    assert_eq!(count(&store, 1, from(10)).await.unwrap(), Some(10));
    assert!((59..=62).contains(&seconds_left(&server)), "{}", seconds_left(&server));
    assert_eq!(count(&store, 5, from(0)).await.unwrap(), Some(15));
    assert_eq!(count(&store, -6, KEPT).await.unwrap(), Some(9), "the server pads it with a space");
    assert_eq!(count(&store, 0, CounterOptions::new(Ttl::Never)).await.unwrap(), Some(9));
    assert!(seconds_left(&server) > 0, "the TTL is kept");

    assert_eq!(miss(&store, "plum").await, Miss::Absent);
    assert!(!store.delete(&key("plum").get(), &ANY).await.unwrap());
    assert!(set(&store, "plum", "entry").await.unwrap());
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), Some(10));
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"entry"[..]));
}

#[tokio::test]
async fn the_server_keeps_a_counter_for_its_ttl_and_a_little_longer() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let day = 24 * 60 * 60;
    for (millis, seconds) in
        [(1, 1), (1500, 2), (60_000, 60), (30 * day * 1000, 30 * day), (31 * day * 1000, 31 * day)]
    {
        let ttl = Ttl::After(Duration::from_millis(millis));
        assert_eq!(count(&store, 1, CounterOptions::new(ttl).with_initial(Some(7))).await.unwrap(), Some(7));
        let (left, seconds) = (seconds_left(&server), i64::try_from(seconds).unwrap());
        assert!((seconds..=seconds + 3).contains(&left), "{ttl:?}: {left} s");
        server.command("md t:plum+c");
    }
    for ttl in [Ttl::Never, Ttl::After(Duration::MAX)] {
        assert_eq!(count(&store, 1, CounterOptions::new(ttl).with_initial(Some(7))).await.unwrap(), Some(7));
        assert_eq!(seconds_left(&server), -1, "{ttl:?}");
        server.command("md t:plum+c");
    }
    // Over at once: not kept at all.
    let none = CounterOptions::new(Duration::ZERO.into()).with_initial(Some(3));
    assert_eq!(count(&store, 1, none).await.unwrap(), Some(3));
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), None);
}

#[tokio::test]
async fn at_its_ends_a_counter_stops_and_wraps() {
    let server = MemcachedServer::start();
    let store = store(&server);
    assert_eq!(store.capabilities().counter_ends, CounterEnds::StopAndWrap);
    assert_eq!(count(&store, 1, from(u64::MAX - 1)).await.unwrap(), Some(u64::MAX - 1));
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), Some(u64::MAX));
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), Some(0));
    assert_eq!(count(&store, i64::MAX, KEPT).await.unwrap(), Some(i64::MAX as u64));
    assert_eq!(count(&store, i64::MIN, KEPT).await.unwrap(), Some(0));
    assert_eq!(count(&store, -1, KEPT).await.unwrap(), Some(0));
}

#[tokio::test]
async fn what_is_no_counter_is_said_to_be_none_and_costs_nobody_the_connection() {
    let server = MemcachedServer::start();
    let store = store(&server);
    assert_eq!(count(&store, 1, KEPT).await.unwrap(), None);
    server.command("set t:plum+c 0 0 3\r\nabc");
    let before = connections(&server);
    for _ in 0..3 {
        let error = count(&store, 1, from(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert_eq!(miss(&store, "plum").await, Miss::Absent);
    }
    // The question is a connection, too.
    assert_eq!(connections(&server), before + 1);
}

#[tokio::test]
async fn the_longest_key_can_be_counted_under() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let namespace = Namespace::new(&"n".repeat(70), 0).unwrap();
    let key = Key::new("k".repeat(1000));
    let key = StoreKey::new(&namespace, &key);
    let options = from(u64::MAX);
    assert_eq!(store.counters().unwrap().increment(&key, i64::MIN, &options).await.unwrap(), Some(u64::MAX));
    assert_eq!(store.counters().unwrap().increment(&key, -1, &options).await.unwrap(), Some(u64::MAX - 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_increments_of_two_processes_lose_nothing() {
    let server = MemcachedServer::start();
    let stores = [Arc::new(store(&server)), Arc::new(store(&server))];
    let workers = (0..8_usize).map(|worker| {
        let store = Arc::clone(&stores[worker % 2]);
        tokio::spawn(async move {
            for _ in 0..500 {
                assert!(count(&*store, 3, from(0)).await.unwrap().is_some());
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    assert_eq!(
        count(&*stores[0], 0, KEPT).await.unwrap(),
        Some(3 * (8 * 500 - 1)),
        "one of them made it, with 0"
    );
}
