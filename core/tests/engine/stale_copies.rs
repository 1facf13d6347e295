//! Copies that must not be served or joined any more: of keys that were removed, and of loads that were superseded.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use crate::common::{
    Act, Deed, Gate, HOUR, Keys, MINUTE, MS, READS, Remote, SECOND, Tokens, WRITES, answer, asked, builder,
    cache, every_store, failing, gated, loads_in_bulk, plain, said, settled, soon, there,
};
use larder_core::{
    Cache, Clock, ErrorKind, Key,
    cache::{Policy, Status},
};

/// E26: without leases, who arrives later than the lag after another process's invalidation joins no load from before it.
#[tokio::test(start_paused = true)]
async fn nobody_joins_a_load_that_another_processs_invalidation_has_overtaken() {
    for lag in [Duration::ZERO, 100 * MS] {
        for deed in [Deed::InvalidateTag, Deed::ExpireTag, Deed::Clear] {
            let clock = Clock::manual();
            let store = Remote::new(&clock);
            let make = || -> Cache<u64> {
                builder(store.clone(), &clock, plain()).invalidation_lag(lag).build().unwrap()
            };
            let (here, elsewhere) = (make(), make());
            let (key, gate) = (Key::new("k"), Gate::new());
            let old = tokio::spawn({
                let (here, key, gate) = (here.clone(), key.clone(), gate.clone());
                async move { said(here.at(&key).tag("t").get_or_load(gated(&gate, 1)).await) }
            });
            gate.reached_by(1).await;
            deed.by(&elsewhere, &key).await;
            tokio::time::sleep(lag + 300 * MS).await;
            let later = tokio::spawn({
                let (here, key) = (here.clone(), key.clone());
                async move { said(here.at(&key).tag("t").get_or_load(answer(2)).await) }
            });
            settled().await;
            gate.open();
            assert_eq!(old.await.unwrap(), Ok(1));
            assert_eq!(soon(later).await.unwrap(), Ok(2), "lag {lag:?}, {deed:?}");
            // And what is there is no older than that.
            assert_ne!(there(&here, &key).await, Some(1), "lag {lag:?}, {deed:?}");
            assert_ne!(there(&elsewhere, &key).await, Some(1), "lag {lag:?}, {deed:?}");
        }
    }
}

/// E26: under leases, who arrives after another process has removed or written the key joins no load from before that.
#[tokio::test(start_paused = true)]
async fn under_leases_nobody_joins_a_load_that_another_process_has_overtaken() {
    for tokens in [Tokens::Revision, Tokens::Own] {
        for deed in [Deed::Delete, Deed::Set, Deed::InvalidateTag, Deed::Clear] {
            let clock = Clock::manual();
            let store = Remote::with_tokens(&clock, tokens);
            let make = || -> Cache<u64> { cache(store.clone(), &clock, plain().lease(MINUTE)) };
            let (here, elsewhere) = (make(), make());
            let (key, gate) = (Key::new("k"), Gate::new());
            let old = tokio::spawn({
                let (here, key, gate) = (here.clone(), key.clone(), gate.clone());
                async move { said(here.at(&key).tag("t").get_or_load(gated(&gate, 1)).await) }
            });
            gate.reached_by(1).await;
            deed.by(&elsewhere, &key).await;
            tokio::time::sleep(300 * MS).await;
            let later = tokio::spawn({
                let (here, key) = (here.clone(), key.clone());
                async move { said(here.at(&key).tag("t").get_or_load(answer(2)).await) }
            });
            settled().await;
            gate.open();
            assert_eq!(old.await.unwrap(), Ok(1));
            let expected = deed.leaves().unwrap_or(2);
            assert_eq!(soon(later).await.unwrap(), Ok(expected), "{tokens:?}, {deed:?}");
        }
    }
}

fn excusing() -> Policy {
    plain().stale_if_error(10 * HOUR).error_backoff(SECOND)
}

