//! A panic in a caller's code is an error of that call, a miss, or a line in the log: it harms nobody else.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::convert::Infallible;

use crate::common::{
    self, Gate, HOUR, Lines, Local, MINUTE, Remote, SECOND, answer, asked, builder, cache, every_store,
    plain, said, settled, soon, there,
};
use larder_core::{
    Cache, Clock, Error, ErrorKind, Key, Miss,
    cache::{Event, Found, Listener, Loaded, Status},
    miss::Undecodable,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value whose code panics, by what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mine {
    Good,
    CannotBeWritten,
    CannotBeRead,
    CannotBeDropped,
}

use Mine::{CannotBeDropped, CannotBeRead, CannotBeWritten, Good};

/// Panics when it is dropped, if it is of that sort.
#[derive(Debug)]
struct Fragile(Mine);

impl Drop for Fragile {
    fn drop(&mut self) {
        assert!(self.0 != CannotBeDropped || std::thread::panicking(), "this one cannot be dropped");
    }
}

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(self.0 != CannotBeWritten, "this one cannot be written");
        serializer.serialize_u8(self.0 as u8)
    }
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mine = match u8::deserialize(deserializer)? {
            2 => panic!("this one cannot be read"),
            3 => CannotBeDropped,
            _ => Good,
        };
        Ok(Self(mine))
    }
}

fn load(mine: Mine) -> common::Ready<Result<Fragile, Infallible>> {
    std::future::ready(Ok(Fragile(mine)))
}

/// E35: a panic in `Deserialize` is a miss with that reason: reads say so, and a loader takes its place.
#[tokio::test]
async fn a_panic_while_a_value_is_read_is_a_miss() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let writer: Cache<Fragile> = cache(store.clone(), &clock, plain());
    let reader: Cache<Fragile> = cache(store.clone(), &clock, plain());
    let (key, beside) = (Key::new("k"), Key::new("beside"));
    writer.set(&beside, Fragile(Good)).await.unwrap();
    for _ in 0..3 {
        writer.set(&key, Fragile(CannotBeRead)).await.unwrap();
        let found = reader.look_up(&key).await.unwrap();
        assert!(matches!(found, Found::Miss(Miss::Undecodable(Undecodable::Format(_)))), "{found:?}");
        let many = reader.get_many([&key, &beside]).await.unwrap();
        assert_eq!((many.found().count(), many.failures().count()), (1, 0));
        assert!(reader.take(&key).await.unwrap().is_none());

        writer.set(&key, Fragile(CannotBeRead)).await.unwrap();
        let loaded = reader.get_or_load(&key, || load(Good)).await.unwrap();
        assert_eq!((loaded.0, loaded.status()), (Good, Status::Loaded));
        writer.set(&key, Fragile(CannotBeRead)).await.unwrap();
        let many = reader
            .get_or_load_many([&key, &beside], |missing| async move {
                Ok::<_, Infallible>(missing.into_iter().map(|key| (key, Fragile(Good))))
            })
            .await
            .unwrap();
        assert_eq!((many.found().count(), many.failures().count()), (2, 0));
        assert_eq!(reader.get(&key).await.unwrap().unwrap().0, Good, "the loader's value is in its place");
    }
    assert!(reader.stats().undecodable >= 3);
}

/// E35: a panic in `Serialize` is an error of the writer, and what was there stays; a loaded value is had all the same.
#[tokio::test]
async fn a_panic_while_a_value_is_written_is_an_error_of_the_writer() {
    let clock = Clock::manual();
    for lease in [false, true] {
        let store = Remote::new(&clock);
        let policy = if lease { plain().lease(MINUTE) } else { plain() };
        let cache: Cache<Fragile> = cache(store.clone(), &clock, policy);
        let (key, other) = (Key::new("k"), Key::new("other"));
        cache.set(&key, Fragile(Good)).await.unwrap();
        let kind = |error: larder_core::Error| error.kind();
        assert_eq!(cache.set(&key, Fragile(CannotBeWritten)).await.map_err(kind), Err(ErrorKind::Encode));
        assert_eq!(cache.get(&key).await.unwrap().unwrap().0, Good);
        let items = [(key.clone(), Fragile(CannotBeWritten)), (other.clone(), Fragile(Good))];
        let written = cache.set_many(items).await.unwrap();
        assert_eq!(written[0].as_ref().map_err(Error::kind), Err(ErrorKind::Encode));
        assert!(written[1].is_ok());
        cache.delete(&key).await.unwrap();

        for _ in 0..2 {
            let loaded = soon(cache.get_or_load(&key, || load(CannotBeWritten))).await.unwrap();
            assert_eq!(
                (loaded.0, loaded.status()),
                (CannotBeWritten, Status::LoadedNotStored),
                "lease {lease}"
            );
            settled().await;
            assert!(!store.has(&key), "nor is there a lease: {lease}");
        }
        // Of many that are loaded together, the others are stored.
        let keys = [key.clone(), Key::new("fine")];
        let many = cache
            .get_or_load_many(&keys, |missing| async move {
                let value = |key: &Key| if *key == Key::new("k") { CannotBeWritten } else { Good };
                Ok::<_, Infallible>(missing.into_iter().map(move |key| (key.clone(), Fragile(value(&key)))))
            })
            .await
            .unwrap();
        assert_eq!(many.found().count(), 2);
        assert_eq!(cache.get(&keys[1]).await.unwrap().unwrap().0, Good);
        assert!(cache.get(&keys[0]).await.unwrap().is_none());
    }
}

