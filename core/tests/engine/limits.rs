//! What an entry may have is checked before any store is asked, and so alike for every store and every way to write (B9).

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::{convert::Infallible, sync::Arc};

use crate::common::{self, MINUTE, builder, every_store, plain};
use bytes::Bytes;
use larder_core::{
    Cache, Clock, ErrorKind, Key, Result,
    cache::{CallBuilder, Loaded},
};

type Beyond = (&'static str, ErrorKind, fn() -> (Vec<Arc<str>>, Vec<(Arc<str>, Bytes)>));

fn piece(name: &str, len: usize) -> (Arc<str>, Bytes) {
    (name.into(), vec![7; len].into())
}

/// Each one beyond a limit, by one where that is a number.
const BEYOND: [Beyond; 8] = [
    ("a long piece", ErrorKind::Encode, || (vec![], vec![piece("n", 63 * 1024 - 3)])),
    ("two pieces, long together", ErrorKind::Encode, || {
        (vec![], vec![piece("a", 40_000), piece("b", 40_000)])
    }),
    ("a piece longer than its length can say", ErrorKind::Encode, || (vec![], vec![piece("a", 70_000)])),
    ("many pieces", ErrorKind::Encode, || (vec![], (0..256).map(|n| piece(&n.to_string(), 1)).collect())),
    ("a long name", ErrorKind::Encode, || (vec![], vec![piece(&"n".repeat(256), 0)])),
    ("a name of Larder's own", ErrorKind::Encode, || (vec![], vec![piece("larder.x", 0)])),
    ("a long tag", ErrorKind::InvalidKey, || (vec!["t".repeat(256).into()], vec![])),
    ("many tags", ErrorKind::InvalidKey, || ((0..65).map(|n| n.to_string().into()).collect(), vec![])),
];

fn with<'a>(cache: &'a Cache<u64>, key: &'a Key, beyond: &Beyond) -> CallBuilder<'a, u64> {
    let (tags, pieces) = beyond.2();
    pieces.into_iter().fold(cache.at(key).tags(tags), |at, (name, data)| at.user_meta(name, data))
}

fn loaded(loaded: Loaded<u64>, beyond: &Beyond) -> Loaded<u64> {
    let (tags, pieces) = beyond.2();
    let loaded = tags.into_iter().fold(loaded, Loaded::tag);
    pieces.into_iter().fold(loaded, |loaded, (name, data)| loaded.user_meta(name, data))
}

fn kind<R>(result: Result<R>) -> Result<(), ErrorKind> {
    result.map(drop).map_err(|error| error.kind())
}

#[tokio::test]
async fn what_is_beyond_a_limit_is_refused_by_every_store_and_every_way_to_write() {
    let clock = Clock::manual();
    for (store, backend) in every_store(&clock) {
        let cache: Cache<u64> = builder(backend, &clock, plain()).build().unwrap();
        let (there, absent) = (Key::new("there"), Key::new("absent"));
        cache.at(&there).user_meta("etag", "1").set(1).await.unwrap();
        let fetched = cache.get(&there).await.unwrap().unwrap();
        for beyond in &BEYOND {
            let refused = Err(beyond.1);
            let name = format!("{}, {store}", beyond.0);
            for key in [&there, &absent] {
                assert_eq!(kind(with(&cache, key, beyond).set(2).await), refused, "set, {name}");
                assert_eq!(kind(with(&cache, key, beyond).add(2).await), refused, "add, {name}");
                assert_eq!(kind(with(&cache, key, beyond).replace(2).await), refused, "replace, {name}");
                let swapped = with(&cache, key, beyond).compare_and_set(&fetched, 2).await;
                assert_eq!(kind(swapped), refused, "compare_and_set, {name}");
                assert_eq!(
                    kind(with(&cache, key, beyond).ttl(std::time::Duration::ZERO).set(2).await),
                    refused,
                    "{name}"
                );
                // Whether there is something or not: what a call says does not depend on what others have left.
                let got = with(&cache, key, beyond).get_or_load(common::answer(2)).await;
                assert_eq!(kind(got), refused, "get_or_load, {name}");
                let got = with(&cache, key, beyond).get_or_load_encoded(common::answer(2)).await;
                assert_eq!(kind(got), refused, "get_or_load_encoded, {name}");
            }
            for made in [Loaded::new(2), Loaded::negative(2), Loaded::not_stored(2)] {
                let made = loaded(made, beyond);
                let got = cache.at(&absent).get_or_load_with(|_| async { Ok::<_, Infallible>(made) }).await;
                assert_eq!(kind(got), refused, "a loader's answer, {name}");
            }
            assert!(cache.get(&absent).await.unwrap().is_none(), "{name}");
            let kept = cache.get(&there).await.unwrap().unwrap();
            assert_eq!((*kept, kept.meta().user("etag")), (1, Some(&Bytes::from("1"))), "{name}");
        }
        for tag in ["", &"t".repeat(256)] {
            assert_eq!(kind(cache.invalidate_tag(tag).await), Err(ErrorKind::InvalidKey), "{store}");
            assert_eq!(kind(cache.expire_tag(tag).await), Err(ErrorKind::InvalidKey), "{store}");
        }
    }
}

/// The most of everything at once is kept, on every store: also where Larder notes something of its own.
#[tokio::test]
async fn what_is_within_every_limit_is_kept() {
    let clock = Clock::manual();
    let tags: Vec<Arc<str>> = (0..64).map(|n| format!("{n:>255}").into()).collect();
    let room = 63 * 1024 - 64 * (255 + 10);
    for (store, backend) in every_store(&clock) {
        let policy = plain().sliding(60 * MINUTE);
        let namespace = "a/".repeat(34) + "bb";
        let cache: Cache<u64> = builder(backend, &clock, policy).namespace(namespace).build().unwrap();
        let key = Key::new("k".repeat(1000));
        let mut at = cache.at(&key).ttl(MINUTE).tags(tags.clone());
        for n in 0..254 {
            let name = n.to_string();
            let len = if n == 0 {
                room - 254 * 3 - (0..254).map(|n: usize| n.to_string().len()).sum::<usize>()
            } else {
                0
            };
            at = at.user_meta(name, vec![7; len]);
        }
        at.set(1).await.unwrap_or_else(|why| panic!("{store}: {why}"));
        let kept = cache.get(&key).await.unwrap().unwrap();
        assert_eq!(kept.meta().all_user().len(), 254, "{store}");
        let negative = (0..254).fold(Loaded::negative(2), |loaded, n| loaded.user_meta(n.to_string(), ""));
        let key = Key::new("negative");
        cache
            .at(&key)
            .get_or_load_with(|_| async { Ok::<_, Infallible>(negative) })
            .await
            .map(drop)
            .unwrap_err();
        let negative = (0..253).fold(Loaded::negative(2), |loaded, n| loaded.user_meta(n.to_string(), ""));
        cache
            .at(&key)
            .ttl(MINUTE)
            .get_or_load_with(|_| async { Ok::<_, Infallible>(negative) })
            .await
            .unwrap();
        assert_eq!(cache.get(&key).await.unwrap().unwrap().meta().all_user().len(), 253, "{store}");
    }
}
