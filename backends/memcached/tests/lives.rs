//! How long entries live: by the server's seconds, by the envelope's milliseconds, and where the two differ.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{ANY, entry_until, get, key, look_up, miss, removals, set, store};
use larder_core::{
    Backend as _, Cache, Clock, Key, Miss, Ttl,
    backend::{Condition, SetItem, SetOptions, TouchOptions},
    entry::Lifetime,
};
use larder_test_servers::MemcachedServer;

const DAY: Duration = Duration::from_hours(24);

/// How many seconds the server will keep the item; -1 for ever.
fn seconds_left(server: &MemcachedServer, name: &str) -> i64 {
    let answer = server.command(&format!("mg t:{name} t"));
    answer.trim_end().strip_prefix("HD t").unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

#[tokio::test]
async fn the_server_keeps_an_entry_for_its_life_and_a_little_longer() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let clock = Clock::system();
    for life in [
        Duration::from_nanos(1),
        Duration::from_millis(300),
        Duration::from_secs(1),
        Duration::from_millis(59_001),
        Duration::from_secs(30 * 24 * 60 * 60 - 1),
        30 * DAY,
        31 * DAY,
        10 * 365 * DAY,
    ] {
        let entry = entry_until("ripe", clock.now().plus(life));
        assert!(
            store
                .set(&key("plum").get(), &entry, &SetOptions::new(Ttl::After(life)))
                .await
                .unwrap()
                .took_place()
        );
        let left = seconds_left(&server, "plum");
        let asked = i64::try_from(life.as_millis().div_ceil(1000)).unwrap();
        assert!((asked..=asked + 3).contains(&left), "{life:?}: {left} s");
        // A shorter one is over by the time that it is read, though the server still has it.
        if life >= Duration::from_secs(1) {
            assert!(get(&store, "plum").await.is_some(), "{life:?}");
        }
    }
    for ttl in [Ttl::Never, Ttl::After(Duration::MAX), Ttl::After(100 * 365 * DAY)] {
        let entry = entry_until("ripe", ttl.expires(clock.now()));
        assert!(store.set(&key("plum").get(), &entry, &SetOptions::new(ttl)).await.unwrap().took_place());
        assert_eq!(seconds_left(&server, "plum"), -1, "{ttl:?}");
    }
}

#[tokio::test]
async fn an_entry_is_not_gone_early_and_not_there_late() {
    let server = MemcachedServer::start();
    let cache: Cache<String> = Cache::builder(store(&server)).namespace("fruit").build().unwrap();
    let plum = Key::new("plum");
    // Whichever part of its second the server is in.
    for _ in 0..4 {
        let (life, nearly) = (Duration::from_millis(1100), Duration::from_millis(950));
        cache.at(&plum).ttl(life).set("ripe".to_owned()).await.unwrap();
        tokio::time::sleep(nearly).await;
        assert!(cache.get(&plum).await.unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(170)).await;
        assert!(cache.get(&plum).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_entry_that_is_over_is_none_though_the_server_still_has_it() {
    let server = MemcachedServer::start();
    let clock = Clock::manual();
    let store = store(&server).with_clock(clock.clone());
    let life = Duration::from_mins(1);
    let options = SetOptions::new(Ttl::After(life));
    let later = || Lifetime::until(clock.now().plus(life));
    let plum = key("plum");
    let write = async || {
        assert!(
            store
                .set(&plum.get(), &entry_until("old", clock.now().plus(life)), &options)
                .await
                .unwrap()
                .took_place()
        );
    };

    write().await;
    clock.advance(life);
    assert!(!store.delete(&plum.get(), &ANY).await.unwrap());
    assert_eq!(miss(&store, "plum").await, Miss::Absent, "removed all the same");

    write().await;
    clock.advance(life);
    assert!(!store.touch(&plum.get(), &TouchOptions::new(later(), Ttl::After(life))).await.unwrap());
    let replaced = store
        .set(&plum.get(), &entry_until("no", clock.now().plus(life)), &options.when(Condition::Present))
        .await;
    assert!(!replaced.unwrap().took_place());
    assert_eq!(miss(&store, "plum").await, Miss::Absent, "what is over is read by nobody");
    let added = store
        .set(&plum.get(), &entry_until("new", clock.now().plus(life)), &options.when(Condition::Absent))
        .await;
    assert!(added.unwrap().took_place());
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"new"[..]));

    // The same in bulk.
    clock.advance(life);
    let item = SetItem::new(
        plum.get(),
        entry_until("newer", clock.now().plus(life)),
        options.when(Condition::Absent),
    );
    assert!(store.set_many(std::slice::from_ref(&item)).await[0].clone().unwrap().took_place());
    assert!(!store.set_many(&[item]).await[0].clone().unwrap().took_place());
    assert!(store.delete_many(&removals(&[plum.get()])).await[0].clone().unwrap());
    write().await;
    clock.advance(life);
    assert!(!store.delete_many(&removals(&[plum.get()])).await[0].clone().unwrap());
}

#[tokio::test]
async fn of_many_who_add_where_an_entry_is_over_one_succeeds() {
    let server = MemcachedServer::start();
    let clock = Clock::manual();
    let store = std::sync::Arc::new(store(&server).with_clock(clock.clone()));
    let life = Duration::from_mins(1);
    for round in 0..20 {
        let options = SetOptions::new(Ttl::After(life));
        assert!(
            store
                .set(&key("plum").get(), &entry_until("old", clock.now().plus(life)), &options)
                .await
                .unwrap()
                .took_place()
        );
        clock.advance(life);
        let expires = clock.now().plus(life);
        let adding = (0..32).map(|n: i32| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                let entry = entry_until(n.to_string(), expires);
                store
                    .set(&key("plum").get(), &entry, &options.when(Condition::Absent))
                    .await
                    .unwrap()
                    .took_place()
            })
        });
        let mut winners = Vec::new();
        for (n, adding) in adding.collect::<Vec<_>>().into_iter().enumerate() {
            if adding.await.unwrap() {
                winners.push(n.to_string());
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert_eq!(get(&*store, "plum").await.as_deref(), Some(winners[0].as_bytes()));
    }
}

