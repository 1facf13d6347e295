//! Values come back as they were written, and what is no entry is a miss with a reason.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{ANY, GET, Keys, always, bytes, connections, entry, store, store_with, when};
use larder_core::{
    Backend as _, ErrorKind, Miss,
    backend::{Condition, Lookup},
    envelope::{Envelope, FIXED},
    miss::Undecodable,
    settings::ByteSize,
};
use larder_test_servers::RedisServer;

const MIB: usize = 1024 * 1024;

fn miss(lookup: Lookup) -> Miss {
    match lookup {
        Lookup::Miss(miss) => miss,
        Lookup::Hit(entry) => panic!("a hit: {entry:?}"),
    }
}

fn undecodable(why: Undecodable) -> Miss {
    Miss::Undecodable(why)
}

#[tokio::test]
async fn every_byte_in_every_position_comes_back() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(8));
    for shift in 0..8_u8 {
        let value: Vec<u8> = std::iter::repeat_n(0, shift.into()).chain(0..=255).collect();
        let key = keys.at(shift.into());
        assert!(store.set(&key, &entry(value.clone()), &always()).await.unwrap().took_place());
        assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), value);
    }
}

#[tokio::test]
async fn values_of_all_sizes_come_back() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    for len in [0, 1, 2, 1024, 64 * 1024, MIB - 1, MIB, MIB + 1, 5 * MIB] {
        let value: Vec<u8> = (0..len).map(|index| u8::try_from(index % 251).unwrap()).collect();
        assert!(store.set(&key, &entry(value.clone()), &always()).await.unwrap().took_place());
        assert!(bytes(store.get(&key, &GET).await.unwrap()) == value, "{len} bytes");
    }
}

#[tokio::test]
async fn a_value_that_looks_like_an_envelope_is_a_value() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let inner = Envelope::write(&keys.at(0), &entry("inner")).await.unwrap().to_bytes();
    assert!(store.set(&keys.at(0), &entry(inner.clone()), &always()).await.unwrap().took_place());
    assert_eq!(bytes(store.get(&keys.at(0), &GET).await.unwrap()), inner);
}

#[tokio::test]
async fn the_servers_key_is_the_keys_text_and_nothing_else_is_stored() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    assert!(store.set(&keys.at(0), &entry("value"), &always()).await.unwrap().took_place());
    assert_eq!(server.command(&["KEYS", "*"]).to_string(), keys.at(0).to_string());
}

#[tokio::test]
async fn delete_says_whether_something_was_there() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    assert!(!store.delete(&key, &ANY).await.unwrap());
    assert!(store.set(&key, &entry("value"), &always()).await.unwrap().took_place());
    assert!(store.delete(&key, &ANY).await.unwrap());
    assert!(!store.delete(&key, &ANY).await.unwrap());
    assert_eq!(miss(store.get(&key, &GET).await.unwrap()), Miss::Absent);
    assert!(store.set(&key, &entry("again"), &always()).await.unwrap().took_place());
    assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "again");
}

#[tokio::test]
async fn what_somebody_else_wrote_is_a_miss_and_stays() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    let text = key.to_string();
    let foreign = || undecodable(Undecodable::Foreign);

    server.command(&[
        "SET",
        &text,
        "not an envelope, and longer than the header of one would be: so much for that one",
    ]);
    assert_eq!(miss(store.get(&key, &GET).await.unwrap()), foreign());
    assert_eq!(server.command(&["EXISTS", &text]).integer(), Some(1));

    server.command(&["DEL", &text]);
    server.command(&["RPUSH", &text, "a list"]);
    assert_eq!(miss(store.get(&key, &GET).await.unwrap()), foreign());
    // `MGET` says nil of it, as of what is not there.
    assert_eq!(miss(store.get_many(&[key], &GET).await.remove(0).unwrap()), foreign());
    assert_eq!(server.command(&["TYPE", &text]).to_string(), "list");

    // Writing replaces it, whatever it was.
    assert!(store.set(&key, &entry("ours"), &always()).await.unwrap().took_place());
    assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "ours");
}

