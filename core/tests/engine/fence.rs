//! Who writes, removes or invalidates a key wins over every load that began before, and nobody is served what was removed.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::convert::Infallible;

use crate::common::{
    Act, DEEDS, Deed, Gate, Keys, Local, MINUTE, Op, READS, Remote, Tokens, WRITES, answer, asked, cache,
    every_store, gated, loads_in_bulk, plain, said, settled, soon, there,
};
use larder_core::{
    Cache, Clock, ErrorKind, Key,
    backend::Capabilities,
    cache::{Loaded, Status},
};

/// E25: a load, of one key or of many, does not store over what was done while its loader ran, in this process.
#[tokio::test]
async fn whatever_is_done_while_a_loader_runs_wins() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for lease in [false, true] {
            for deed in DEEDS {
                let policy = if lease { plain().lease(MINUTE) } else { plain() };
                let cache: Cache<u64> = cache(store.clone(), &clock, policy);
                let (key, gate) = (Key::new("k"), Gate::new());
                let load = tokio::spawn({
                    let (cache, key, gate) = (cache.clone(), key.clone(), gate.clone());
                    async move { said(cache.at(&key).tag("t").get_or_load(gated(&gate, 1)).await) }
                });
                gate.reached_by(1).await;
                deed.by(&cache, &key).await;
                // Who comes afterwards does not join it.
                let after = said(soon(cache.get_or_load(&key, answer(2))).await);
                gate.open();
                assert_eq!(
                    load.await.unwrap(),
                    Ok(1),
                    "{name}, lease {lease}, {deed:?}: its own caller has its value"
                );
                settled().await;
                let expected = deed.leaves().or(Some(2));
                assert_eq!(after.ok(), expected, "{name}, lease {lease}, {deed:?}");
                assert_eq!(there(&cache, &key).await, expected, "{name}, lease {lease}, {deed:?}");
                cache.clear().await.unwrap();
                cache.delete(&key).await.unwrap();
            }
        }
    }
}

/// E25: the same for bulk loads, which name no tags.
#[tokio::test]
async fn whatever_is_done_while_a_bulk_loader_runs_wins() {
    let clock = Clock::manual();
    for (name, store) in every_store(&clock) {
        for lease in [false, true] {
            for deed in
                DEEDS.into_iter().filter(|deed| !matches!(deed, Deed::InvalidateTag | Deed::ExpireTag))
            {
                let policy = if lease { plain().lease(MINUTE) } else { plain() };
                let cache: Cache<u64> = cache(store.clone(), &clock, policy);
                let (key, gate) = (Key::new("k"), Gate::new());
                let load = loads_in_bulk(&cache, &key, &gate);
                gate.reached_by(1).await;
                deed.by(&cache, &key).await;
                gate.open();
                assert_eq!(load.await.unwrap(), Some(1), "{name}, {lease}, {deed:?}");
                assert_eq!(there(&cache, &key).await, deed.leaves(), "{name}, {lease}, {deed:?}");
                cache.delete_many([&key, &Key::new("beside"), &Key::new("x")]).await.unwrap();
            }
        }
    }
}

/// E25: under leases, what another process does wins as well.
#[tokio::test]
async fn whatever_another_process_does_while_a_loader_runs_wins_under_leases() {
    let clock = Clock::manual();
    for tokens in [Tokens::Revision, Tokens::Own] {
        for deed in DEEDS {
            let store = Remote::with_tokens(&clock, tokens);
            // The other knows of leases or does not.
            for other in [plain(), plain().lease(MINUTE)] {
                let here: Cache<u64> = cache(store.clone(), &clock, plain().lease(MINUTE));
                let elsewhere: Cache<u64> = cache(store.clone(), &clock, other);
                let (key, gate) = (Key::new("k"), Gate::new());
                let load = tokio::spawn({
                    let (here, key, gate) = (here.clone(), key.clone(), gate.clone());
                    async move { said(here.at(&key).tag("t").get_or_load(gated(&gate, 1)).await) }
                });
                gate.reached_by(1).await;
                deed.by(&elsewhere, &key).await;
                gate.open();
                assert_eq!(load.await.unwrap(), Ok(1), "{tokens:?}, {deed:?}");
                // Reading is not joining: there is no value of before.
                assert_eq!(there(&here, &key).await, deed.leaves(), "{tokens:?}, {deed:?}");
                here.delete_many([&key, &Key::new("x")]).await.unwrap();
            }
        }
    }
}