#[tokio::test]
async fn touch_gives_another_life_and_leaves_the_value() {
    let server = MemcachedServer::start();
    let clock = Clock::system();
    let store = store(&server);
    let plum = key("plum");
    let large = vec![7; 600_000];
    for value in [&b"ripe"[..], &large] {
        let short = Duration::from_mins(1);
        let entry = entry_until(value.to_vec(), clock.now().plus(short));
        assert!(
            store.set(&plum.get(), &entry, &SetOptions::new(Ttl::After(short))).await.unwrap().took_place()
        );
        let fresh_until = clock.now().plus(10 * DAY);
        let lifetime = Lifetime::new(fresh_until, clock.now().plus(20 * DAY));
        assert!(store.touch(&plum.get(), &TouchOptions::new(lifetime, Ttl::After(20 * DAY))).await.unwrap());
        let touched = common::hit(&store, "plum").await;
        assert_eq!(touched.meta().lifetime, lifetime);
        assert_eq!(touched.meta().revision, entry.meta().revision);
        assert!(common::value(&touched) == value);
        assert!(seconds_left(&server, "plum") > 19 * 24 * 60 * 60);

        let never = Lifetime::until(larder_core::clock::Timestamp::NEVER);
        assert!(store.touch(&plum.get(), &TouchOptions::new(never, Ttl::Never)).await.unwrap());
        assert_eq!(seconds_left(&server, "plum"), -1);

        assert!(
            store
                .touch(
                    &plum.get(),
                    &TouchOptions::new(Lifetime::until(clock.now()), Ttl::After(Duration::ZERO))
                )
                .await
                .unwrap()
        );
        assert_eq!(miss(&store, "plum").await, Miss::Absent);
        assert!(!store.touch(&plum.get(), &TouchOptions::new(never, Ttl::Never)).await.unwrap());
    }
}

#[tokio::test]
async fn touches_and_writes_at_once_lose_nothing() {
    let server = MemcachedServer::start();
    let store = std::sync::Arc::new(store(&server));
    set(&*store, "plum", "0").await.unwrap();
    let clock = Clock::system();
    let touching = {
        let (store, clock) = (std::sync::Arc::clone(&store), clock.clone());
        tokio::spawn(async move {
            for _ in 0..300 {
                let lifetime = Lifetime::until(clock.now().plus(DAY));
                let touched =
                    store.touch(&key("plum").get(), &TouchOptions::new(lifetime, Ttl::After(DAY))).await;
                assert!(touched.unwrap());
            }
        })
    };
    for n in 1..=300 {
        assert!(set(&*store, "plum", n.to_string()).await.unwrap());
        assert_eq!(get(&*store, "plum").await.unwrap(), n.to_string(), "a touch brought an old value back");
    }
    touching.await.unwrap();
    assert!(look_up(&*store, "plum").await.unwrap().entry().is_some());
}

#[tokio::test]
async fn a_write_that_needs_an_entry_gets_through_beside_others() {
    let server = MemcachedServer::start();
    let store = std::sync::Arc::new(store(&server));
    set(&*store, "plum", "0").await.unwrap();
    let others = {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            loop {
                set(&*store, "plum", "theirs").await.unwrap();
            }
        })
    };
    let entry = entry_until(b"ours".to_vec(), Clock::system().now().plus(DAY));
    let options = SetOptions::new(Ttl::After(DAY)).when(Condition::Present);
    for _ in 0..200 {
        assert!(store.set(&key("plum").get(), &entry, &options).await.unwrap().took_place());
    }
    others.abort();
}
