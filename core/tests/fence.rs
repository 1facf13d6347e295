//! Who writes, removes or invalidates a key wins over every load that began before, and nobody is served what was removed.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use std::{convert::Infallible, sync::Arc, time::Duration};

use common::{
    Act, Gate, HOUR, Keys, Local, MINUTE, MS, Op, READS, Remote, SECOND, Tokens, WRITES, answer, asked,
    builder, cache, every_store, failing, gated, plain, said, settled, soon, there,
};
use larder_core::{
    Backend, Cache, Clock, ErrorKind, Key,
    backend::Capabilities,
    cache::{Loaded, Policy, Status},
};

/// What wins over a load.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Set,
    SetMany,
    Add,
    Delete,
    DeleteMany,
    Take,
    Expire,
    InvalidateTag,
    ExpireTag,
    Clear,
}

const DEEDS: [Deed; 10] = [
    Deed::Set,
    Deed::SetMany,
    Deed::Add,
    Deed::Delete,
    Deed::DeleteMany,
    Deed::Take,
    Deed::Expire,
    Deed::InvalidateTag,
    Deed::ExpireTag,
    Deed::Clear,
];

impl Deed {
    async fn by(self, cache: &Cache<u64>, key: &Key) {
        match self {
            Self::Set => cache.set(key, 9).await.unwrap(),
            Self::SetMany => {
                for written in cache.set_many([(key.clone(), 9), (Key::new("x"), 9)]).await.unwrap() {
                    written.unwrap();
                }
            }
            Self::Add => assert!(cache.add(key, 9).await.unwrap()),
            Self::Delete => drop(cache.delete(key).await.unwrap()),
            Self::DeleteMany => drop(cache.delete_many([key, &Key::new("x")]).await.unwrap()),
            Self::Take => drop(cache.take(key).await.unwrap()),
            Self::Expire => drop(cache.expire(key).await.unwrap()),
            Self::InvalidateTag => cache.invalidate_tag("t").await.unwrap(),
            Self::ExpireTag => cache.expire_tag("t").await.unwrap(),
            Self::Clear => cache.clear().await.unwrap(),
        }
    }

    /// What is there afterwards.
    fn leaves(self) -> Option<u64> {
        matches!(self, Self::Set | Self::SetMany | Self::Add).then_some(9)
    }
}

fn loads_in_bulk(cache: &Cache<u64>, key: &Key, gate: &Gate) -> tokio::task::JoinHandle<Option<u64>> {
    let (cache, key, gate) = (cache.clone(), key.clone(), gate.clone());
    tokio::spawn(async move {
        let keys = [key, Key::new("beside")];
        let answers = cache.get_or_load_many(&keys, |missing| async move {
            gate.pass().await;
            Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 1)))
        });
        answers.await.unwrap().value(0).map(|value| **value)
    })
}

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
        assert_eq!(said(load.await.unwrap()), Ok(1));
        assert!(matches!(said(late.await.unwrap()), Ok(9 | 2)));
        settled().await;
        assert_eq!(there(&cache, &key).await, Some(9), "{tokens:?}");
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
            tokio::spawn(async move { said(load.await.unwrap()).ok() })
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

/// E24: a load that has lost, with a value too large for the store, leaves what another process has set meanwhile.
#[tokio::test]
async fn a_lost_load_with_a_value_too_large_removes_nothing() {
    let clock = Clock::manual();
    for tokens in [Tokens::Revision, Tokens::Own] {
        for policy in [plain(), plain().lease(MINUTE)] {
            let store = Remote::with(&clock, tokens, Capabilities::shared().with_max_value(Some(1000)));
            let here: Cache<String> = cache(store.clone(), &clock, policy);
            let elsewhere: Cache<String> = cache(store.clone(), &clock, plain());
            let (key, gate) = (Key::new("k"), Gate::new());
            let load = asked(&here, &key, gated(&gate, "x".repeat(5000)));
            gate.reached_by(1).await;
            elsewhere.set(&key, "theirs".into()).await.unwrap();
            gate.open();
            assert_eq!(load.await.unwrap().unwrap().len(), 5000);
            assert_eq!(there(&elsewhere, &key).await.as_deref(), Some("theirs"), "{tokens:?}");
        }
    }
}

/// E24: nor does any conditional write that fails; an unconditional one removes what it could not replace.
#[tokio::test]
async fn a_conditional_write_that_is_too_large_leaves_what_is_there() {
    let clock = Clock::manual();
    let large = || "x".repeat(5000);
    let stores: [(&str, Arc<dyn Backend>); 2] = [
        ("in memory", Local::with_limit(&clock, 2000)),
        ("shared", Remote::with(&clock, Tokens::Own, Capabilities::shared().with_max_value(Some(1000)))),
    ];
    for (name, store) in stores {
        let cache: Cache<String> = cache(store, &clock, plain());
        let key = Key::new("k");
        cache.set(&key, "small".into()).await.unwrap();
        let held = cache.get(&key).await.unwrap().unwrap();
        let kind = |error: larder_core::Error| error.kind();
        assert_eq!(cache.replace(&key, large()).await.map_err(kind), Err(ErrorKind::TooLarge), "{name}");
        let swapped = cache.at(&key).compare_and_set(&held, large()).await.map_err(kind);
        assert_eq!(swapped, Err(ErrorKind::TooLarge), "{name}");
        assert!(matches!(cache.add(&key, large()).await.map_err(kind), Ok(false) | Err(ErrorKind::TooLarge)));
        assert_eq!(there(&cache, &key).await.as_deref(), Some("small"), "{name}");

        assert_eq!(cache.set(&key, large()).await.map_err(kind), Err(ErrorKind::TooLarge), "{name}");
        assert_eq!(there(&cache, &key).await, None, "{name}: it would be served as if it were current");
        let other = Key::new("other");
        cache.set(&other, "small".into()).await.unwrap();
        let written = cache.set_many([(key.clone(), "fits".into()), (other.clone(), large())]).await.unwrap();
        assert!(written[0].is_ok(), "{name}");
        assert_eq!(written[1].as_ref().map_err(|error| error.kind()), Err(ErrorKind::TooLarge), "{name}");
        assert_eq!(there(&cache, &key).await.as_deref(), Some("fits"), "{name}");
        assert_eq!(there(&cache, &other).await, None, "{name}");
    }
}

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
            assert_eq!(said(late.await.unwrap()).ok(), expected, "{name}, {deed:?}");
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
    assert_eq!(said(load.await.unwrap()), Ok(1));
    assert_eq!(there(&cache, &key).await, Some(9));
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
