//! Removing and touching under conditions, one entry or many.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{ANY, GET, entry, entry_until, get, hit, key, miss, set, statistic, store};
use larder_core::{
    Backend, Clock, Result, Ttl,
    backend::{Condition, DeleteItem, SetOptions, TouchItem, TouchOptions, Written},
    clock::Timestamp,
    entry::{Lifetime, Token},
};
use larder_test_servers::MemcachedServer;

const FOREVER: TouchOptions = TouchOptions::new(Lifetime::until(Timestamp::NEVER), Ttl::Never);

/// Writes for a minute, and gives the token of what was written.
async fn put(store: &impl Backend, name: &str, text: &'static str) -> Token {
    let minute = Duration::from_mins(1);
    let entry = entry_until(text, Clock::system().now().plus(minute));
    match store.set(&key(name).get(), &entry, &SetOptions::new(minute.into())).await.unwrap() {
        Written::Yes(token) => token,
        Written::No => unreachable!("without a condition"),
    }
}

fn all(results: Vec<Result<bool>>) -> Vec<bool> {
    results.into_iter().map(Result::unwrap).collect()
}

async fn is_forever(store: &impl Backend, name: &str) -> bool {
    hit(store, name).await.meta().lifetime.expires == Timestamp::NEVER
}

#[tokio::test]
async fn an_entry_is_removed_and_touched_by_its_token() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let first = put(&store, "plum", "first").await;
    let second = put(&store, "plum", "second").await;
    let plum = key("plum");
    for other in [Condition::Unchanged(first), Condition::Absent] {
        assert!(!store.touch(&plum.get(), &FOREVER.when(other)).await.unwrap(), "{other:?}");
        assert!(!store.delete(&plum.get(), &ANY.when(other)).await.unwrap(), "{other:?}");
    }
    assert!(!is_forever(&store, "plum").await, "left alone");
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"second"[..]));

    assert!(store.touch(&plum.get(), &FOREVER.when(Condition::Unchanged(second))).await.unwrap());
    assert!(is_forever(&store, "plum").await);
    assert!(store.touch(&plum.get(), &FOREVER.when(Condition::Present)).await.unwrap());
    assert!(
        store.delete(&plum.get(), &ANY.when(Condition::Unchanged(second))).await.unwrap(),
        "touched, it is the same"
    );
    assert_eq!(server.command("mg t:plum v"), "EN\r\n");
    for gone in [Condition::Unchanged(second), Condition::Present] {
        assert!(!store.touch(&plum.get(), &FOREVER.when(gone)).await.unwrap());
        assert!(!store.delete(&plum.get(), &ANY.when(gone)).await.unwrap());
    }
    put(&store, "plum", "second").await;
    assert!(!store.delete(&plum.get(), &ANY.when(Condition::Unchanged(second))).await.unwrap(), "made again");
    // A TTL of zero removes, under the condition as well.
    let over = TouchOptions::new(Lifetime::until(Clock::system().now()), Duration::ZERO.into());
    assert!(!store.touch(&plum.get(), &over.when(Condition::Unchanged(second))).await.unwrap());
    assert!(store.touch(&plum.get(), &over.when(Condition::Present)).await.unwrap());
    assert_eq!(server.command("mg t:plum v"), "EN\r\n");
}

#[tokio::test]
async fn an_entry_that_is_over_is_neither_touched_nor_removed() {
    let server = MemcachedServer::start();
    let clock = Clock::manual();
    let store = store(&server).with_clock(clock.clone());
    let minute = Duration::from_mins(1);
    let plum = key("plum");
    let entry = entry_until("old", clock.now().plus(minute));
    let Written::Yes(token) = store.set(&plum.get(), &entry, &SetOptions::new(minute.into())).await.unwrap()
    else {
        unreachable!("without a condition")
    };
    clock.advance(minute);
    let same = Condition::Unchanged(token);
    assert!(!store.touch(&plum.get(), &FOREVER.when(same)).await.unwrap());
    assert!(!all(store.touch_many(&[TouchItem::new(plum.get(), FOREVER.when(same))]).await)[0]);
    assert!(!store.delete(&plum.get(), &ANY.when(same)).await.unwrap());
    assert!(!all(store.delete_many(&[DeleteItem::new(plum.get(), ANY.when(same))]).await)[0]);
}

