//! Removing and touching under conditions, one entry or many.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{ANY, GET, Keys, always, bytes, entry, store};
use larder_core::{
    Backend as _, Clock, Result, Ttl,
    backend::{Condition, DeleteItem, TouchItem, TouchOptions, Written},
    entry::{Lifetime, Token},
};
use larder_redis::RedisBackend;
use larder_test_servers::RedisServer;

const NEVER: Ttl = Ttl::Never;

/// Writes, and gives the token of what was written.
async fn put(store: &RedisBackend, keys: &Keys, index: usize, text: &'static str) -> Token {
    match store.set(&keys.at(index), &entry(text), &always()).await.unwrap() {
        Written::Yes(token) => token,
        Written::No => unreachable!("without a condition"),
    }
}

fn hour() -> TouchOptions {
    let hour = Duration::from_hours(1);
    TouchOptions::new(Lifetime::until(Clock::system().now().plus(hour)), hour.into())
}

fn millis_left(server: &RedisServer, keys: &Keys, index: usize) -> i64 {
    server.command(&["PTTL", &keys.at(index).to_string()]).integer().unwrap()
}

fn all(results: Vec<Result<bool>>) -> Vec<bool> {
    results.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn an_entry_is_removed_and_touched_by_its_token() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    let first = put(&store, &keys, 0, "first").await;
    let second = put(&store, &keys, 0, "second").await;
    assert_eq!(store.get(&key, &GET).await.unwrap().entry().unwrap().token(), second);
    for other in [Condition::Unchanged(first), Condition::Absent] {
        assert!(!store.touch(&key, &hour().when(other)).await.unwrap(), "{other:?}");
        assert!(!store.delete(&key, &ANY.when(other)).await.unwrap(), "{other:?}");
    }
    assert!(millis_left(&server, &keys, 0) <= 60_000, "left alone");
    assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "second");

    assert!(store.touch(&key, &hour().when(Condition::Unchanged(second))).await.unwrap());
    assert!(millis_left(&server, &keys, 0) > 60_000);
    assert!(store.touch(&key, &hour().when(Condition::Present)).await.unwrap());
    assert!(
        store.delete(&key, &ANY.when(Condition::Unchanged(second))).await.unwrap(),
        "touching changes no token"
    );
    assert_eq!(server.command(&["DBSIZE"]).integer(), Some(0));
    for gone in [Condition::Unchanged(second), Condition::Present] {
        assert!(!store.touch(&key, &hour().when(gone)).await.unwrap());
        assert!(!store.delete(&key, &ANY.when(gone)).await.unwrap());
    }
    put(&store, &keys, 0, "second").await;
    assert!(!store.delete(&key, &ANY.when(Condition::Unchanged(second))).await.unwrap(), "made again");
    assert!(store.delete(&key, &ANY.when(Condition::Present)).await.unwrap());
}

#[tokio::test]
async fn what_is_no_entry_has_no_token() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let (key, text) = (keys.at(0), keys.at(0).to_string());
    let token = Condition::Unchanged(Token(u64::from_le_bytes([b'x'; 8])));
    let string = "x".repeat(200);
    for command in [["SET", text.as_str(), string.as_str()], ["RPUSH", text.as_str(), "a list"]] {
        server.command(&command);
        assert!(!store.delete(&key, &ANY.when(token)).await.unwrap());
        assert!(!store.touch(&key, &hour().when(token)).await.unwrap());
        assert_eq!(server.command(&["DEL", &text]).integer(), Some(1));
    }
}

#[tokio::test]
async fn many_are_touched_in_one_round_trip_each_under_its_condition() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(600));
    let mut tokens = Vec::new();
    for index in 0..3 {
        tokens.push(put(&store, &keys, index, "value").await);
    }
    let item = |index, condition| TouchItem::new(keys.at(index), hour().when(condition));
    for _ in 0..2 {
        server.command(&["SCRIPT", "FLUSH"]);
        let touched = store
            .touch_many(&[
                item(0, Condition::Always),
                item(1, Condition::Unchanged(tokens[1])),
                item(2, Condition::Unchanged(tokens[1])),
                item(2, Condition::Absent),
                item(3, Condition::Always),
                TouchItem::new(
                    keys.at(1),
                    TouchOptions::new(Lifetime::until(larder_core::clock::Timestamp::NEVER), NEVER),
                ),
            ])
            .await;
        assert_eq!(all(touched), [true, true, false, false, false, true]);
        assert!(millis_left(&server, &keys, 0) > 60_000);
        assert_eq!(millis_left(&server, &keys, 1), -1, "the later one stays");
        assert!(millis_left(&server, &keys, 2) <= 60_000);
    }

    for index in 0..600 {
        put(&store, &keys, index, "value").await;
    }
    let items: Vec<_> = (0..600).map(|index| item(index, Condition::Always)).collect();
    assert!(all(store.touch_many(&items).await).into_iter().all(|touched| touched));
    server.command(&["CONFIG", "RESETSTAT"]);
    assert!(all(store.touch_many(&items).await).into_iter().all(|touched| touched));
    let stats = server.command(&["INFO", "commandstats"]).to_string();
    assert!(stats.contains("cmdstat_evalsha:calls=597") && stats.contains("cmdstat_eval:calls=3"), "{stats}");
    assert!(store.touch_many(&[]).await.is_empty());
}

#[tokio::test]
async fn many_are_removed_each_under_its_condition() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(5));
    let mut tokens = Vec::new();
    for index in 0..4 {
        tokens.push(put(&store, &keys, index, "value").await);
    }
    // The server does not know the script yet, and is to take the removals in their order all the same.
    let item = |index, condition| DeleteItem::new(keys.at(index), ANY.when(condition));
    let removed = store
        .delete_many(&[
            item(0, Condition::Always),
            item(1, Condition::Unchanged(tokens[0])),
            item(1, Condition::Unchanged(tokens[1])),
            item(1, Condition::Always),
            item(2, Condition::Absent),
            item(3, Condition::Present),
            item(4, Condition::Present),
        ])
        .await;
    assert_eq!(all(removed), [true, false, true, false, false, true, false]);
    assert_eq!(server.command(&["DBSIZE"]).integer(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_by_token_never_takes_what_came_after() {
    let server = RedisServer::start();
    let stores = [Arc::new(store(&server)), Arc::new(store(&server))];
    let workers = (0..8_usize).map(|worker| {
        let store = Arc::clone(&stores[worker % 2]);
        tokio::spawn(async move {
            let keys = Keys::new(1);
            let (mut written, mut removed) = (0, 0);
            for _ in 0..200 {
                let add = always().when(Condition::Absent);
                if let Written::Yes(token) = store.set(&keys.at(0), &entry("mine"), &add).await.unwrap() {
                    written += 1;
                    let mine = ANY.when(Condition::Unchanged(token));
                    removed += u32::from(store.delete(&keys.at(0), &mine).await.unwrap());
                    assert!(!store.delete(&keys.at(0), &mine).await.unwrap());
                }
            }
            (written, removed)
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        let (written, removed) = worker.await.unwrap();
        assert_eq!(written, removed, "somebody else removed it");
    }
}
