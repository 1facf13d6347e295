//! Writes under conditions, and many who try at once.

mod common;

use std::{sync::Arc, time::Duration};

use common::{ANY, get, hit, key, miss, set, set_when, store};
use larder_core::{
    Backend as _, Cache, Clock, ErrorKind, Key, Miss, Ttl,
    backend::{Condition, SetItem, SetOptions, TouchOptions},
    clock::Timestamp,
    entry::{Lifetime, Token},
    miss::Undecodable,
};
use larder_test_servers::MemcachedServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_thirty_two_who_add_at_once_one_succeeds() {
    let server = MemcachedServer::start();
    // Two stores, as two processes would have.
    let stores = [Arc::new(store(&server)), Arc::new(store(&server))];
    for round in 0..50 {
        let name = format!("plum{round}");
        let adding: Vec<_> = (0..32)
            .map(|n: usize| {
                let (store, name) = (Arc::clone(&stores[n % 2]), name.clone());
                tokio::spawn(async move {
                    set_when(&*store, &name, n.to_string(), Condition::Absent).await.unwrap()
                })
            })
            .collect();
        let mut winners = Vec::new();
        for (n, adding) in adding.into_iter().enumerate() {
            if adding.await.unwrap() {
                winners.push(n.to_string());
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(get(&*stores[0], &name).await.as_deref(), Some(winners[0].as_bytes()));
    }
}

#[tokio::test]
async fn conditions_hold_or_do_not() {
    let server = MemcachedServer::start();
    let store = store(&server);
    assert!(!set_when(&store, "plum", "no", Condition::Present).await.unwrap());
    assert!(!set_when(&store, "plum", "no", Condition::Unchanged(Token(7))).await.unwrap());
    assert_eq!(miss(&store, "plum").await, Miss::Absent);
    assert!(set_when(&store, "plum", "added", Condition::Absent).await.unwrap());
    assert!(!set_when(&store, "plum", "no", Condition::Absent).await.unwrap());
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"added"[..]));
    assert!(set_when(&store, "plum", "replaced", Condition::Present).await.unwrap());

    let token = hit(&store, "plum").await.token();
    assert!(set_when(&store, "plum", "changed", Condition::Unchanged(token)).await.unwrap());
    assert!(!set_when(&store, "plum", "no", Condition::Unchanged(token)).await.unwrap());
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"changed"[..]));
}

#[tokio::test]
async fn an_entry_that_is_over_counts_as_absent_while_the_server_still_has_it() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let short = Ttl::After(Duration::from_millis(20));
    let begin = async |name: &str| {
        let until = Clock::system().now().plus(Duration::from_millis(20));
        let entry = common::entry_until("over soon", until);
        let written = store.set(&key(name).get(), &entry, &SetOptions::new(short)).await.unwrap();
        assert!(written.took_place());
        entry.token()
    };
    let tokens = [begin("a").await, begin("b").await, begin("c").await];
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(
        server.command("mg t:a v").starts_with("VA"),
        "the server has it no more: the case shows nothing"
    );
    assert!(!set_when(&store, "a", "no", Condition::Present).await.unwrap());
    assert!(!set_when(&store, "a", "no", Condition::Unchanged(tokens[0])).await.unwrap());
    let keys = ["a", "b", "c"].map(key);
    let conditions = [Condition::Unchanged(tokens[0]), Condition::Present, Condition::Unchanged(tokens[2])];
    let items: Vec<_> = keys
        .iter()
        .zip(conditions)
        .map(|(key, condition)| {
            SetItem::new(key.get(), common::entry("no"), SetOptions::new(Ttl::Never).when(condition))
        })
        .collect();
    let written: Vec<bool> =
        common::done(store.set_many(&items).await).into_iter().map(Result::unwrap).collect();
    assert_eq!(written, [false; 3]);
    assert!(
        server.command("mg t:c v").starts_with("VA"),
        "the server has it no more: the case shows nothing"
    );
    assert!(set_when(&store, "a", "yes", Condition::Absent).await.unwrap());
}