#[tokio::test]
async fn many_are_touched_in_two_round_trips_each_under_its_condition() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let tokens = [put(&store, "a", "1").await, put(&store, "b", "2").await, put(&store, "c", "3").await];
    let keys = ["a", "b", "c", "d"].map(key);
    let item = |index: usize, condition| TouchItem::new(keys[index].get(), FOREVER.when(condition));
    let touched = store
        .touch_many(&[
            item(0, Condition::Always),
            item(1, Condition::Unchanged(tokens[0])),
            item(1, Condition::Unchanged(tokens[1])),
            item(2, Condition::Unchanged(tokens[0])),
            item(3, Condition::Present),
        ])
        .await;
    assert_eq!(all(touched), [true, false, true, false, false]);
    for (name, forever) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(is_forever(&store, name).await, forever, "{name}");
    }

    // Twice in one call: the later one stays.
    let day = Duration::from_hours(24);
    let lifetime = Lifetime::until(Clock::system().now().plus(day));
    let twice =
        [item(0, Condition::Always), TouchItem::new(keys[0].get(), TouchOptions::new(lifetime, day.into()))];
    assert_eq!(all(store.touch_many(&twice).await), [true, true]);
    assert_eq!(hit(&store, "a").await.meta().lifetime, lifetime);

    let keys: Vec<_> = (0..1000).map(key).collect();
    for key in &keys {
        let written = store.set(&key.get(), &entry("value"), &SetOptions::new(Ttl::Never)).await;
        assert!(written.unwrap().took_place());
    }
    let items: Vec<_> = keys.iter().map(|key| TouchItem::new(key.get(), FOREVER)).collect();
    let before = statistic(&server, "stats", "cmd_get");
    assert!(all(store.touch_many(&items).await).into_iter().all(|touched| touched));
    assert_eq!(statistic(&server, "stats", "cmd_get") - before, 1000);
    assert!(store.touch_many(&[]).await.is_empty());
}

#[tokio::test]
async fn many_are_removed_each_under_its_condition() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let mut tokens = Vec::new();
    for name in ["a", "b", "c", "d"] {
        tokens.push(put(&store, name, "value").await);
    }
    let keys = ["a", "b", "c", "d", "e"].map(key);
    let item = |index: usize, condition| DeleteItem::new(keys[index].get(), ANY.when(condition));
    let removed = store
        .delete_many(&[
            item(0, Condition::Always),
            item(1, Condition::Unchanged(tokens[0])),
            item(1, Condition::Unchanged(tokens[1])),
            item(1, Condition::Always),
            item(2, Condition::Absent),
            item(3, Condition::Unchanged(tokens[3])),
            item(4, Condition::Unchanged(tokens[3])),
        ])
        .await;
    assert_eq!(all(removed), [true, false, true, false, false, true, false]);
    assert_eq!(miss(&store, "b").await, larder_core::Miss::Absent);
    assert!(get(&store, "c").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_by_token_never_takes_what_came_after_and_a_touch_does_not_hinder_it() {
    let server = MemcachedServer::start();
    let stores = [Arc::new(store(&server)), Arc::new(store(&server))];
    let workers = (0..8_usize).map(|worker| {
        let store = Arc::clone(&stores[worker % 2]);
        tokio::spawn(async move {
            let plum = key("plum");
            let (mut written, mut removed) = (0, 0);
            for _ in 0..200 {
                let add = SetOptions::new(Ttl::Never).when(Condition::Absent);
                if let Written::Yes(token) = store.set(&plum.get(), &entry("mine"), &add).await.unwrap() {
                    written += 1;
                    let mine = ANY.when(Condition::Unchanged(token));
                    removed += u32::from(store.delete(&plum.get(), &mine).await.unwrap());
                    assert!(!store.delete(&plum.get(), &mine).await.unwrap());
                }
                let _ = store.touch(&plum.get(), &FOREVER).await.unwrap();
                let _ = store.get(&plum.get(), &GET).await.unwrap();
            }
            (written, removed)
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        let (written, removed) = worker.await.unwrap();
        assert_eq!(written, removed, "somebody else removed it");
    }
}

#[tokio::test]
async fn without_cas_numbers_conditions_on_a_token_are_refused_and_others_work() {
    let server = MemcachedServer::builder().argument("-C").start();
    let store = store(&server);
    let token = put(&store, "plum", "ripe").await;
    let plum = key("plum");
    let same = ANY.when(Condition::Unchanged(token));
    let single = store.delete(&plum.get(), &same).await;
    let bulk = store.delete_many(&[DeleteItem::new(plum.get(), same)]).await.remove(0);
    for refused in [single, bulk] {
        assert_eq!(refused.unwrap_err().kind(), larder_core::ErrorKind::Unsupported);
    }
    assert!(store.delete(&plum.get(), &ANY.when(Condition::Present)).await.unwrap());
    assert!(set(&store, "plum", "ripe").await.unwrap());
}