/// E25: a finished `add` is not replaced by a load that began while it was in progress, nor by one that began after it.
#[tokio::test]
async fn a_finished_add_stays() {
    let clock = Clock::manual();
    for tokens in [Tokens::Revision, Tokens::Own] {
        let store = Remote::with_tokens(&clock, tokens);
        let cache: Cache<u64> = cache(store.clone(), &clock, plain());
        let (key, written) = (Key::new("k"), Gate::new());
        store.on(&[Op::Set, Op::SetMany], Keys::With("s:k"), Act::Hold(written.clone()));
        let add = tokio::spawn({
            let (cache, key) = (cache.clone(), key.clone());
            async move { cache.add(&key, 9).await }
        });
        written.reached_by(1).await;
        store.heal();
        let loader = Gate::new();
        let load = asked(&cache, &key, gated(&loader, 1));
        loader.reached_by(1).await;
        written.open();
        assert!(add.await.unwrap().unwrap(), "{tokens:?}");
        let second = Gate::new();
        let late = asked(&cache, &key, gated(&second, 2));
        settled().await;
        loader.open();
        second.open();
        assert_eq!(said(soon(load).await.unwrap()), Ok(1));
        assert!(matches!(said(soon(late).await.unwrap()), Ok(9 | 2)));
        settled().await;
        assert_eq!(there(&cache, &key).await, Some(9), "{tokens:?}");
    }
}

/// E25: a load that looked before a write had taken place, and ends before the write is answered, does not replace it: not even
/// on a store that knows no conditions, where nothing but this process stands between the two.
#[tokio::test]
async fn a_write_that_is_not_answered_yet_is_not_replaced() {
    let clock = Clock::manual();
    let plain_store = Capabilities::shared().with_atomic_add(false).with_compare_and_set(false);
    for capabilities in [plain_store, Capabilities::shared()] {
        for deed in [Deed::Add, Deed::Set, Deed::SetMany] {
            let store = Remote::with(&clock, Tokens::Revision, capabilities);
            let cache: Cache<u64> = cache(store.clone(), &clock, plain());
            let key = Key::new("k");
            cache.set(&Key::new("warm"), 0).await.unwrap();
            let (looked, written) = (Gate::new(), Gate::new());
            store.on(READS, Keys::With("s:k"), Act::HoldAnswer(looked.clone()));
            let load = asked(&cache, &key, answer(1));
            looked.reached_by(1).await;
            store.heal();
            store.on(WRITES, Keys::With("s:k"), Act::HoldAnswer(written.clone()));
            let write = tokio::spawn({
                let (cache, key) = (cache.clone(), key.clone());
                async move { deed.by(&cache, &key).await }
            });
            written.reached_by(1).await;
            store.heal();
            // The load goes on, and ends, while the writer still waits.
            looked.open();
            assert!(soon(load).await.unwrap().is_ok(), "{deed:?}");
            settled().await;
            written.open();
            soon(write).await.unwrap();
            assert_eq!(there(&cache, &key).await, Some(9), "{deed:?}, {capabilities:?}");
        }
    }
}

/// E25: a load that looked before the add was there, and begins after it has ended, looks again.
#[tokio::test]
async fn a_load_that_looked_before_an_add_finds_it() {
    let clock = Clock::manual();
    for single in [true, false] {
        let store = Remote::new(&clock);
        let cache: Cache<u64> = cache(store.clone(), &clock, plain());
        let (key, looked) = (Key::new("k"), Gate::new());
        cache.get(&Key::new("warm")).await.unwrap();
        store.on(READS, Keys::With("s:k"), Act::HoldAnswer(looked.clone()));
        let gate = Gate::new();
        gate.open();
        let load = if single {
            let load = asked(&cache, &key, answer(1));
            tokio::spawn(async move { said(soon(load).await.unwrap()).ok() })
        } else {
            loads_in_bulk(&cache, &key, &gate)
        };
        looked.reached_by(1).await;
        store.heal();
        assert!(cache.add(&key, 9).await.unwrap());
        looked.open();
        assert_eq!(load.await.unwrap(), Some(9), "single {single}");
        assert_eq!(there(&cache, &key).await, Some(9), "single {single}");
    }
}

