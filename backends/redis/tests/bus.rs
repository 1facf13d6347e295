//! What is heard of a real server: everybody's changes, gaps and signs of life.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::{
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use common::{ANY, GET, Keys, always, connections, entry, entry_for, removals, store};
use larder_core::{
    Backend,
    backend::{Ear, Notice, SILENCE, SetItem, SetOptions, TouchOptions},
    entry::Lifetime,
    key::Namespace,
};
use larder_redis::{RedisBackend, RedisConfig};
use larder_test_servers::RedisServer;
use tokio::time::sleep;

const LONG: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
struct Heard {
    all: Mutex<Vec<String>>,
    alive: Mutex<Option<tokio::time::Instant>>,
}

impl Ear for Heard {
    fn hear(&self, notice: Notice<'_>) {
        match notice {
            Notice::Changed(text) => self.all.lock().unwrap().push(text.to_owned()),
            Notice::Gap => self.all.lock().unwrap().push("gap".to_owned()),
            Notice::Alive(sent) => *self.alive.lock().unwrap() = Some(sent),
            other => panic!("{other:?}"),
        }
    }
}

impl Heard {
    fn on(store: &RedisBackend, namespace: &str) -> Arc<Self> {
        let heard = Arc::new(Self::default());
        let ear: Arc<dyn Ear> = Arc::clone(&heard) as _;
        store.bus().unwrap().listen(&Namespace::new(namespace, 0).unwrap(), Arc::downgrade(&ear));
        heard
    }