/// E35: in memory nothing is written; asked for its bytes, such a value is an error of who asks.
#[tokio::test]
async fn in_memory_a_value_that_cannot_be_written_is_kept() {
    let clock = Clock::manual();
    let cache: Cache<Fragile> = builder(Local::new(&clock), &clock, plain()).weigher(|_| 1).build().unwrap();
    let key = Key::new("k");
    assert_eq!(cache.get_or_load(&key, || load(CannotBeWritten)).await.unwrap().status(), Status::Loaded);
    assert_eq!(cache.get(&key).await.unwrap().unwrap().0, CannotBeWritten);
    let error = cache.get_encoded(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert_eq!(cache.get(&key).await.unwrap().unwrap().0, CannotBeWritten);
}

/// E35: a weigher that panics, and the default one that meets a `Serialize` which does, cost the value its place, and no caller
/// its value.
#[tokio::test]
async fn a_panic_while_a_value_is_weighed_loses_no_value() {
    let clock = Clock::manual();
    let store = || Local::with_limit(&clock, 1 << 20);
    let weighs: Cache<Fragile> = builder(store(), &clock, plain())
        .weigher(|value: &Fragile| if value.0 == Good { 1 } else { panic!("this one cannot be weighed") })
        .build()
        .unwrap();
    let estimates: Cache<Fragile> = cache(store(), &clock, plain());
    for cache in [weighs, estimates] {
        let (key, beside) = (Key::new("k"), Key::new("beside"));
        cache.set(&beside, Fragile(Good)).await.unwrap();
        let loaded = cache.get_or_load(&key, || load(CannotBeWritten)).await.unwrap();
        assert_eq!(loaded.0, CannotBeWritten);
        let set = cache.set(&key, Fragile(CannotBeWritten)).await.map_err(|error| error.kind());
        assert_eq!(set, Err(ErrorKind::TooLarge));
        assert_eq!(cache.get_or_load(&key, || load(Good)).await.unwrap().status(), Status::Loaded);
        assert_eq!(cache.get(&beside).await.unwrap().unwrap().0, Good);
    }
}

/// E35: an evicted or replaced value's `Drop` is not the affair of whoever happens to make room, and the log says so.
#[tokio::test]
async fn a_panic_in_a_values_drop_harms_no_innocent_caller() {
    let clock = Clock::manual();
    let (lines, _listening) = Lines::listen();
    let store = Local::new(&clock);
    let cache: Cache<Fragile> = cache(store.clone(), &clock, plain());
    let (key, other) = (Key::new("k"), Key::new("other"));
    let put = async || cache.set(&key, Fragile(CannotBeDropped)).await.unwrap();
    put().await;
    cache.set(&key, Fragile(Good)).await.unwrap();
    put().await;
    assert!(cache.delete(&key).await.unwrap());
    put().await;
    assert!(cache.delete_many([&key, &other]).await.unwrap().into_iter().all(|removed| removed.is_ok()));
    put().await;
    store.evict_all();
    put().await;
    clock.advance(HOUR);
    assert_eq!(cache.get_or_load(&key, || load(Good)).await.unwrap().0, Good);
    put().await;
    assert!(cache.at(&key).replace(Fragile(Good)).await.unwrap());
    cache.get_or_load(&other, || load(CannotBeDropped)).await.map(drop).unwrap();
    settled().await;
    cache.set(&other, Fragile(Good)).await.unwrap();
    assert!(lines.with("drop").len() >= 7, "{:?}", lines.with(""));
}

/// E35: a loader that panics, while it is called or while it runs, is an error for those who wait, and the key is free.
#[tokio::test]
async fn a_panic_in_a_loader_is_an_error_for_those_who_wait() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for lease in [false, true] {
            let policy = if lease { plain().lease(MINUTE) } else { plain() };
            let cache: Cache<u64> = cache(store.clone(), &clock, policy.max_loads(1));
            let (key, gate) = (Key::new("k"), Gate::new());
            let first = asked(&cache, &key, {
                let gate = gate.clone();
                || async move {
                    gate.pass().await;
                    panic!("a test")
                }
            });
            gate.reached_by(1).await;
            let second = asked(&cache, &key, answer(2));
            settled().await;
            gate.open();
            assert_eq!(said(soon(first).await.unwrap()), Err(ErrorKind::Panicked), "{name}");
            assert!(matches!(said(soon(second).await.unwrap()), Err(ErrorKind::Panicked) | Ok(2)), "{name}");
            let called = || -> std::future::Ready<Result<u64, Infallible>> { panic!("a test") };
            cache.delete(&key).await.unwrap();
            assert_eq!(said(soon(cache.get_or_load(&key, called)).await), Err(ErrorKind::Panicked), "{name}");
            let many = cache
                .get_or_load_many([&key, &Key::new("x")], |_| async {
                    panic!("a test") as Result<[(Key, u64); 0], Infallible>
                })
                .await
                .unwrap();
            assert!(many.failures().all(|(_, error)| error.kind() == ErrorKind::Panicked), "{name}");
            assert_eq!(many.failures().count(), 2, "{name}");
            // What a bulk loader gives may panic when it is counted out.
            let many = cache
                .get_or_load_many([&key], |missing| async move {
                    Ok::<_, Infallible>(missing.into_iter().map(|_| -> (Key, u64) { panic!("a test") }))
                })
                .await
                .unwrap();
            assert_eq!(many.failures().count(), 1, "{name}");
            assert_eq!(said(soon(cache.get_or_load(&key, answer(3))).await), Ok(3), "{name}");
            cache.delete(&key).await.unwrap();
        }
    }
}

