//! A server that is there and will not: full, read-only, loading, busy, with too many clients, in a cluster.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use common::{ANY, GET, Keys, always, bytes, connections, entry, removals, store, until_it_works, when};
use larder_core::{
    Backend as _, Error, ErrorKind,
    backend::{Condition, TouchOptions},
    error::Origin,
};
use larder_redis::RedisBackend;
use larder_test_servers::RedisServer;
use tokio::time::sleep;

async fn set_error(store: &RedisBackend, key: usize) -> Error {
    let keys = Keys::new(key + 1);
    store.set(&keys.at(key), &entry(vec![0; 10_000]), &always()).await.unwrap_err()
}

#[tokio::test]
async fn a_full_server_that_may_not_evict() {
    let server =
        RedisServer::builder().config("maxmemory", "2mb").config("maxmemory-policy", "noeviction").start();
    let (store, keys) = (store(&server), Keys::new(1000));
    let mut stored = 0;
    let error = loop {
        match store.set(&keys.at(stored), &entry(vec![0; 10_000]), &always()).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.to_string().contains("maxmemory-policy"), "{error}");

    // It still serves what it has, and deletes, and its scripts say the same.
    let found = store.get(&keys.at(0), &GET).await.unwrap().entry().unwrap();
    let unchanged = when(Condition::Unchanged(found.token()));
    let error = store.set(&keys.at(0), &entry(vec![0; 10_000]), &unchanged).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert!(store.delete(&keys.at(0), &ANY).await.unwrap());
}

#[tokio::test]
async fn a_full_server_that_may_evict_goes_on() {
    let server =
        RedisServer::builder().config("maxmemory", "4mb").config("maxmemory-policy", "allkeys-lfu").start();
    let (store, keys) = (store(&server), Keys::new(2000));
    for key in keys.all() {
        assert!(store.set(&key, &entry(vec![0; 10_000]), &always()).await.unwrap().took_place());
    }
    assert!(server.command(&["DBSIZE"]).integer().unwrap() < 1000);
}

#[tokio::test]
async fn a_replica_serves_reads_and_refuses_writes() {
    let primary = RedisServer::start();
    let keys = Keys::new(2);
    assert!(store(&primary).set(&keys.at(0), &entry("value"), &always()).await.unwrap().took_place());
    let port = primary.port().unwrap().to_string();
    let replica = RedisServer::builder().config("replicaof", &format!("127.0.0.1 {port}")).start();
    let store = store(&replica);
    while store.get(&keys.at(0), &GET).await.ok().and_then(larder_core::backend::Lookup::entry).is_none() {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bytes(store.get(&keys.at(0), &GET).await.unwrap()), "value");
    let connection = connections(&replica);

    let read_only = |error: Error| assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
    let found = store.get(&keys.at(0), &GET).await.unwrap().entry().unwrap();
    read_only(set_error(&store, 1).await);
    read_only(store.delete(&keys.at(0), &ANY).await.unwrap_err());
    read_only(
        store
            .touch(&keys.at(0), &TouchOptions::new(found.meta().lifetime, Duration::from_secs(1).into()))
            .await
            .unwrap_err(),
    );
    let unchanged = when(Condition::Unchanged(found.token()));
    read_only(store.set(&keys.at(0), &entry("next"), &unchanged).await.unwrap_err());
    for removed in store.delete_many(&removals(&keys.all())).await {
        read_only(removed.unwrap_err());
    }
    assert_eq!(connections(&replica), connection);

    // It becomes the primary: nothing has to be done here.
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    assert!(store.set(&keys.at(1), &entry("value"), &always()).await.unwrap().took_place());
}

#[tokio::test]
async fn a_replica_that_has_lost_its_primary() {
    let primary = RedisServer::start();
    let port = primary.port().unwrap().to_string();
    let replica = RedisServer::builder()
        .config("replicaof", &format!("127.0.0.1 {port}"))
        .config("replica-serve-stale-data", "no")
        .start();
    primary.stop();
    let store = store(&replica);
    // Until it has noticed, it may serve.
    let kind = loop {
        match store.get(&Keys::new(1).at(0), &GET).await {
            Ok(_) => sleep(Duration::from_millis(20)).await,
            Err(error) => break error.kind(),
        }
    };
    assert_eq!(kind, ErrorKind::Loading);
}

