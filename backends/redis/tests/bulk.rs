//! Many keys at once: in order, each with its own answer, in few commands.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{GET, Keys, always, bytes, done, entry, removals, store, store_with, when};
use larder_core::{
    Backend as _, ErrorKind,
    backend::{Condition, SetItem, SetOptions},
    settings::ByteSize,
};
use larder_test_servers::RedisServer;

fn items(keys: &Keys, value: impl Fn(usize) -> Bytes) -> Vec<SetItem<'_>> {
    let item = |(number, key)| SetItem::new(key, entry(value(number)), always());
    keys.all().into_iter().enumerate().map(item).collect()
}

fn calls(server: &RedisServer, command: &str) -> u64 {
    let stats = server.command(&["INFO", "commandstats"]).to_string();
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn ten_thousand_keys_come_back_in_order() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(10_000));
    let value = |number: usize| Bytes::from(format!("value {number}"));
    let written = done(store.set_many(&items(&keys, value)).await);
    assert_eq!(written.len(), 10_000);
    assert!(written.into_iter().all(Result::unwrap));

    let found = store.get_many(&keys.all(), &GET).await;
    assert_eq!(found.len(), 10_000);
    for (number, lookup) in found.into_iter().enumerate() {
        assert_eq!(bytes(lookup.unwrap()), value(number));
    }
    assert_eq!(calls(&server, "get"), 0);
    assert!(calls(&server, "mget") <= 40, "{}", calls(&server, "mget"));

    // Every third is gone: each key has its own answer.
    let all = keys.all();
    let third: Vec<_> = all.iter().copied().step_by(3).collect();
    assert!(store.delete_many(&removals(&third)).await.into_iter().all(Result::unwrap));
    for (number, removed) in store.delete_many(&removals(&all)).await.into_iter().enumerate() {
        assert_eq!(removed.unwrap(), number % 3 != 0, "{number}");
    }
    assert_eq!(server.command(&["DBSIZE"]).integer(), Some(0));
}

#[tokio::test]
async fn nothing_to_do_sends_nothing() {
    let server = RedisServer::start();
    let store = store(&server);
    server.stop();
    assert!(store.get_many(&[], &GET).await.is_empty());
    assert!(store.set_many(&[]).await.is_empty());
    assert!(store.delete_many(&[]).await.is_empty());
}

#[tokio::test]
async fn hits_misses_and_what_is_no_entry_stand_in_their_places() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(5));
    assert!(store.set(&keys.at(0), &entry("zero"), &always()).await.unwrap().took_place());
    assert!(store.set(&keys.at(4), &entry(""), &always()).await.unwrap().took_place());
    server.command(&["SET", &keys.at(2).to_string(), "foreign"]);
    server.command(&["RPUSH", &keys.at(3).to_string(), "a list"]);
    let order = [4, 1, 0, 2, 0, 3, 4];
    let asked: Vec<_> = order.into_iter().map(|index| keys.at(index)).collect();
    let hits: Vec<_> = store
        .get_many(&asked, &GET)
        .await
        .into_iter()
        .map(|lookup| lookup.unwrap().entry().map(|entry| entry.encoded().unwrap().bytes.clone()))
        .collect();
    let zero = Some(Bytes::from("zero"));
    let empty = Some(Bytes::new());
    assert_eq!(hits, [empty.clone(), None, zero.clone(), None, zero, None, empty]);
}

