//! Many keys at once, and several servers.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{GET, done, entry, get, key, removals, set, statistic, store, value};
use larder_core::{
    Backend as _, ErrorKind, Miss, Ttl,
    backend::{Condition, Lookup, SetItem, SetOptions},
    key::StoreKey,
};
use larder_memcached::{Hashing, MemcachedBackend, MemcachedConfig, ServerConfig};
use larder_test_servers::MemcachedServer;

fn items<'a>(keys: &'a [common::TestKey], size: usize) -> Vec<SetItem<'a>> {
    let item = |(n, key): (usize, &'a common::TestKey)| {
        let mut bytes = n.to_string().into_bytes();
        bytes.resize(size.max(bytes.len()), b'.');
        SetItem::new(key.get(), entry(bytes), SetOptions::new(Ttl::Never))
    };
    keys.iter().enumerate().map(item).collect()
}

fn number(found: &Lookup) -> Option<usize> {
    let Lookup::Hit(entry) = found else { return None };
    let bytes = value(entry);
    Some(std::str::from_utf8(&bytes).unwrap().trim_end_matches('.').parse().unwrap())
}

#[tokio::test]
async fn ten_thousand_keys_are_written_read_and_removed_in_order() {
    let servers: Vec<MemcachedServer> = (0..3).map(|_| MemcachedServer::start()).collect();
    let mut config = MemcachedConfig::new(servers.iter().map(MemcachedServer::address));
    config.connections = 2;
    let store = MemcachedBackend::new(config).unwrap();
    let keys: Vec<_> = (0..10_000).map(key).collect();
    let store_keys: Vec<StoreKey<'_>> = keys.iter().map(common::TestKey::get).collect();
    assert!(done(store.set_many(&items(&keys, 100)).await).into_iter().all(|written| written.unwrap()));
    for (n, found) in store.get_many(&store_keys, &GET).await.into_iter().enumerate() {
        assert_eq!(number(&found.unwrap()), Some(n));
    }
    let counts: Vec<u64> = servers.iter().map(|server| statistic(server, "stats", "curr_items")).collect();
    assert!(counts.iter().all(|count| (3000..3700).contains(count)), "{counts:?}");
    let every_other: Vec<StoreKey<'_>> = store_keys.iter().copied().step_by(2).collect();
    assert!(store.delete_many(&removals(&every_other)).await.into_iter().all(|removed| removed.unwrap()));
    let removed: Vec<bool> =
        store.delete_many(&removals(&store_keys)).await.into_iter().map(Result::unwrap).collect();
    assert!(removed.iter().enumerate().all(|(n, removed)| *removed == (n % 2 == 1)));
    assert!(
        store.get_many(&store_keys, &GET).await.into_iter().all(|found| found.unwrap().entry().is_none())
    );
}

#[tokio::test]
async fn large_values_in_bulk() {
    let server = MemcachedServer::builder().memory_mb(256).start();
    let store = store(&server);
    let keys: Vec<_> = (0..100).map(key).collect();
    let store_keys: Vec<StoreKey<'_>> = keys.iter().map(common::TestKey::get).collect();
    assert!(done(store.set_many(&items(&keys, 700_000)).await).into_iter().all(|written| written.unwrap()));
    for (n, found) in store.get_many(&store_keys, &GET).await.into_iter().enumerate() {
        assert_eq!(number(&found.unwrap()), Some(n));
    }
}

#[tokio::test]
async fn duplicates_are_answered_alike_and_the_last_write_stays() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let (plum, pear) = (key("plum"), key("pear"));
    let options = SetOptions::new(Ttl::Never);
    let items = [
        SetItem::new(plum.get(), entry("first"), options),
        SetItem::new(pear.get(), entry("only"), options.when(Condition::Absent)),
        SetItem::new(plum.get(), entry("last"), options),
    ];
    assert!(done(store.set_many(&items).await).into_iter().all(|written| written.unwrap()));
    let none = key("none");
    let keys = [plum.get(), pear.get(), none.get(), plum.get()];
    let found: Vec<Option<Bytes>> = store
        .get_many(&keys, &GET)
        .await
        .into_iter()
        .map(|f| f.unwrap().entry().map(|e| value(&e)))
        .collect();
    assert_eq!(found, [Some("last".into()), Some("only".into()), None, Some("last".into())]);
}

