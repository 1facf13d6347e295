//! What a server promises to send costs nothing until it is sent, and what is kept of an answer keeps nothing else alive. In a
//! file of its own, since it measures the process.

// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

mod common;
mod liar;

use common::{GET, Keys};
use larder_core::Backend as _;
use liar::{GREETED, Liar};

#[tokio::test]
async fn promises_of_huge_answers_cost_no_memory() {
    for answer in [
        b"$536870911000\r\nx".as_slice(),
        b"$9223372036854775807\r\nx",
        b"*1000000000000\r\n",
        b"*9223372036854775807\r\n+x\r\n",
        b"%9223372036854775807\r\n",
        b"*1\r\n*1\r\n*1000000000\r\n*1000000000\r\n*1000000000\r\n",
    ] {
        let before = resident();
        let liar = Liar::start(GREETED, answer).await;
        let store = liar.store();
        for _ in 0..3 {
            store.get(&Keys::new(1).at(0), &GET).await.unwrap_err();
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 20_000, "{answer:?}: {grown} KiB more");
    }
}

#[tokio::test]
async fn an_entry_that_is_kept_keeps_no_other_alive() {
    let server = larder_test_servers::RedisServer::start();
    let (store, keys) = (common::store(&server), Keys::new(64));
    for key in keys.all() {
        assert!(
            store.set(&key, &common::entry(vec![7; 1000]), &common::always()).await.unwrap().took_place()
        );
    }
    let before = resident();
    let mut kept = Vec::new();
    for _ in 0..1000 {
        // A reply of some 64 KiB, of which one entry is kept.
        kept.extend(store.get_many(&keys.all(), &GET).await.swap_remove(0).unwrap().entry());
    }
    let grown = resident().saturating_sub(before);
    assert_eq!(kept.len(), 1000);
    assert!(grown < 20_000, "{grown} KiB more for 1000 entries of 1 KiB");
}

/// The process's memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
