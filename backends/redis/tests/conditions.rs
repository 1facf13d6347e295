//! Writes under a condition: of several at once, one wins.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{ANY, GET, Keys, always, bytes, entry, store, when};
use larder_core::{
    Backend as _,
    backend::{Condition, SetOptions, TouchOptions},
    entry::Token,
};
use larder_redis::RedisBackend;
use larder_test_servers::RedisServer;
use tokio::task::JoinSet;

async fn token(store: &RedisBackend, keys: &Keys) -> Token {
    store.get(&keys.at(0), &GET).await.unwrap().entry().unwrap().token()
}

/// Runs this in as many tasks at once as there are numbers, and returns how many were told that they had written.
async fn winners<F>(numbers: std::ops::Range<u8>, write: impl Fn(u8) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut tasks: JoinSet<bool> = numbers.map(write).collect();
    let mut won = 0;
    while let Some(done) = tasks.join_next().await {
        won += usize::from(done.unwrap());
    }
    won
}

#[tokio::test]
async fn add_writes_only_where_nothing_is() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    let brief = SetOptions::new(Duration::from_millis(40).into()).when(Condition::Absent);
    assert!(store.set(&key, &entry("first"), &brief).await.unwrap().took_place());
    assert!(!store.set(&key, &entry("second"), &when(Condition::Absent)).await.unwrap().took_place());
    assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "first");
    assert!(server.command(&["PTTL", &key.to_string()]).integer().unwrap() <= 40);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(store.set(&key, &entry("third"), &when(Condition::Absent)).await.unwrap().took_place());
}

#[tokio::test]
async fn replace_writes_only_where_something_is() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    assert!(!store.set(&key, &entry("first"), &when(Condition::Present)).await.unwrap().took_place());
    assert_eq!(server.command(&["DBSIZE"]).integer(), Some(0));
    assert!(store.set(&key, &entry("second"), &always()).await.unwrap().took_place());
    assert!(store.set(&key, &entry("third"), &when(Condition::Present)).await.unwrap().took_place());
    assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "third");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_adds_at_once_exactly_one_writes() {
    let server = RedisServer::start();
    // Two stores, as two processes would have.
    let stores = [Arc::new(store(&server)), Arc::new(store(&server))];
    for round in 0..20 {
        let won = winners(0..32, |number| {
            let store = Arc::clone(&stores[usize::from(number % 2)]);
            async move {
                let keys = Keys::new(round + 1);
                store
                    .set(&keys.at(round), &entry(vec![number]), &when(Condition::Absent))
                    .await
                    .unwrap()
                    .took_place()
            }
        });
        assert_eq!(won.await, 1, "round {round}");
    }
}

#[tokio::test]
async fn compare_and_set_writes_only_over_the_entry_that_was_read() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    assert!(store.set(&key, &entry("first"), &always()).await.unwrap().took_place());
    let first = token(&store, &keys).await;

    let forever = SetOptions::new(larder_core::Ttl::Never).when(Condition::Unchanged(first));
    assert!(store.set(&key, &entry("second"), &forever).await.unwrap().took_place());
    assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "second");
    assert_eq!(server.command(&["PTTL", &key.to_string()]).integer(), Some(-1));

    assert!(
        !store.set(&key, &entry("stale"), &when(Condition::Unchanged(first))).await.unwrap().took_place()
    );
    assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "second");

    // The same value again is another entry.
    let second = token(&store, &keys).await;
    store.delete(&key, &ANY).await.unwrap();
    assert!(
        !store.set(&key, &entry("gone"), &when(Condition::Unchanged(second))).await.unwrap().took_place()
    );
    assert_eq!(server.command(&["DBSIZE"]).integer(), Some(0));
    assert!(store.set(&key, &entry("second"), &always()).await.unwrap().took_place());
    assert!(
        !store.set(&key, &entry("stale"), &when(Condition::Unchanged(second))).await.unwrap().took_place()
    );

    let third = token(&store, &keys).await;
    assert!(store.set(&key, &entry("third"), &when(Condition::Unchanged(third))).await.unwrap().took_place());
    assert!((59_000..=60_000).contains(&server.command(&["PTTL", &key.to_string()]).integer().unwrap()));
}