#[tokio::test]
async fn each_write_has_its_own_condition_and_answer() {
    let server = RedisServer::start();
    let store = store_with(&server, |config| config.max_value = ByteSize(1000));
    let keys = Keys::new(7);
    for index in [0, 1, 2, 3] {
        assert!(store.set(&keys.at(index), &entry("old"), &always()).await.unwrap().took_place());
    }
    let token = |index| {
        let (store, keys) = (&store, &keys);
        async move { store.get(&keys.at(index), &GET).await.unwrap().entry().unwrap().token() }
    };
    let (right, wrong) = (token(0).await, token(1).await);
    let item = |index, condition| SetItem::new(keys.at(index), entry("new"), when(condition));
    let too_large = |index, options: SetOptions| SetItem::new(keys.at(index), entry(vec![0; 1000]), options);
    let items = [
        item(0, Condition::Unchanged(right)),
        item(1, Condition::Unchanged(right)),
        item(1, Condition::Unchanged(wrong)),
        item(2, Condition::Absent),
        item(3, Condition::Present),
        item(4, Condition::Present),
        item(5, Condition::Absent),
        item(6, Condition::Always),
        too_large(6, always()),
        too_large(3, when(Condition::Present)),
    ];
    let written = done(store.set_many(&items).await).into_iter();
    let written: Vec<_> = written.map(|written| written.map_err(|error| error.kind())).collect();
    let too_large = Err(ErrorKind::TooLarge);
    let expected = [
        Ok(true),
        Ok(false),
        Ok(true),
        Ok(false),
        Ok(true),
        Ok(false),
        Ok(true),
        Ok(true),
        too_large,
        too_large,
    ];
    assert_eq!(written, expected);

    let mut there = Vec::new();
    for lookup in store.get_many(&keys.all(), &GET).await {
        let text = lookup.unwrap().entry().map(|entry| entry.encoded().unwrap().bytes.clone());
        there.push(text.map_or_else(String::new, |text| String::from_utf8(text.into()).unwrap()));
    }
    // The sixth was written, and then to be replaced by something too large: it must not be what is read.
    assert_eq!(there, ["new", "new", "old", "new", "", "new", ""]);
}

#[tokio::test]
async fn of_two_writes_of_one_key_the_later_one_stays() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(1));
    let items: Vec<_> =
        (0..1000).map(|number: u32| SetItem::new(keys.at(0), entry(number.to_string()), always())).collect();
    assert!(done(store.set_many(&items).await).into_iter().all(Result::unwrap));
    assert_eq!(bytes(store.get(&keys.at(0), &GET).await.unwrap()), "999");
}

#[tokio::test]
async fn large_values_are_written_in_several_goes() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(10));
    let value = |number: usize| Bytes::from(vec![u8::try_from(number).unwrap(); 700_000]);
    assert!(done(store.set_many(&items(&keys, value)).await).into_iter().all(Result::unwrap));
    for (number, lookup) in store.get_many(&keys.all(), &GET).await.into_iter().enumerate() {
        assert!(bytes(lookup.unwrap()) == value(number));
    }
}

#[tokio::test]
async fn one_refused_write_fails_alone() {
    let server = RedisServer::builder().acl_user("app", "on >secret ~test:key:#1 ~test:key:#3 +@all").start();
    let store = store_with(&server, |config| {
        config.username = Some("app".into());
        config.password = Some(larder_core::settings::Secret::new("secret"));
    });
    let keys = Keys::new(4);
    let kinds = |results: Vec<larder_core::Result<bool>>| -> Vec<_> {
        results.into_iter().map(|result| result.map_err(|error| error.kind())).collect()
    };
    let refused = Err(ErrorKind::Auth);
    let written = kinds(done(store.set_many(&items(&keys, |_| "value".into())).await));
    assert_eq!(written, [refused, Ok(true), refused, Ok(true)]);
    assert_eq!(
        kinds(store.delete_many(&removals(&keys.all())).await),
        [refused, Ok(true), refused, Ok(true)]
    );
}

#[tokio::test]
async fn a_server_that_is_down_fails_each_key() {
    let server = RedisServer::start();
    let (store, keys) = (store(&server), Keys::new(600));
    server.stop();
    let lookups = store.get_many(&keys.all(), &GET).await;
    assert_eq!(lookups.len(), 600);
    assert!(lookups.into_iter().all(|lookup| lookup.unwrap_err().kind() == ErrorKind::Unavailable));
    let written = done(store.set_many(&items(&keys, |_| "value".into())).await);
    assert_eq!(written.len(), 600);
    assert!(written.into_iter().all(|written| written.unwrap_err().kind() == ErrorKind::Unavailable));
    let removed = store.delete_many(&removals(&keys.all())).await;
    assert_eq!(removed.len(), 600);
    assert!(removed.into_iter().all(|removed| removed.unwrap_err().kind() == ErrorKind::Unavailable));
}