/// E35: so does an error whose conversion panics, and a loader's future whose drop does.
#[tokio::test(start_paused = true)]
async fn a_panic_around_a_loader_is_an_error_too() {
    struct Bad;
    impl From<Bad> for Box<dyn std::error::Error + Send + Sync> {
        fn from(_: Bad) -> Self {
            panic!("a test")
        }
    }
    struct PanicsInDrop;
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "a test");
        }
    }
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain().load_limit(5 * SECOND).max_loads(1));
        let key = Key::new("k");
        let error = cache.get_or_load(&key, || async { Err::<u64, _>(Bad) }).await;
        assert_eq!(said(error), Err(ErrorKind::Panicked), "{name}");
        let given_up = asked(&cache, &key, || async {
            let _guard = PanicsInDrop;
            std::future::pending().await
        });
        settled().await;
        let joins = asked(&cache, &key, answer(2));
        let given_up = said(soon(given_up).await.unwrap());
        assert!(matches!(given_up, Err(ErrorKind::Timeout | ErrorKind::Panicked)), "{name}: {given_up:?}");
        assert!(matches!(
            said(soon(joins).await.unwrap()),
            Ok(2) | Err(ErrorKind::Timeout | ErrorKind::Panicked)
        ));
        assert_eq!(
            said(soon(cache.get_or_load(&key, answer(3))).await).map(|value| value > 1),
            Ok(true),
            "{name}"
        );
    }
}

/// E35: a listener that panics with every event is the only one that does not hear of it.
#[tokio::test]
async fn a_panic_in_a_listener_harms_nobody() {
    struct Panics;
    impl Listener for Panics {
        fn on_event(&self, _: &str, event: &Event<'_>) {
            panic!("a test: {event:?}");
        }
    }
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let policy = plain().stale_while_revalidate(HOUR).lease(MINUTE);
        let cache: Cache<u64> = builder(store, &clock, policy).listener(Panics).build().unwrap();
        let key = Key::new("k");
        assert_eq!(said(cache.at(&key).tag("t").get_or_load(answer(1)).await), Ok(1), "{name}");
        assert_eq!(there(&cache, &key).await, Some(1), "{name}");
        clock.advance(11 * MINUTE);
        assert_eq!(said(cache.get_or_load(&key, answer(2)).await), Ok(1), "{name}");
        settled().await;
        assert_eq!(there(&cache, &key).await, Some(2), "{name}");
        cache.invalidate_tag("t").await.unwrap();
        cache.clear().await.unwrap();
        cache.set(&key, 3).await.unwrap();
        assert!(cache.delete(&key).await.unwrap(), "{name}");
        assert!(cache.stats().hits > 0, "{name}: it is counted all the same");
    }
}

/// E35: a loader that is told the old value, and panics, leaves it.
#[tokio::test]
async fn a_panic_in_a_renewal_leaves_what_is_there() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, plain().stale_if_error(HOUR));
        let key = Key::new("k");
        cache.set(&key, 1).await.unwrap();
        clock.advance(11 * MINUTE);
        let panics = |context: larder_core::cache::LoadContext<u64>| async move {
            assert_eq!(context.old().map(|old| **old), None, "a test");
            Ok::<_, Infallible>(Loaded::new(2))
        };
        let served = cache.at(&key).get_or_load_with(panics).await.unwrap();
        assert_eq!((*served, served.status()), (1, Status::Stale), "{name}");
    }
}
