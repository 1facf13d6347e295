//! What is for people and tools: the keys of a namespace, and what the server is.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use larder_core::{Backend, ErrorKind, key::Namespace, settings::Secret};
use larder_test_servers::RedisServer;

use self::common::{store, store_with};

/// All keys of a namespace, and how many calls that took.
async fn all(store: &impl Backend, namespace: &Namespace) -> (BTreeSet<String>, usize) {
    let (mut keys, mut from, mut calls) = (BTreeSet::new(), 0, 0);
    loop {
        let listed = store.listing().unwrap().list(namespace, from, None).await.unwrap();
        keys.extend(listed.keys);
        calls += 1;
        match listed.next {
            Some(next) => from = next,
            None => return (keys, calls),
        }
    }
}

#[tokio::test]
async fn every_key_of_a_namespace_and_nobody_elses() {
    let server = RedisServer::start();
    let store = store(&server);
    let namespace = Namespace::new("a/b", 3).unwrap();
    assert_eq!(all(&store, &namespace).await, (BTreeSet::new(), 1));
    let mut expected = BTreeSet::new();
    for number in 0..5000 {
        let key = format!("a/b@3:key:#{number}");
        server.command(&["SET", &key, "x"]);
        expected.insert(key);
    }
    // Of others: another schema, another namespace, a longer one, bookkeeping, a counter, a pattern that would fit.
    for strange in ["a/b:key", "a/b@33:key", "a/bc@3:key", "a/b!v:@", "a/b@3:key+c", "xa/b@3:key"] {
        server.command(&["SET", strange, "1"]);
    }
    let (found, calls) = all(&store, &namespace).await;
    assert_eq!(found, expected);
    assert!(calls > 3, "in pieces: {calls}");
}

#[tokio::test]
async fn a_user_who_may_not_is_told() {
    let server = RedisServer::start();
    server.command(&[
        "ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+get", "+client", "+eval", "+evalsha",
    ]);
    let store = store_with(&server, |config| {
        config.username = Some("reader".to_owned());
        config.password = Some(Secret::new("pw"));
    });
    let refused = store.listing().unwrap().list(&Namespace::new("a", 0).unwrap(), 0, None).await.unwrap_err();
    assert!(
        matches!(refused.kind(), ErrorKind::Auth | ErrorKind::Unsupported | ErrorKind::Other),
        "{refused:?}"
    );
    assert!(!refused.to_string().contains("pw"));
    assert_eq!(store.about().await.unwrap(), Vec::<String>::new(), "it may not ask");
}

#[tokio::test]
async fn what_the_server_is() {
    let server = RedisServer::start();
    let about = store(&server).about().await.unwrap();
    let [about] = about.as_slice() else { panic!("one server: {about:?}") };
    let (name, version) = about.split_once(' ').unwrap();
    assert!(["Redis", "Valkey"].contains(&name) && version.split('.').count() >= 2, "{about}");
}