#[tokio::test]
async fn a_token_outlives_neither_deletion_nor_a_restart_but_a_touch() {
    let server = MemcachedServer::start();
    let store = store(&server);
    set(&store, "plum", "one").await.unwrap();
    let token = hit(&store, "plum").await.token();
    store.delete(&key("plum").get(), &ANY).await.unwrap();
    set(&store, "plum", "two").await.unwrap();
    assert!(!set_when(&store, "plum", "no", Condition::Unchanged(token)).await.unwrap());

    // A server that was restarted gives its own numbers out again.
    let token = hit(&store, "plum").await.token();
    server.restart();
    common::recovery(&store).await;
    for n in 0..10 {
        set(&store, "plum", n.to_string()).await.unwrap();
        assert!(!set_when(&store, "plum", "no", Condition::Unchanged(token)).await.unwrap());
    }

    let token = hit(&store, "plum").await.token();
    let never = Lifetime::until(Timestamp::NEVER);
    assert!(store.touch(&key("plum").get(), &TouchOptions::new(never, Ttl::Never)).await.unwrap());
    assert!(set_when(&store, "plum", "three", Condition::Unchanged(token)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_by_compare_and_set_lose_nothing() {
    let server = MemcachedServer::start();
    let store = Arc::new(store(&server));
    set(&*store, "count", "0").await.unwrap();
    let counting: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = 0;
                while done < 25 {
                    let entry = hit(&*store, "count").await;
                    let count: u32 = std::str::from_utf8(&common::value(&entry)).unwrap().parse().unwrap();
                    let next = (count + 1).to_string();
                    if set_when(&*store, "count", next, Condition::Unchanged(entry.token())).await.unwrap() {
                        done += 1;
                    }
                }
            })
        })
        .collect();
    for counting in counting {
        counting.await.unwrap();
    }
    assert_eq!(get(&*store, "count").await.as_deref(), Some(&b"200"[..]));
}

#[tokio::test]
async fn bytes_that_are_no_entry_stand_in_nobodys_way_except_a_newer_programs() {
    let server = MemcachedServer::start();
    let store = store(&server);
    server.command("set t:plum 0 0 7\r\nforeign");
    assert_eq!(miss(&store, "plum").await, Miss::Undecodable(Undecodable::Foreign));
    assert!(!set_when(&store, "plum", "no", Condition::Present).await.unwrap());
    assert!(
        !store
            .touch(&key("plum").get(), &TouchOptions::new(Lifetime::until(Timestamp::NEVER), Ttl::Never))
            .await
            .unwrap()
    );
    assert!(set_when(&store, "plum", "ripe", Condition::Absent).await.unwrap());
    server.command("set t:plum 0 0 7\r\nforeign");
    assert!(!store.delete(&key("plum").get(), &ANY).await.unwrap());
    assert_eq!(server.command("mg t:plum v"), "EN\r\n");

    let newer = [&b"LRD\x1a\xfe"[..], &[0; 100]].concat();
    server.command_bytes(&[b"set t:plum 0 0 105\r\n".as_slice(), &newer].concat());
    assert!(miss(&store, "plum").await.is_from_the_future());
    assert!(!set_when(&store, "plum", "no", Condition::Absent).await.unwrap());
    assert!(
        !store
            .touch(&key("plum").get(), &TouchOptions::new(Lifetime::until(Timestamp::NEVER), Ttl::Never))
            .await
            .unwrap()
    );
    assert!(miss(&store, "plum").await.is_from_the_future(), "left alone");
    assert!(store.delete(&key("plum").get(), &ANY).await.unwrap());
}

#[tokio::test]
async fn a_server_without_cas_is_distinguished_from_one_that_agrees() {
    let server = MemcachedServer::builder().argument("-C").start();
    let store = store(&server);
    set(&store, "plum", "ripe").await.unwrap();
    let token = hit(&store, "plum").await.token();
    let error = set_when(&store, "plum", "no", Condition::Unchanged(token)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let never = Lifetime::until(Timestamp::NEVER);
    let error = store.touch(&key("plum").get(), &TouchOptions::new(never, Ttl::Never)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!set_when(&store, "plum", "no", Condition::Absent).await.unwrap());
    assert!(set_when(&store, "pear", "yes", Condition::Absent).await.unwrap());
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"ripe"[..]));
    // For this the server has a condition of its own.
    assert!(set_when(&store, "plum", "riper", Condition::Present).await.unwrap());
    assert!(!set_when(&store, "cherry", "no", Condition::Present).await.unwrap());
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"riper"[..]));
}

#[tokio::test]
async fn a_cache_on_it_adds_clears_and_invalidates() {
    let server = MemcachedServer::start();
    let cache: Cache<String> = Cache::builder(store(&server)).namespace("fruit").build().unwrap();
    let (plum, pear) = (Key::new("plum"), Key::new("pear"));
    assert!(cache.add(&plum, "ripe".into()).await.unwrap());
    assert!(!cache.add(&plum, "no".into()).await.unwrap());
    cache.at(&pear).tag("green").set("hard".into()).await.unwrap();
    cache.invalidate_tag("green").await.unwrap();
    assert!(cache.get(&pear).await.unwrap().is_none());
    assert_eq!(*cache.get(&plum).await.unwrap().unwrap(), "ripe");
    // Dead by its tag, and still on the server: an add replaces it.
    assert!(cache.add(&pear, "soft".into()).await.unwrap());
    cache.clear().await.unwrap();
    assert!(cache.get(&plum).await.unwrap().is_none());
}