#[tokio::test]
async fn compare_and_set_leaves_what_is_no_entry() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    let text = key.to_string();
    let options = when(Condition::Unchanged(Token(u64::from_le_bytes([b'x'; 8]))));
    server.command(&["SET", &text, &"x".repeat(200)]);
    assert!(!store.set(&key, &entry("ours"), &options).await.unwrap().took_place());
    server.command(&["DEL", &text]);
    server.command(&["RPUSH", &text, "a list"]);
    assert!(!store.set(&key, &entry("ours"), &options).await.unwrap().took_place());
    assert_eq!(server.command(&["TYPE", &text]).to_string(), "list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_32_compare_and_sets_of_one_token_exactly_one_writes() {
    let server = RedisServer::start();
    let store = Arc::new(store(&server));
    let keys = Keys::new(1);
    assert!(store.set(&keys.at(0), &entry("start"), &always()).await.unwrap().took_place());
    for round in 0..20 {
        let token = token(&store, &keys).await;
        let won = winners(0..32, |number| {
            let store = Arc::clone(&store);
            async move {
                let options = when(Condition::Unchanged(token));
                store.set(&Keys::new(1).at(0), &entry(vec![number]), &options).await.unwrap().took_place()
            }
        });
        assert_eq!(won.await, 1, "round {round}");
    }
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    assert!(store.set(&key, &entry("value"), &always()).await.unwrap().took_place());
    for _ in 0..3 {
        server.command(&["SCRIPT", "FLUSH"]);
        let options = when(Condition::Unchanged(token(&store, &keys).await));
        assert!(store.set(&key, &entry("next"), &options).await.unwrap().took_place());
        server.command(&["SCRIPT", "FLUSH"]);
        let lifetime = store.get(&key, &GET).await.unwrap().entry().unwrap().meta().lifetime;
        assert!(
            store.touch(&key, &TouchOptions::new(lifetime, Duration::from_secs(9).into())).await.unwrap()
        );
    }
    // Known, they go by their hash.
    server.command(&["CONFIG", "RESETSTAT"]);
    let options = when(Condition::Unchanged(token(&store, &keys).await));
    server.command(&["SCRIPT", "FLUSH"]);
    assert!(store.set(&key, &entry("next"), &options).await.unwrap().took_place());
    let stats = server.command(&["INFO", "commandstats"]).to_string();
    assert!(stats.contains("cmdstat_evalsha:calls=1") && stats.contains("cmdstat_eval:calls=1"), "{stats}");
    assert!(!store.set(&key, &entry("next"), &options).await.unwrap().took_place(), "it was replaced");
    let stats = server.command(&["INFO", "commandstats"]).to_string();
    assert!(stats.contains("cmdstat_evalsha:calls=2") && stats.contains("cmdstat_eval:calls=1"), "{stats}");
}

/// What was given up while it was being sent must not arrive after what came later.
#[tokio::test]
async fn all_writes_go_over_one_connection_however_many_there_are() {
    let server = RedisServer::start();
    let (store, keys) = (common::store_with(&server, |config| config.connections = 4), Keys::new(12));
    let last_commands = || {
        let clients = server.command(&["CLIENT", "LIST"]).to_string();
        let written = |what: &str| clients.matches(what).count();
        (written("cmd=get "), written("cmd=set ") + written("cmd=unlink "))
    };
    for index in 0..12 {
        assert!(store.set(&keys.at(index), &entry("v"), &always()).await.unwrap().took_place());
        store.get(&keys.at(index), &GET).await.unwrap();
    }
    for index in 0..12 {
        assert!(store.delete(&keys.at(index), &ANY).await.unwrap());
    }
    // Reads are on all of them; the last of each but one was a read.
    assert_eq!(last_commands(), (3, 1));
}