/// E27: the stale copy of a key that was removed while the loader ran excuses no failure.
#[tokio::test(start_paused = true)]
async fn a_stale_copy_of_what_was_removed_is_not_served() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for lease in [false, true] {
            for deed in [Deed::Delete, Deed::DeleteMany, Deed::InvalidateTag, Deed::Clear] {
                let policy = if lease { excusing().lease(MINUTE) } else { excusing() };
                let cache: Cache<u64> = cache(store.clone(), &clock, policy);
                let (key, gate) = (Key::new("k"), Gate::new());
                cache.at(&key).tag("t").set(1).await.unwrap();
                clock.advance(11 * MINUTE);
                let load = tokio::spawn({
                    let (cache, key, gate) = (cache.clone(), key.clone(), gate.clone());
                    async move {
                        let loader = || async move {
                            gate.pass().await;
                            Err::<u64, _>(std::io::Error::other("down"))
                        };
                        said(cache.at(&key).tag("t").get_or_load(loader).await)
                    }
                });
                gate.reached_by(1).await;
                deed.by(&cache, &key).await;
                gate.open();
                assert_eq!(load.await.unwrap(), Err(ErrorKind::Load), "{name}, {lease}, {deed:?}");
                assert_eq!(
                    said(cache.get_or_load(&key, failing()).await),
                    Err(ErrorKind::Load),
                    "{name}, {deed:?}"
                );
            }
        }
    }
}

/// E27: nor when the loader is late, and nor in a bulk load; what was set meanwhile is served.
#[tokio::test(start_paused = true)]
async fn a_late_or_bulk_load_serves_no_copy_of_what_was_removed() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for (deed, expected) in [(Deed::Delete, None), (Deed::Clear, None), (Deed::Set, Some(9))] {
            let cache: Cache<u64> = cache(store.clone(), &clock, excusing().soft_deadline(SECOND));
            let (key, gate) = (Key::new("k"), Gate::new());
            cache.set(&key, 1).await.unwrap();
            clock.advance(11 * MINUTE);
            let late = asked(&cache, &key, gated(&gate, 2));
            let many = loads_in_bulk(&cache, &key, &gate);
            gate.reached_by(1).await;
            deed.by(&cache, &key).await;
            tokio::time::sleep(2 * SECOND).await;
            assert_eq!(said(soon(late).await.unwrap()).ok(), expected, "{name}, {deed:?}");
            assert_eq!(many.await.unwrap(), expected, "{name}, {deed:?}");
            gate.open();
            settled().await;
            cache.delete_many([&key, &Key::new("beside")]).await.unwrap();
        }
    }
}

/// E27: a stale copy of what nobody has removed is served, flagged.
#[tokio::test(start_paused = true)]
async fn a_stale_copy_of_what_is_still_there_is_served() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        let cache: Cache<u64> = cache(store, &clock, excusing());
        let key = Key::new("k");
        cache.set(&key, 1).await.unwrap();
        clock.advance(11 * MINUTE);
        let served = cache.get_or_load(&key, failing()).await.unwrap();
        assert_eq!((*served, served.status()), (1, Status::Stale), "{name}");
        // And the loader is left alone for the back-off.
        let served = cache.get_or_load(&key, answer(2)).await.unwrap();
        assert_eq!((*served, served.status()), (1, Status::Stale), "{name}");
        clock.advance(2 * SECOND);
        assert_eq!(said(cache.get_or_load(&key, answer(2)).await), Ok(2), "{name}");
    }
}

/// E26: after a failed read nothing is written back, by one key or by many.
#[tokio::test]
async fn after_a_failed_read_nothing_is_written() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    cache.set(&Key::new("k"), 9).await.unwrap();
    store.on(READS, Keys::Values, Act::Fail(ErrorKind::Unavailable));
    let before = store.count(WRITES, Keys::Values);
    let answered = cache.get_or_load(&Key::new("k"), answer(1)).await.unwrap();
    assert_eq!((*answered, answered.status()), (1, Status::LoadedNotStored));
    let gate = Gate::new();
    gate.open();
    assert_eq!(loads_in_bulk(&cache, &Key::new("k"), &gate).await.unwrap(), Some(1));
    settled().await;
    assert_eq!(store.count(WRITES, Keys::Values), before);
    store.heal();
    assert_eq!(there(&cache, &Key::new("k")).await, Some(9));
}