/// E36: a tag fences the loads that name it, in their call or in their loader, and no others.
#[tokio::test]
async fn a_tag_fences_the_loads_that_name_it() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain());
    for softly in [false, true] {
        let load = |name: &'static str,
                    in_call: Option<&'static str>,
                    in_loader: Option<&'static str>,
                    gate: &Gate| {
            let (cache, gate) = (cache.clone(), gate.clone());
            tokio::spawn(async move {
                let key = Key::new(name);
                let at = in_call.map_or_else(|| cache.at(&key), |tag| cache.at(&key).tag(tag));
                let fetched = at
                    .get_or_load_with(move |_| async move {
                        gate.pass().await;
                        let loaded = Loaded::new(1);
                        Ok::<_, Infallible>(match in_loader {
                            Some(tag) => loaded.tag(tag),
                            None => loaded,
                        })
                    })
                    .await;
                fetched.unwrap().status()
            })
        };
        let gate = Gate::new();
        let loads = [
            (load("call names it", Some("t"), None, &gate), Status::LoadedNotStored),
            (load("loader names it", None, Some("t"), &gate), Status::LoadedNotStored),
            (load("both name it", Some("t"), Some("t"), &gate), Status::LoadedNotStored),
            (load("call names another", Some("u"), None, &gate), Status::Loaded),
            (load("loader names another", None, Some("u"), &gate), Status::Loaded),
            (load("none", None, None, &gate), Status::Loaded),
        ];
        gate.reached_by(loads.len()).await;
        if softly {
            cache.expire_tag("t").await.unwrap();
        } else {
            cache.invalidate_tag("t").await.unwrap();
        }
        gate.open();
        for (place, (load, expected)) in loads.into_iter().enumerate() {
            assert_eq!(load.await.unwrap(), expected, "{place}, softly {softly}");
        }
        cache.clear().await.unwrap();
    }
}

/// E36: on a shared store a loader's own tags are checked, too: never is a value stored under a tag that was invalidated.
#[tokio::test]
async fn on_a_shared_store_a_loaders_own_tag_fences_it() {
    let clock = Clock::manual();
    for by_another in [false, true] {
        let store = Remote::new(&clock);
        let here: Cache<u64> = cache(store.clone(), &clock, plain());
        let elsewhere: Cache<u64> = cache(store.clone(), &clock, plain());
        for (tag, expected) in [(Some("t"), None), (None, Some(1))] {
            let (key, gate) = (Key::new("k"), Gate::new());
            let load = tokio::spawn({
                let (here, key, gate) = (here.clone(), key.clone(), gate.clone());
                async move {
                    let loader = |_| async move {
                        gate.pass().await;
                        Ok::<_, Infallible>(Loaded::new(1).tag("t"))
                    };
                    said(here.at(&key).get_or_load_with(loader).await)
                }
            });
            gate.reached_by(1).await;
            if let Some(tag) = tag {
                (if by_another { &elsewhere } else { &here }).invalidate_tag(tag).await.unwrap();
            }
            gate.open();
            assert_eq!(load.await.unwrap(), Ok(1));
            assert_eq!(there(&here, &key).await, expected, "{tag:?}, by another {by_another}");
        }
    }
}

/// E25: a write whose answer is lost counts as one that may have taken place: the load that it met is not stored.
#[tokio::test]
async fn a_write_whose_answer_is_lost_fences_all_the_same() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    let (key, gate) = (Key::new("k"), Gate::new());
    let load = asked(&cache, &key, gated(&gate, 1));
    gate.reached_by(1).await;
    store.on(WRITES, Keys::Values, Act::LoseAnswer);
    assert_eq!(cache.set(&key, 9).await.map_err(|error| error.kind()), Err(ErrorKind::Timeout));
    store.heal();
    gate.open();
    assert_eq!(said(soon(load).await.unwrap()), Ok(1));
    assert_eq!(there(&cache, &key).await, Some(9));
}

/// E25: what is stale already is expired or taken once more: a renewal of it that has begun in another process does not store.
#[tokio::test]
async fn a_renewal_that_began_before_an_expiry_elsewhere_does_not_store() {
    let clock = Clock::manual();
    for tokens in [Tokens::Revision, Tokens::Own] {
        for takes in [false, true] {
            let store = Remote::with_tokens(&clock, tokens);
            let policy = plain().stale_if_error(MINUTE).lease(MINUTE);
            let here: Cache<u64> = cache(store.clone(), &clock, policy);
            let elsewhere: Cache<u64> = cache(store.clone(), &clock, policy);
            let (key, gate) = (Key::new("k"), Gate::new());
            here.set(&key, 0).await.unwrap();
            assert!(here.expire(&key).await.unwrap());
            let load = tokio::spawn({
                let (here, key, gate) = (here.clone(), key.clone(), gate.clone());
                async move { said(here.get_or_load(&key, gated(&gate, 1)).await) }
            });
            gate.reached_by(1).await;
            if takes {
                assert!(elsewhere.take(&key).await.unwrap().is_none(), "what is stale is given to nobody");
            } else {
                assert!(!elsewhere.expire(&key).await.unwrap(), "it was not fresh");
            }
            gate.open();
            assert_eq!(load.await.unwrap(), Ok(1));
            assert_eq!(there(&here, &key).await, None, "{tokens:?}, takes: {takes}");
        }
    }
}