#[tokio::test]
async fn no_keys_no_io() {
    // Nothing listens there.
    let store = MemcachedBackend::new(MemcachedConfig::new(["127.0.0.1:1"])).unwrap();
    assert!(store.get_many(&[], &GET).await.is_empty());
    assert!(store.set_many(&[]).await.is_empty());
    assert!(store.delete_many(&[]).await.is_empty());
    assert!(format!("{store:?}").contains("idle"), "{store:?}");
}

#[tokio::test]
async fn one_server_that_is_down_fails_its_own_keys_only() {
    for hashing in [Hashing::Rendezvous, Hashing::Ketama] {
        let servers: Vec<MemcachedServer> = (0..3).map(|_| MemcachedServer::start()).collect();
        let mut config = MemcachedConfig::new(servers.iter().map(MemcachedServer::address));
        config.hashing = hashing;
        let store = MemcachedBackend::new(config).unwrap();
        let keys: Vec<_> = (0..300).map(key).collect();
        let store_keys: Vec<StoreKey<'_>> = keys.iter().map(common::TestKey::get).collect();
        for written in store.set_many(&items(&keys, 10)).await {
            assert!(written.unwrap().took_place());
        }
        let on_second = statistic(&servers[1], "stats", "curr_items");
        servers[1].stop();
        // The loss is noticed by whoever asks first.
        let _ = store.get_many(&store_keys, &GET).await;
        tokio::time::sleep(Duration::from_millis(50)).await;

        let mut failed = 0;
        for (n, found) in store.get_many(&store_keys, &GET).await.into_iter().enumerate() {
            match found {
                Ok(found) => assert_eq!(number(&found), Some(n)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                    assert!(error.message().contains(&servers[1].address()), "{error}");
                    failed += 1;
                }
            }
        }
        assert_eq!(failed, on_second);
        for many in
            [done(store.set_many(&items(&keys, 10)).await), store.delete_many(&removals(&store_keys)).await]
        {
            assert_eq!(many.iter().filter(|answer| answer.is_err()).count() as u64, on_second);
            assert!(many.into_iter().flatten().all(|done| done));
        }

        servers[1].restart();
        let begun = Instant::now();
        while store.get_many(&store_keys, &GET).await.iter().any(Result::is_err) {
            assert!(begun.elapsed() < Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_name_keeps_the_keys_of_a_server_that_moves() {
    let servers: Vec<MemcachedServer> = (0..4).map(|_| MemcachedServer::start()).collect();
    let named = |places: [usize; 3]| {
        let server = |(name, place): (&str, usize)| ServerConfig::new(servers[place].address()).name(name);
        MemcachedBackend::new(MemcachedConfig::new(["a", "b", "c"].into_iter().zip(places).map(server)))
            .unwrap()
    };
    let before = named([0, 1, 2]);
    for n in 0..100 {
        set(&before, &n.to_string(), "v").await.unwrap();
    }
    let on_c = statistic(&servers[2], "stats", "curr_items");
    let after = named([0, 1, 3]);
    let mut missing = 0;
    for n in 0..100 {
        missing += u64::from(get(&after, &n.to_string()).await.is_none());
    }
    assert_eq!(missing, on_c);
}

#[tokio::test]
async fn keys_that_look_dangerous_are_ordinary() {
    let server = MemcachedServer::start();
    let store = store(&server);
    let names = ["a b", "a\r\nmd t:x", "\0", "ü", "*", "", "x".repeat(100_000).leak() as &str];
    for name in names {
        assert!(set(&store, name, name.to_owned()).await.unwrap());
    }
    for name in names {
        assert_eq!(get(&store, name).await.unwrap(), name);
    }
    assert_eq!(statistic(&server, "stats", "curr_items"), names.len() as u64);
    assert_eq!(common::miss(&store, "a").await, Miss::Absent);
}