#[tokio::test]
async fn damaged_bytes_and_those_of_another_key_are_a_miss() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(2));
    let key = keys.at(0);
    let text = key.to_string();
    let whole = Envelope::write(&key, &entry("value")).await.unwrap().to_bytes();
    let put = |bytes: &[u8]| server.command(&[b"SET", text.as_bytes(), bytes]);

    put(&whole);
    assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "value");
    for len in [0, 4, FIXED - 1, FIXED, whole.len() - 1] {
        put(&whole[..len]);
        assert_eq!(miss(store.get(&key, &GET).await.unwrap()), undecodable(Undecodable::Length), "{len}");
    }
    let mut flipped = whole.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    put(&flipped);
    assert_eq!(miss(store.get(&key, &GET).await.unwrap()), undecodable(Undecodable::Checksum));

    put(&Envelope::write(&keys.at(1), &entry("value")).await.unwrap().to_bytes());
    assert_eq!(miss(store.get(&key, &GET).await.unwrap()), Miss::OtherKey);
    let newer: Bytes = [&whole[..4], &[2], &whole[5..]].concat().into();
    put(&newer);
    assert_eq!(miss(store.get(&key, &GET).await.unwrap()), undecodable(Undecodable::FutureVersion(2)));
    assert_eq!(server.command(&["GET", &text]).bytes(), Some(&*newer));
}

#[tokio::test]
async fn a_value_too_large_for_the_setting_replaces_nothing_and_is_not_hidden_by_the_old_one() {
    let server = RedisServer::start();
    let store = store_with(&server, |config| config.max_value = ByteSize(1000));
    let keys = Keys::new(1);
    let key = keys.at(0);
    assert_eq!(store.capabilities().max_value, Some(1000));

    assert!(store.set(&key, &entry("small"), &always()).await.unwrap().took_place());
    for condition in [Condition::Absent, Condition::Present] {
        let error = store.set(&key, &entry(vec![0; 1000]), &when(condition)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(bytes(store.get(&key, &GET).await.unwrap()), "small");
    }
    let error = store.set(&key, &entry(vec![0; 1000]), &always()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(miss(store.get(&key, &GET).await.unwrap()), Miss::Absent);
}

#[tokio::test]
async fn a_value_too_large_for_the_server_is_told_and_never_sent_again() {
    for len in [2 * MIB, 20 * MIB] {
        // The server says so and hangs up at once, with most of the value unread.
        let server = RedisServer::builder().config("proto-max-bulk-len", "1mb").start();
        let (store, keys) = (store(&server), Keys::new(1));
        let key = keys.at(0);
        let mut connection = None;
        for _ in 0..3 {
            assert!(store.set(&key, &entry("small"), &always()).await.unwrap().took_place());
            let error = store.set(&key, &entry(vec![7; len]), &always()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
            assert_eq!(miss(store.get(&key, &GET).await.unwrap()), Miss::Absent);
            // The first time cost the connection.
            assert_eq!(connections(&server), *connection.get_or_insert_with(|| connections(&server)));
        }
    }
}

/// The server says nothing when it hangs up on these.
#[tokio::test]
async fn a_size_on_which_the_server_hangs_up_is_learnt_after_the_second_time() {
    let server = RedisServer::builder().config("client-query-buffer-limit", "1mb").start();
    let (store, keys) = (store(&server), Keys::new(1));
    let key = keys.at(0);
    let mut kinds = Vec::new();
    for _ in 0..4 {
        let error = store.set(&key, &entry(vec![7; 8 * MIB]), &always()).await.unwrap_err();
        kinds.push(error.kind());
        // In use again, whatever became of it.
        let begun = std::time::Instant::now();
        while store.set(&key, &entry("small"), &always()).await.is_err() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(5));
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    let lost = kinds.iter().filter(|kind| **kind == ErrorKind::Unavailable).count();
    assert_eq!(lost, 2, "{kinds:?}");
    assert_eq!(kinds[2..], [ErrorKind::TooLarge, ErrorKind::TooLarge]);
}
