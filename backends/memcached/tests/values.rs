//! What goes in comes out: every byte, every size, over every kind of connection; and what does not fit.

mod common;

use bytes::Bytes;
use common::{GET, config, done, entry, get, hit, key, miss, set, set_when, store, value};
use larder_core::{
    Backend as _, ErrorKind, Miss, Ttl,
    backend::{Condition, SetItem, SetOptions},
    settings::ByteSize,
};
use larder_memcached::MemcachedBackend;
use larder_test_servers::MemcachedServer;

#[tokio::test]
async fn every_byte_comes_back_and_so_does_what_looks_like_the_protocol() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let every: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    let values = [
        Bytes::new(),
        Bytes::from(every),
        Bytes::from_static(b"\r\nEND\r\n"),
        Bytes::from_static(b"VA 5 O0\r\nhello\r\nHD O1\r\nERROR\r\n"),
        Bytes::from_static(b"\r\nmd t:0 O1\r\n"),
        Bytes::from_static(b"LRD\x1a\x01"),
        Bytes::from(vec![b'\n'; 100_000]),
    ];
    for (n, bytes) in values.iter().enumerate() {
        assert!(set(&store, &n.to_string(), bytes.clone()).await.unwrap());
    }
    for (n, bytes) in values.iter().enumerate() {
        assert_eq!(get(&store, &n.to_string()).await.as_ref(), Some(bytes), "{n}");
    }
}

#[tokio::test]
async fn every_size_up_to_the_largest_comes_back() {
    let server = MemcachedServer::start();
    let store = store(&server);
    assert_eq!(store.capabilities().max_value, None, "nobody has been asked yet");
    assert_eq!(miss(&store, "anything").await, Miss::Absent);
    let max = store.capabilities().max_value.unwrap();
    assert_eq!(max, 1024 * 1024 - 512);
    // The header of an envelope is 96 bytes long, and then comes the key: `t:k123`.
    let largest = usize::try_from(max).unwrap() - 102;
    for size in [1, 4095, 8191, 8192, 16_384, 32_766, 32_768, 65_534, 65_536, 300_000, largest] {
        let bytes = Bytes::from((0..=250).cycle().take(size).collect::<Vec<u8>>());
        assert!(set(&store, "k123", bytes.clone()).await.unwrap(), "{size}");
        assert!(get(&store, "k123").await.unwrap() == bytes, "{size}");
    }
    let error = set(&store, "k123", vec![0; largest + 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(miss(&store, "k123").await, Miss::Absent);
}

#[tokio::test]
async fn the_largest_entry_fits_whatever_its_key() {
    for kilobytes in [100, 1024, 2048] {
        let server = MemcachedServer::builder().max_item_kb(kilobytes).memory_mb(256).start();
        let store = store(&server);
        miss(&store, "anything").await;
        let max = usize::try_from(store.capabilities().max_value.unwrap()).unwrap();
        let namespace = larder_core::key::Namespace::new(&"n".repeat(70), 0).unwrap();
        let long = larder_core::Key::new("k".repeat(1000));
        let key = larder_core::key::StoreKey::new(&namespace, &long);
        let header = larder_core::envelope::Envelope::write(&key, &entry("")).await.unwrap().len();
        let options = SetOptions::new(Ttl::Never);
        assert!(store.set(&key, &entry(vec![7; max - header]), &options).await.unwrap().took_place());
        assert_eq!(
            store.get(&key, &GET).await.unwrap().entry().map(|entry| value(&entry).len()),
            Some(max - header)
        );
    }
}

#[tokio::test]
async fn a_value_that_is_too_large_takes_the_old_one_with_it_unless_there_was_a_condition() {
    let server = MemcachedServer::start();
    let mut configured = config(&server);
    // More than the server takes: it has to say so itself.
    configured.max_value = Some(ByteSize(100 << 20));
    for store in [store(&server), MemcachedBackend::new(configured).unwrap()] {
        let too_large = || Bytes::from(vec![0; 2 << 20]);
        set(&store, "plum", "ripe").await.unwrap();
        let error = set(&store, "plum", too_large()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert_eq!(miss(&store, "plum").await, Miss::Absent);
        assert!(set(&store, "plum", "ripe").await.unwrap(), "the connection is in order");
    }
    // On a store that has just begun and does not know the server's limit.
    let conditions = [
        Condition::Absent,
        Condition::Present,
        Condition::Unchanged(hit(&store(&server), "plum").await.token()),
    ];
    for condition in conditions {
        let store = store(&server);
        let answer = set_when(&store, "plum", vec![0; 2 << 20], condition).await;
        assert_ne!(answer.as_ref().ok(), Some(&true), "{condition:?}");
        assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"ripe"[..]), "{condition:?}");
        let answer = set_when(&store, "pear", vec![0; 2 << 20], Condition::Absent).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn too_large_among_many_fails_alone() {
    let server = MemcachedServer::start();
    let mut configured = config(&server);
    configured.max_value = Some(ByteSize(100 << 20));
    for store in [store(&server), MemcachedBackend::new(configured).unwrap()] {
        let keys: Vec<_> = (0..5).map(key).collect();
        let sizes = [10, 2 << 20, 10, 3 << 20, 10];
        for _ in 0..2 {
            let items: Vec<SetItem<'_>> = keys
                .iter()
                .zip(sizes)
                .map(|(key, size)| SetItem::new(key.get(), entry(vec![1; size]), SetOptions::new(Ttl::Never)))
                .collect();
            for key in &keys {
                assert!(
                    store
                        .set(&key.get(), &entry("old"), &SetOptions::new(Ttl::Never))
                        .await
                        .unwrap()
                        .took_place()
                );
            }
            let kinds: Vec<_> =
                done(store.set_many(&items).await).into_iter().map(|w| w.map_err(|e| e.kind())).collect();
            assert_eq!(
                kinds,
                [Ok(true), Err(ErrorKind::TooLarge), Ok(true), Err(ErrorKind::TooLarge), Ok(true)]
            );
            for (key, size) in keys.iter().zip(sizes) {
                let found =
                    store.get(&key.get(), &GET).await.unwrap().entry().map(|entry| value(&entry).len());
                assert_eq!(found, (size == 10).then_some(10));
            }
        }
    }
}

#[tokio::test]
async fn a_server_without_memory_that_may_not_evict_is_full() {
    let server = MemcachedServer::builder().memory_mb(2).argument("-M").start();
    let store = store(&server);
    let mut refused = None;
    for n in 0..1000 {
        if let Err(error) = set(&store, &n.to_string(), vec![1; 100_000]).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.unwrap().kind(), ErrorKind::Full);
    assert!(get(&store, "0").await.is_some(), "the connection is in order");
}

#[tokio::test]
async fn a_unix_socket() {
    let server = MemcachedServer::builder().unix_socket().start();
    let store = store(&server);
    set(&store, "plum", vec![3; 500_000]).await.unwrap();
    assert_eq!(get(&store, "plum").await.unwrap().len(), 500_000);
    server.stop();
    common::look_up(&store, "plum").await.unwrap_err();
    server.restart();
    common::recovery(&store).await;
    assert_eq!(miss(&store, "plum").await, Miss::Absent);
}

#[tokio::test]
async fn a_server_that_has_not_room_for_everything_evicts() {
    let server = MemcachedServer::builder().memory_mb(8).start();
    let store = store(&server);
    for n in 0..200 {
        assert!(set(&store, &n.to_string(), vec![1; 100_000]).await.unwrap());
    }
    assert_eq!(miss(&store, "0").await, Miss::Absent);
    assert!(get(&store, "199").await.is_some());
}
