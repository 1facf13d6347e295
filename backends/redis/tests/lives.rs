//! How long entries live, as the server counts it, and giving them another life.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{ANY, GET, Keys, always, entry, entry_for, store};
use larder_core::{
    Backend as _, Clock, Ttl,
    backend::{Lookup, SetOptions, TouchOptions},
    clock::Timestamp,
    entry::Lifetime,
    envelope::Envelope,
};
use larder_test_servers::RedisServer;

const DAY: Duration = Duration::from_hours(24);

/// What the server says of the life that is left: milliseconds, -1 for ever.
fn left(server: &RedisServer, key: impl std::fmt::Display) -> i64 {
    server.command(&["PTTL", &key.to_string()]).integer().unwrap()
}

#[tokio::test]
async fn the_server_ends_a_life_when_it_was_told_to() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    for life in [
        Duration::from_millis(1500),
        Duration::from_mins(1),
        30 * DAY,
        30 * DAY + Duration::from_secs(1),
        3650 * DAY,
        Duration::from_millis(i64::MAX as u64 / 2),
    ] {
        let ttl = Ttl::After(life);
        assert!(store.set(&key, &entry_for("value", ttl), &SetOptions::new(ttl)).await.unwrap().took_place());
        let expected = i64::try_from(life.as_millis()).unwrap();
        let left = left(&server, key);
        assert!((expected - 1000..=expected).contains(&left), "{life:?}: {left}");
    }
    for ttl in [Ttl::Never, Ttl::After(Duration::MAX), Ttl::After(Duration::from_millis(u64::MAX))] {
        assert!(store.set(&key, &entry_for("value", ttl), &SetOptions::new(ttl)).await.unwrap().took_place());
        assert_eq!(left(&server, key), -1, "{ttl:?}");
    }
}

#[tokio::test]
async fn less_than_a_millisecond_is_neither_nothing_nor_for_ever() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let ttl = Ttl::After(Duration::from_nanos(1));
    assert!(
        store.set(&keys.at(0), &entry_for("value", ttl), &SetOptions::new(ttl)).await.unwrap().took_place()
    );
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(store.get(&keys.at(0), &GET).await.unwrap().entry().is_none());
}

#[tokio::test]
async fn an_expired_entry_is_none() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    let short = SetOptions::new(Duration::from_millis(30).into());
    for _ in 0..3 {
        assert!(store.set(&key, &entry("value"), &short).await.unwrap().took_place());
        assert!(store.get(&key, &GET).await.unwrap().entry().is_some());
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert!(store.get(&key, &GET).await.unwrap().entry().is_none());
        assert!(!store.delete(&key, &ANY).await.unwrap());
        let lifetime = Lifetime::until(Timestamp::NEVER);
        assert!(!store.touch(&key, &TouchOptions::new(lifetime, Ttl::Never)).await.unwrap());
    }
}

#[tokio::test]
async fn overwriting_replaces_the_life() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    assert!(store.set(&key, &entry("value"), &SetOptions::new(Ttl::Never)).await.unwrap().took_place());
    assert!(store.set(&key, &entry("value"), &always()).await.unwrap().took_place());
    assert!((59_000..=60_000).contains(&left(&server, key)));
    assert!(store.set(&key, &entry("value"), &SetOptions::new(Ttl::Never)).await.unwrap().took_place());
    assert_eq!(left(&server, key), -1);
}

#[tokio::test]
async fn touching_changes_the_life_there_and_in_the_envelope_and_nothing_else() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    let original = entry(vec![9; 100_000]);
    assert!(store.set(&key, &original, &always()).await.unwrap().took_place());

    let now = Clock::system().now();
    for ttl in [Ttl::After(Duration::from_secs(7)), Ttl::Never, Ttl::After(Duration::from_secs(500))] {
        let lifetime = Lifetime::new(now.plus(Duration::from_secs(3)), ttl.expires(now));
        assert!(store.touch(&key, &TouchOptions::new(lifetime, ttl)).await.unwrap());
        match ttl {
            Ttl::Never => assert_eq!(left(&server, key), -1),
            Ttl::After(life) => {
                let life = i64::try_from(life.as_millis()).unwrap();
                assert!((life - 1000..=life).contains(&left(&server, key)));
            }
        }
        let Lookup::Hit(touched) = store.get(&key, &GET).await.unwrap() else { panic!("a miss") };
        assert_eq!(touched.meta().lifetime, lifetime);
        assert_eq!(touched.token(), original.token());
        assert_eq!(touched.meta().created, original.meta().created);
        assert_eq!(touched.encoded(), original.encoded());
    }
}

#[tokio::test]
async fn touching_what_is_no_entry_of_this_key_changes_nothing() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(2));
    let key = keys.at(0);
    let text = key.to_string();
    let never = TouchOptions::new(Lifetime::until(Timestamp::NEVER), Ttl::Never);
    let touch = || store.touch(&key, &never);
    assert!(!touch().await.unwrap());
    assert_eq!(server.command(&["EXISTS", &text]).integer(), Some(0));

    let other = Envelope::write(&keys.at(1), &entry("other")).await.unwrap().to_bytes();
    let newer = [&other[..4], &[2], &other[5..]].concat();
    for foreign in [b"".as_slice(), b"LRD", b"LRD\x1a\x01", &[b'x'; 200], &newer, &other] {
        server.command(&[b"SET".as_slice(), text.as_bytes(), foreign, b"PX", b"90000"]);
        assert!(!touch().await.unwrap(), "{foreign:?}");
        assert_eq!(server.command(&["GET", &text]).bytes(), Some(foreign));
        assert!(left(&server, key) > 0);
    }
    server.command(&["DEL", &text]);
    server.command(&["RPUSH", &text, "a list"]);
    assert!(!touch().await.unwrap());
    assert_eq!(server.command(&["TYPE", &text]).to_string(), "list");
}
