//! Servers that run no scripts, or not by their hashes.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{ANY, GET, Keys, always, connections, entry, store, when};
use larder_core::{
    Backend as _, ErrorKind, Result,
    backend::{Condition, CounterOptions, DeleteItem, TouchItem, TouchOptions},
    entry::{Lifetime, Token},
};
use larder_redis::RedisBackend;
use larder_test_servers::RedisServer;

fn touch() -> TouchOptions {
    let hour = Duration::from_hours(1);
    TouchOptions::new(Lifetime::until(larder_core::Clock::system().now().plus(hour)), hour.into())
}

/// Everything that a script does, and whether it did: replacing, touching, removing, counting.
async fn everything(store: &RedisBackend) -> [Result<bool>; 4] {
    let keys = Keys::new(1);
    let key = keys.at(0);
    assert!(store.set(&key, &entry("value"), &always()).await.unwrap().took_place());
    let token = store.get(&key, &GET).await.unwrap().entry().unwrap().token();
    let same = Condition::Unchanged(token);
    let replaced = store.set(&key, &entry("next"), &when(same)).await;
    let token = store.get(&key, &GET).await.unwrap().entry().unwrap().token();
    let same = Condition::Unchanged(token);
    let counting = CounterOptions::new(larder_core::Ttl::Never).with_initial(Some(1));
    [
        replaced.map(larder_core::backend::Written::took_place),
        store.touch(&key, &touch().when(same)).await,
        store.delete(&key, &ANY.when(same)).await,
        store.counters().unwrap().increment(&key, 1, &counting).await.map(|number| number.is_some()),
    ]
}

/// The server repeats the beginning of a command that it does not know. Were there bytes in it that are no UTF-8, the
/// connection would be lost to everybody.
#[tokio::test]
async fn without_hashes_scripts_are_sent_whole_and_nobody_loses_the_connection() {
    let server = RedisServer::builder().config("rename-command", "EVALSHA \"\"").start();
    let (store, keys) = (store(&server), Keys::new(4));
    for done in everything(&store).await {
        assert!(done.unwrap());
    }
    let first = connections(&server);
    for done in everything(&store).await {
        assert!(done.unwrap());
    }
    for key in keys.all() {
        assert!(store.set(&key, &entry("value"), &always()).await.unwrap().took_place());
    }
    let items: Vec<_> = keys.all().into_iter().map(|key| TouchItem::new(key, touch())).collect();
    assert!(store.touch_many(&items).await.into_iter().all(Result::unwrap));
    assert_eq!(connections(&server), first, "it was opened anew");
    let stats = server.command(&["INFO", "commandstats"]).to_string();
    assert!(stats.contains("cmdstat_eval:calls=12"), "{stats}");
}

#[tokio::test]
async fn without_scripts_everything_else_works() {
    let server = RedisServer::builder()
        .config("rename-command", "EVALSHA \"\"")
        .config("rename-command", "EVAL \"\"")
        .start();
    let (store, keys) = (store(&server), Keys::new(2));
    let mut first = Vec::new();
    for round in 0..3 {
        for refused in everything(&store).await {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported, "round {round}");
        }
        if round == 0 {
            first = connections(&server);
        }
    }
    for key in keys.all() {
        assert!(store.set(&key, &entry("value"), &always()).await.unwrap().took_place());
    }
    let [touched] = &*store.touch_many(&[TouchItem::new(keys.at(0), touch())]).await else { unreachable!() };
    assert_eq!(touched.as_ref().unwrap_err().kind(), ErrorKind::Unsupported);
    let removed = store
        .delete_many(&[
            DeleteItem::new(keys.at(0), ANY.when(Condition::Unchanged(Token(1)))),
            DeleteItem::new(keys.at(1), ANY),
        ])
        .await;
    assert_eq!(removed[0].as_ref().unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(removed[1].clone().unwrap());
    assert_eq!(connections(&server), first, "it was opened anew");
}