    /// Everything that was changed before now has been heard.
    async fn up_to_date(&self) {
        let now = tokio::time::Instant::now();
        let begun = Instant::now();
        while self.alive.lock().unwrap().is_none_or(|alive| alive < now) {
            assert!(begun.elapsed() < LONG, "no sign of life");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn take(&self) -> Vec<String> {
        self.up_to_date().await;
        let mut all = std::mem::take(&mut *self.all.lock().unwrap());
        // One write may be several events, and which keys of one turn come first is the server's affair.
        all.sort();
        all.dedup();
        all
    }

    async fn until(&self, what: &str) {
        let begun = Instant::now();
        while !self.all.lock().unwrap().iter().any(|heard| heard == what) {
            assert!(begun.elapsed() < LONG, "{what} was not heard: {:?}", self.all.lock().unwrap());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A store whose channel is open.
async fn listening(server: &RedisServer) -> (RedisBackend, Arc<Heard>) {
    let store = store(server);
    let heard = Heard::on(&store, "test");
    store.get(&Keys::new(1).at(0), &GET).await.unwrap();
    assert_eq!(heard.take().await, ["gap"]);
    (store, heard)
}

#[tokio::test]
async fn whoever_changes_a_key_and_by_whatever_means_is_heard() {
    let server = RedisServer::start();
    let (listening, heard) = listening(&server).await;
    let (other, keys) = (store(&server), Keys::new(3));
    let (first, second) = (keys.at(0), keys.at(1));
    other.set(&first, &entry("a"), &always()).await.unwrap();
    assert_eq!(heard.take().await, ["test:key:#0"]);
    let life = Duration::from_hours(1);
    let touch = TouchOptions::new(
        Lifetime::until(larder_core::Ttl::from(life).expires(larder_core::Clock::system().now())),
        life.into(),
    );
    assert!(other.touch(&first, &touch).await.unwrap());
    assert_eq!(heard.take().await, ["test:key:#0"]);
    assert!(other.delete(&first, &ANY).await.unwrap());
    assert_eq!(heard.take().await, ["test:key:#0"]);
    let items: Vec<SetItem<'_>> =
        keys.all().into_iter().map(|key| SetItem::new(key, entry("b"), always())).collect();
    other.set_many(&items).await;
    assert_eq!(heard.take().await, ["test:key:#0", "test:key:#1", "test:key:#2"]);
    other.delete_many(&removals(&keys.all())).await;
    assert_eq!(heard.take().await, ["test:key:#0", "test:key:#1", "test:key:#2"]);
    // One's own change as well, for its caller may have given it up.
    listening.set(&first, &entry("c"), &always()).await.unwrap();
    assert_eq!(heard.take().await, ["test:key:#0"]);
    // Another program, and the server itself.
    server.command(&["RENAME", "test:key:#0", "test:key:#1"]);
    assert_eq!(heard.take().await, ["test:key:#0", "test:key:#1"]);
    let short = Duration::from_millis(30);
    other.set(&second, &entry_for("d", short.into()), &SetOptions::new(short.into())).await.unwrap();
    sleep(2 * short).await;
    server.command(&["EXISTS", "test:key:#1"]);
    heard.up_to_date().await;
    let twice = std::mem::take(&mut *heard.all.lock().unwrap());
    assert_eq!(twice, ["test:key:#1", "test:key:#1"], "it was written and has expired");
    // What nobody listens to.
    server.command(&["SET", "tests:key:#0", "x"]);
    server.command(&["SET", "test", "x"]);
    server.command(&["SET", "test!v:generation", "x"]);
    assert_eq!(heard.take().await, ["test!v:generation"]);
    server.command(&["FLUSHALL"]);
    assert_eq!(heard.take().await, ["gap"]);
}

#[tokio::test]
async fn evictions_are_heard() {
    let server =
        RedisServer::builder().config("maxmemory", "8mb").config("maxmemory-policy", "allkeys-lru").start();
    let (_listening, heard) = listening(&server).await;
    let (other, keys) = (store(&server), Keys::new(60));
    for key in keys.all() {
        let _ = other.set(&key, &entry(vec![b'x'; 200_000]), &always()).await;
    }
    heard.take().await;
    let mut gone = 0;
    let before: Vec<bool> = exist(&server, &keys);
    for _ in 0..20 {
        let _ = other.set(&keys.at(59), &entry(vec![b'x'; 400_000]), &always()).await;
        let _ = other.set(&keys.at(58), &entry(vec![b'x'; 400_000]), &always()).await;
    }
    let heard = heard.take().await;
    for (place, (was, is)) in before.into_iter().zip(exist(&server, &keys)).enumerate() {
        if was && !is && place < 58 {
            gone += 1;
            assert!(heard.contains(&format!("test:key:#{place}")), "{place} was evicted: {heard:?}");
        }
    }
    assert!(gone > 0, "nothing was evicted");
}

fn exist(server: &RedisServer, keys: &Keys) -> Vec<bool> {
    keys.all().iter().map(|key| server.command(&["EXISTS", &key.to_string()]).to_string() == "1").collect()
}

#[tokio::test]
async fn signs_of_life_come_in_time_and_only_from_a_server_that_runs() {
    let server = RedisServer::start();
    let (_store, heard) = listening(&server).await;
    let mut late = 0;
    for _ in 0..20 {
        sleep(SILENCE / 8).await;
        let alive = heard.alive.lock().unwrap().unwrap();
        late += u32::from(alive.elapsed() >= SILENCE);
    }
    assert!(late <= 5, "{late} of 20 times it was silent");
    server.pause();
    sleep(SILENCE).await;
    let last = *heard.alive.lock().unwrap();
    sleep(SILENCE).await;
    assert_eq!(*heard.alive.lock().unwrap(), last, "a stopped server gives no sign of life");
    server.resume();
    heard.up_to_date().await;
}

#[tokio::test]
async fn a_channel_that_was_lost_is_a_gap_and_opened_again() {
    let server = RedisServer::start();
    let (_store, heard) = listening(&server).await;
    for _ in 0..3 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        heard.until("gap").await;
        heard.take().await;
        server.command(&["SET", "test:key:#0", "x"]);
        assert_eq!(heard.take().await, ["test:key:#0"]);
    }
    server.stop();
    sleep(Duration::from_millis(300)).await;
    server.restart();
    heard.until("gap").await;
    heard.take().await;
    server.command(&["SET", "test:key:#0", "x"]);
    assert_eq!(heard.take().await, ["test:key:#0"]);
}

/// A client that has subscribed to something is cut off when it does not read, and grows the server no further.
#[tokio::test]
async fn the_channel_is_under_the_limit_of_clients_that_listen() {
    let server = RedisServer::start();
    let (_store, _heard) = listening(&server).await;
    let list = server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).to_string();
    let ours: Vec<&str> = list.lines().filter(|line| line.contains(" name=larder ")).collect();
    assert_eq!(ours.len(), 1, "{list}");
    assert!(ours[0].contains(" resp=3") && ours[0].contains("flags=PtB"), "{list}");
}

#[tokio::test]
async fn who_comes_later_begins_with_a_gap_and_hears_its_own() {
    let server = RedisServer::start();
    let (store, first) = listening(&server).await;
    let second = Heard::on(&store, "other");
    let third = Heard::on(&store, "test");
    assert_eq!(second.take().await, ["gap"]);
    assert_eq!(third.take().await, ["gap"]);
    server.command(&["SET", "other:a", "x"]);
    server.command(&["SET", "test:a", "x"]);
    assert_eq!(first.take().await, ["test:a"]);
    assert_eq!(second.take().await, ["other:a"]);
    assert_eq!(third.take().await, ["test:a"]);
}

#[tokio::test]
async fn a_server_that_refuses_is_told_of_and_the_store_works() {
    let server = RedisServer::builder().acl_user("shop", "on >secret ~* +@all -client|tracking").start();
    let url = format!("redis://shop:secret@{}", server.address());
    let store = RedisBackend::new(RedisConfig::new(url)).unwrap();
    let heard = Heard::on(&store, "test");
    let keys = Keys::new(1);
    store.set(&keys.at(0), &entry("a"), &always()).await.unwrap();
    let begun = Instant::now();
    while store.advice().is_empty() {
        assert!(begun.elapsed() < LONG);
        sleep(Duration::from_millis(5)).await;
    }
    let advice = store.advice().remove(0);
    assert!(advice.contains("NOPERM") && advice.contains("client|tracking"), "{advice}");
    assert!(!advice.contains("secret"), "{advice}");
    assert_eq!((heard.all.lock().unwrap().len(), *heard.alive.lock().unwrap()), (0, None));
    store.get(&keys.at(0), &GET).await.unwrap();
}

#[tokio::test]
async fn the_right_to_subscribe_is_not_needed() {
    let server = RedisServer::builder().acl_user("shop", "on >secret ~* resetchannels +@all").start();
    let store =
        RedisBackend::new(RedisConfig::new(format!("redis://shop:secret@{}", server.address()))).unwrap();
    let heard = Heard::on(&store, "test");
    store.get(&Keys::new(1).at(0), &GET).await.unwrap();
    assert_eq!(heard.take().await, ["gap"]);
    server.command(&["SET", "test:key:#0", "x"]);
    assert_eq!(heard.take().await, ["test:key:#0"]);
}

#[tokio::test]
async fn the_channel_ends_with_the_store_and_with_the_last_who_listens() {
    let server = RedisServer::start();
    let (first, heard) = listening(&server).await;
    assert_eq!(connections(&server).len(), 2);
    let left = |count: usize| {
        let server = &server;
        async move {
            let begun = Instant::now();
            while connections(server).len() != count {
                assert!(begun.elapsed() < LONG, "{:?}", connections(server));
                sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let gone = Arc::downgrade(&heard);
    drop(heard);
    assert_eq!(Weak::strong_count(&gone), 0);
    left(1).await;
    // And is opened again for the next.
    let heard = Heard::on(&first, "test");
    let begun = Instant::now();
    while heard.alive.lock().unwrap().is_none() {
        assert!(begun.elapsed() < LONG);
        first.get(&Keys::new(1).at(0), &GET).await.unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(heard.take().await, ["gap"]);
    first.close().await.unwrap();
    left(0).await;
    let (second, _heard) = listening(&server).await;
    assert_eq!(connections(&server).len(), 2);
    drop(second);
    left(0).await;
}

/// Nobody pays for what nobody listens to.
#[tokio::test]
async fn a_store_that_nobody_listens_to_has_no_channel() {
    let server = RedisServer::start();
    let store = store(&server);
    assert!(Backend::bus(&store).is_some());
    store.get(&Keys::new(1).at(0), &GET).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(connections(&server).len(), 1);
}

/// A runtime that ends takes the channel along; the next one opens it again.
#[test]
fn the_channel_is_opened_again_in_the_next_runtime() {
    let server = RedisServer::start();
    let store = store(&server);
    let heard = Heard::on(&store, "test");
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            store.get(&Keys::new(1).at(0), &GET).await.unwrap();
            assert_eq!(heard.take().await, ["gap"]);
        });
    }
}
