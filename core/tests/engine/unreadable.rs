//! What this process has written and cannot read back is said once, loudly (B10).

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use crate::common::{self, Lines, Remote, cache, plain};
use larder_core::{
    Backend, Cache, Clock, Key, Miss, Ttl,
    backend::{GetOptions, Lookup, SetOptions},
    cache::Found,
    format::Postcard,
    key::StoreKey,
    miss::Undecodable,
};
use serde::{Deserialize, Serialize};

/// Postcard writes it like what is in it, and cannot tell afterwards what that was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
}

const SAID: &str = "cannot read back";

fn postcard(store: &std::sync::Arc<Remote>, clock: &Clock) -> Cache<Untagged> {
    common::builder(store.clone(), clock, plain()).name("prices").format(Postcard).build().unwrap()
}

#[tokio::test]
async fn one_read_says_so_with_the_reason_and_no_other() {
    let clock = Clock::manual();
    let (lines, _listening) = Lines::listen();
    let store = Remote::new(&clock);
    let prices = postcard(&store, &clock);
    let key = Key::new("k");
    prices.set(&key, Untagged::Number(1)).await.unwrap();
    assert_eq!(lines.with(SAID), Vec::<String>::new(), "nobody has read it yet");
    let found = prices.look_up(&key).await.unwrap();
    assert!(matches!(found, Found::Miss(Miss::Undecodable(Undecodable::Format(_)))), "{found:?}");
    let said = lines.with(SAID);
    assert_eq!(said.len(), 1, "{said:?}");
    for part in ["ERROR", "prices", "postcard", "does not deserialize"] {
        assert!(said[0].contains(part), "{part}: {}", said[0]);
    }
    for _ in 0..10 {
        assert!(prices.get(&key).await.unwrap().is_none());
        let loaded = prices.get_or_load(&key, common::answer(Untagged::Number(2))).await.unwrap();
        assert_eq!(*loaded, Untagged::Number(2));
    }
    assert_eq!(lines.with(SAID).len(), 1);
    assert!(prices.stats().undecodable >= 21, "{:?}", prices.stats());
    // Once for each cache, since each has a type of its own.
    assert!(postcard(&store, &clock).get(&key).await.unwrap().is_none());
    assert_eq!(lines.with(SAID).len(), 2);
}

#[tokio::test]
async fn bulk_reads_and_loads_say_so_as_well() {
    let clock = Clock::manual();
    let (key, beside) = (Key::new("k"), Key::new("beside"));
    for bulk_load in [false, true] {
        let (lines, _listening) = Lines::listen();
        let store = Remote::new(&clock);
        let prices = postcard(&store, &clock);
        let items = [(key.clone(), Untagged::Number(1)), (beside.clone(), Untagged::Number(2))];
        prices.set_many(items).await.unwrap().into_iter().for_each(Result::unwrap);
        if bulk_load {
            let load = |keys: Vec<Key>| {
                let made = keys.into_iter().map(|key| (key, Untagged::Number(3)));
                std::future::ready(Ok::<_, std::convert::Infallible>(made))
            };
            assert_eq!(prices.get_or_load_many([&key, &beside], load).await.unwrap().found().count(), 2);
        } else {
            assert_eq!(prices.get_many([&key, &beside]).await.unwrap().found().count(), 0);
        }
        assert_eq!(lines.with(SAID).len(), 1, "{bulk_load}: {:?}", lines.with(""));
    }
}

#[tokio::test]
async fn what_another_program_wrote_is_no_error() {
    let clock = Clock::manual();
    let (lines, _listening) = Lines::listen();
    let store = Remote::new(&clock);
    let prices = postcard(&store, &clock);
    let key = Key::new("k");
    prices.set(&key, Untagged::Number(1)).await.unwrap();
    let place = StoreKey::new(prices.namespace(), &key);
    let Ok(Lookup::Hit(entry)) = store.get(&place, &GetOptions::new()).await else { panic!("not there") };
    // Another process draws other revisions.
    let meta = entry.meta().clone();
    let other = meta.revision ^ (1 << 63);
    let entry = entry.with_meta(meta.with_revision(other));
    store.set(&place, &entry, &SetOptions::new(Ttl::Never)).await.unwrap();
    assert!(prices.get(&key).await.unwrap().is_none());
    assert_eq!(lines.with(SAID), Vec::<String>::new());
}

#[tokio::test]
async fn what_can_be_read_is_read_in_silence() {
    let clock = Clock::manual();
    let (lines, _listening) = Lines::listen();
    let prices: Cache<Untagged> = cache(Remote::new(&clock), &clock, plain());
    let key = Key::new("k");
    prices.set(&key, Untagged::Number(1)).await.unwrap();
    assert_eq!(prices.get(&key).await.unwrap().as_deref(), Some(&Untagged::Number(1)));
    assert_eq!(lines.with(""), Vec::<String>::new());
}