#[tokio::test]
async fn too_few_replicas_to_write() {
    let server = RedisServer::builder().config("min-replicas-to-write", "1").start();
    assert_eq!(set_error(&store(&server), 0).await.kind(), ErrorKind::ReadOnly);
}

#[tokio::test]
async fn a_server_that_cannot_save_its_data() {
    let server = RedisServer::builder().config("dir", "/proc").config("save", "3600 1").start();
    server.command(&["BGSAVE"]);
    let store = store(&server);
    let begun = Instant::now();
    let error = loop {
        match store.set(&Keys::new(1).at(0), &entry("value"), &always()).await {
            Ok(_) => sleep(Duration::from_millis(5)).await,
            Err(error) => break error,
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "it saves to /proc");
    };
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error}");
    assert!(error.to_string().contains("disk"), "{error}");
}

/// Sends a command and waits for no answer.
fn say(server: &RedisServer, command: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    stream
}

/// What the first call that fails says.
async fn first_error(store: &RedisBackend) -> Error {
    let begun = Instant::now();
    loop {
        if let Err(error) = store.get(&Keys::new(1).at(0), &GET).await {
            return error;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "no call fails");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_that_loads_its_data() {
    let server = RedisServer::builder()
        .config("enable-debug-command", "yes")
        .config("loading-process-events-interval-bytes", "1024")
        .config("key-load-delay", "1000")
        .start();
    server.command(&["DEBUG", "POPULATE", "1000", "filler", "100"]);
    let (connected, late) = (store(&server), store(&server));
    connected.get(&Keys::new(1).at(0), &GET).await.unwrap();
    let _reload = say(&server, "DEBUG RELOAD");
    assert_eq!(first_error(&connected).await.kind(), ErrorKind::Loading);
    assert_eq!(first_error(&late).await.kind(), ErrorKind::Loading);
    until_it_works(&connected, &Keys::new(1).at(0)).await;
}

#[tokio::test]
async fn a_server_busy_with_a_script() {
    let server = RedisServer::builder().config("busy-reply-threshold", "50").start();
    let (connected, late) = (store(&server), store(&server));
    connected.get(&Keys::new(1).at(0), &GET).await.unwrap();
    let _script = say(&server, "EVAL \"while true do end\" 0");
    assert_eq!(first_error(&connected).await.kind(), ErrorKind::Busy);
    assert_eq!(first_error(&late).await.kind(), ErrorKind::Busy);
    server.command(&["SCRIPT", "KILL"]);
    for store in [connected, late] {
        let (took, _) = until_it_works(&store, &Keys::new(1).at(0)).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test]
async fn too_many_clients() {
    for with_password in [false, true] {
        let builder = RedisServer::builder().config("maxclients", "10");
        let server = if with_password { builder.password("sesame") } else { builder }.start();
        let mut others = Vec::new();
        let store = store(&server);
        // As many as are taken, and none of them the test's own.
        loop {
            let other = common::store(&server);
            match other.get(&Keys::new(1).at(0), &GET).await {
                Ok(_) => others.push(other),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                    break;
                }
            }
        }
        let error = store.get(&Keys::new(1).at(0), &GET).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert_eq!(error.origin(), Origin::Store, "it is not our queue that is full");
        assert!(error.chain().to_string().contains("maxclients"), "{}", error.chain());
        others.clear();
        let (took, _) = until_it_works(&store, &Keys::new(1).at(0)).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test]
async fn a_node_of_a_cluster() {
    let server = RedisServer::builder().config("cluster-enabled", "yes").start();
    let store = store(&server);
    let error = store.get(&Keys::new(1).at(0), &GET).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("Cluster"), "{error}");
    for error in store.get_many(&Keys::new(20).all(), &GET).await {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
