//! Another client, the crate `memcache`, as a witness: it reads what we write, and we take what it writes for what
//! it is.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{GET, entry, get, key, miss, set, store, value};
use larder_core::{
    Backend as _, Miss, Ttl,
    backend::{Lookup, SetOptions},
    envelope,
    miss::Undecodable,
};
use larder_test_servers::MemcachedServer;
use memcache::exp::{AsyncMetaClient, Ttl as Seconds};

async fn witness(server: &MemcachedServer) -> AsyncMetaClient {
    AsyncMetaClient::connect(&*server.address()).await.unwrap()
}

#[tokio::test]
async fn what_we_write_the_meta_client_reads() {
    let server = MemcachedServer::start();
    let (store, witness) = (store(&server), witness(&server).await);
    for (name, bytes) in
        [("plum", vec![0, 255, b'\r', b'\n']), ("large", vec![7; 900_000]), ("empty", vec![])]
    {
        let options = SetOptions::new(Ttl::After(std::time::Duration::from_mins(1)));
        let written = entry(bytes.clone());
        assert!(store.set(&key(name).get(), &written, &options).await.unwrap().took_place());
        let read = witness
            .get(format!("t:{name}"))
            .meta(memcache::exp::Meta::default().ttl().size())
            .send()
            .await
            .unwrap();
        let read_bytes = bytes::Bytes::from(read.value.unwrap());
        assert_eq!(read.item.size, Some(read_bytes.len() as u64));
        assert!((60..=62).contains(&read.item.ttl.unwrap()), "{:?}", read.item.ttl);
        assert_eq!(read.client_flags.unwrap_or(0), 0, "to other clients it is bytes");
        let understood = envelope::read(&key(name).get(), &read_bytes).unwrap();
        assert!(value(&understood) == bytes);
        assert_eq!(understood.meta().revision, written.meta().revision);
        assert!(witness.delete(format!("t:{name}")).send().await.unwrap().applied());
        assert_eq!(miss(&store, name).await, Miss::Absent);
    }
}

#[tokio::test]
async fn what_we_write_the_classic_client_reads() {
    let server = MemcachedServer::start();
    let store = store(&server);
    set(&store, "plum", "ripe").await.unwrap();
    let address = server.address();
    for protocol in ["ascii", "binary"] {
        let url = format!("memcache://{address}?timeout=10&protocol={protocol}");
        let read = tokio::task::spawn_blocking(move || {
            memcache::Client::connect(url).unwrap().get::<Vec<u8>>("t:plum").unwrap()
        });
        let read = bytes::Bytes::from(read.await.unwrap().unwrap());
        assert_eq!(value(&envelope::read(&key("plum").get(), &read).unwrap()), "ripe", "{protocol}");
    }
}

#[tokio::test]
async fn what_it_writes_is_foreign_to_us_and_no_error() {
    let server = MemcachedServer::start();
    let (store, witness) = (store(&server), witness(&server).await);
    let foreign = Miss::Undecodable(Undecodable::Foreign);
    let zeros = vec![0; 100_000];
    for value in [&b"ripe"[..], b"", &zeros, b"LRD", b"\x80\x03]q"] {
        witness.set("t:plum", value).client_flags(0xdead_beef).ttl(Seconds::secs(60)).send().await.unwrap();
        let expected = if value == b"LRD" { Miss::Undecodable(Undecodable::Length) } else { foreign.clone() };
        assert_eq!(miss(&store, "plum").await, expected);
        let many = store.get_many(&[key("plum").get()], &GET).await;
        assert!(matches!(&many[0], Ok(Lookup::Miss(miss)) if *miss == expected));
    }
    assert!(set(&store, "plum", "ours").await.unwrap());
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"ours"[..]));
}

#[tokio::test]
async fn a_placeholder_is_nothing_and_what_was_invalidated_softly_is_invalidated() {
    let server = MemcachedServer::start();
    let (store, witness) = (store(&server), witness(&server).await);
    assert!(witness.get("t:plum").lease_ttl(30).send().await.unwrap().won_lease());
    assert_eq!(miss(&store, "plum").await, Miss::Absent);
    assert!(set(&store, "plum", "ripe").await.unwrap());
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"ripe"[..]));

    witness.delete("t:plum").invalidate().stale_for(Seconds::secs(30)).send().await.unwrap();
    // To the first reader the server hands the right to write it anew, to later ones it says so.
    for _ in 0..3 {
        assert_eq!(miss(&store, "plum").await, Miss::Invalidated);
    }
    assert!(set(&store, "plum", "riper").await.unwrap());
    assert_eq!(get(&store, "plum").await.as_deref(), Some(&b"riper"[..]));
}

#[tokio::test]
async fn the_envelope_of_another_key_is_not_ours() {
    let server = MemcachedServer::start();
    let (store, witness) = (store(&server), witness(&server).await);
    set(&store, "plum", "ripe").await.unwrap();
    let bytes = witness.get("t:plum").send().await.unwrap().value.unwrap();
    witness.set("t:pear", &bytes).ttl(Seconds::secs(60)).send().await.unwrap();
    assert_eq!(miss(&store, "pear").await, Miss::OtherKey);

    let mut flipped = bytes;
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    witness.set("t:plum", &flipped).ttl(Seconds::secs(60)).send().await.unwrap();
    assert_eq!(miss(&store, "plum").await, Miss::Undecodable(Undecodable::Checksum));
}
