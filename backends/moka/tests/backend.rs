//! What the store promises, at the level of the trait and under a cache.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{ANY, GET, KEYS, alive, body, entry, live, removals, store, value};
use larder_core::{
    Backend, Cache, Clock, ErrorKind, Key, Miss, Ttl,
    backend::{Condition, Lookup, SetItem, SetOptions, TouchOptions},
    clock::Timestamp,
    entry::{Lifetime, Token},
    key::StoreKey,
};
use larder_moka::{MokaBackend, MokaConfig, NAME};

const MINUTE: Ttl = Ttl::After(Duration::from_secs(60));
const ALWAYS: SetOptions = SetOptions::new(MINUTE);
const ABSENT: SetOptions = ALWAYS.when(Condition::Absent);
const PRESENT: SetOptions = ALWAYS.when(Condition::Present);

fn now(store: &MokaBackend, key: &StoreKey<'_>) -> Lookup {
    store.get_now(key).expect("an open store answers at once")
}

#[tokio::test]
async fn what_is_set_is_shared_with_the_store() {
    let (store, clock) = store(MokaConfig::default());
    let (key, value) = (Key::new("k"), Arc::new(7_u32));
    let key = StoreKey::new(&KEYS, &key);
    assert!(matches!(now(&store, &key), Lookup::Miss(Miss::Absent)));

    assert!(store.set(&key, &live(&clock, value.clone(), MINUTE), &ALWAYS).await.unwrap().took_place());
    for found in [now(&store, &key), store.get(&key, &GET).await.unwrap()] {
        let found = found.entry().unwrap();
        let found: Arc<u32> = Arc::downcast(found.live().unwrap().clone()).unwrap();
        assert!(Arc::ptr_eq(&found, &value));
    }
}

#[tokio::test]
async fn an_entry_lives_exactly_as_long_as_it_was_given() {
    let (store, clock) = store(MokaConfig::default());
    let (short, long, ever) = (Key::new("short"), Key::new("long"), Key::new("ever"));
    let [short, long, ever] = [&short, &long, &ever].map(|key| StoreKey::new(&KEYS, key));
    let lives = [(short, Ttl::After(Duration::from_millis(1))), (long, MINUTE), (ever, Ttl::Never)];
    for (key, ttl) in lives {
        assert!(store.set(&key, &entry(&clock, "v", ttl), &SetOptions::new(ttl)).await.unwrap().took_place());
        assert!(alive(&store, &key));
    }
    clock.advance(Duration::from_millis(1));
    assert!(matches!(now(&store, &short), Lookup::Miss(Miss::Expired)));
    clock.advance(Duration::from_millis(59_998));
    assert!(alive(&store, &long));
    clock.advance(Duration::from_millis(1));
    assert!(!alive(&store, &long));
    clock.advance(Duration::from_secs(100 * 365 * 24 * 3600));
    assert!(alive(&store, &ever));
}

#[tokio::test]
async fn the_systems_clock_ends_a_life_too() {
    let store = MokaBackend::new(MokaConfig::default(), Clock::system()).unwrap();
    let (key, ttl) = (Key::new("k"), Duration::from_millis(60));
    let key = StoreKey::new(&KEYS, &key);
    assert!(
        store
            .set(&key, &entry(&Clock::system(), "v", ttl.into()), &SetOptions::new(ttl.into()))
            .await
            .unwrap()
            .took_place()
    );
    let begun = Instant::now();
    assert!(alive(&store, &key));
    while alive(&store, &key) {
        assert!(begun.elapsed() < Duration::from_secs(5), "it does not end");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let resolution = store.capabilities().ttl_resolution;
    assert!(begun.elapsed() + resolution >= ttl, "gone after {:?}", begun.elapsed());
}

#[tokio::test]
async fn overwriting_replaces_the_life_in_both_directions() {
    let (store, clock) = store(MokaConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let seconds = |n| Ttl::After(Duration::from_secs(n));
    for (first, second, gone_after) in
        [(100, Some(10), Some(10)), (10, Some(100), Some(100)), (10, None, None), (1, Some(1), Some(1))]
    {
        let second = second.map_or(Ttl::Never, seconds);
        assert!(
            store
                .set(&key, &entry(&clock, "1", seconds(first)), &SetOptions::new(seconds(first)))
                .await
                .unwrap()
                .took_place()
        );
        assert!(
            store
                .set(&key, &entry(&clock, "2", second), &SetOptions::new(second))
                .await
                .unwrap()
                .took_place()
        );
        clock.advance(Duration::from_millis(gone_after.unwrap_or(1000) * 1000 - 1));
        assert_eq!(value(&store, &key).as_deref(), Some("2"), "{first} then {second:?}");
        clock.advance(Duration::from_millis(1));
        assert_eq!(alive(&store, &key), gone_after.is_none(), "{first} then {second:?}");
    }
}

#[tokio::test]
async fn what_is_over_before_it_is_written_replaces_and_is_not_kept() {
    let (store, clock) = store(MokaConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    assert!(store.set(&key, &entry(&clock, "old", MINUTE), &ALWAYS).await.unwrap().took_place());
    let late = entry(&clock, "late", Duration::from_secs(1).into());
    clock.advance(Duration::from_secs(2));
    assert!(store.set(&key, &late, &ALWAYS).await.unwrap().took_place());
    assert!(matches!(now(&store, &key), Lookup::Miss(Miss::Absent)));
}

#[tokio::test]
async fn conditions_hold_for_live_entries_alone() {
    let (store, clock) = store(MokaConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let set = |text: &'static str, options: SetOptions| {
        let entry = entry(&clock, text, MINUTE);
        let store = &store;
        async move { store.set(&key, &entry, &options).await.unwrap().took_place() }
    };
    for round in ["never written", "deleted", "expired"] {
        assert!(!set("no", PRESENT).await, "{round}");
        assert!(set("added", ABSENT).await, "{round}");
        assert!(!set("no", ABSENT).await, "{round}");
        assert_eq!(value(&store, &key).as_deref(), Some("added"), "{round}");
        assert!(set("replaced", PRESENT).await, "{round}");
        assert_eq!(value(&store, &key).as_deref(), Some("replaced"), "{round}");
        if round == "never written" {
            assert!(store.delete(&key, &ANY).await.unwrap());
        } else {
            clock.advance(Duration::from_secs(60));
        }
        assert!(!store.delete(&key, &ANY).await.unwrap(), "an expired entry is none");
    }
}

#[tokio::test]
async fn a_failed_add_leaves_the_life_alone() {
    let (store, clock) = store(MokaConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    assert!(store.set(&key, &entry(&clock, "first", MINUTE), &ALWAYS).await.unwrap().took_place());
    assert!(!store.set(&key, &entry(&clock, "no", Ttl::Never), &ABSENT).await.unwrap().took_place());
    clock.advance(Duration::from_secs(60));
    assert!(!alive(&store, &key));
}

#[tokio::test]
async fn a_token_names_one_state() {
    let (store, clock) = store(MokaConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let token = |store: &MokaBackend| now(store, &key).entry().unwrap().token();
    let unchanged = |token: Token| ALWAYS.when(Condition::Unchanged(token));
    let set = |text: &'static str, options: SetOptions| {
        let entry = entry(&clock, text, MINUTE);
        let store = &store;
        async move { store.set(&key, &entry, &options).await.unwrap().took_place() }
    };

    assert!(!set("no", unchanged(Token(1))).await, "there is none");
    set("first", ALWAYS).await;
    let first = token(&store);
    assert!(set("second", unchanged(first)).await);
    assert!(!set("no", unchanged(first)).await, "stale");
    assert_eq!(value(&store, &key).as_deref(), Some("second"));

    let second = token(&store);
    store.delete(&key, &ANY).await.unwrap();
    assert!(!set("no", unchanged(second)).await, "deleted");
    set("second", ALWAYS).await;
    assert!(!set("no", unchanged(second)).await, "made again");

    let last = token(&store);
    clock.advance(Duration::from_secs(60));
    assert!(!set("no", unchanged(last)).await, "expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_adds_exactly_one_is_true() {
    let (store, clock) = store(MokaConfig::default());
    let store = Arc::new(store);
    let wins: Arc<Vec<AtomicU32>> = Arc::new((0..500).map(|_| AtomicU32::new(0)).collect());
    let tasks = (0..32).map(|_| {
        let (store, clock, wins) = (store.clone(), clock.clone(), wins.clone());
        tokio::spawn(async move {
            for (n, wins) in wins.iter().enumerate() {
                let key = Key::new("k").part(n);
                if store
                    .set(&StoreKey::new(&KEYS, &key), &entry(&clock, "v", MINUTE), &ABSENT)
                    .await
                    .unwrap()
                    .took_place()
                {
                    wins.fetch_add(1, Ordering::Relaxed);
                }
                if n % 7 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(wins.iter().all(|wins| wins.load(Ordering::Relaxed) == 1), "{wins:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_compare_and_set_loses_nothing() {
    let (store, clock) = store(MokaConfig::default());
    let store = Arc::new(store);
    let key = Key::new("counter");
    assert!(
        store
            .set(&StoreKey::new(&KEYS, &key), &entry(&clock, "0", MINUTE), &ALWAYS)
            .await
            .unwrap()
            .took_place()
    );
    let tasks = (0..16).map(|_| {
        let (store, clock, key) = (store.clone(), clock.clone(), key.clone());
        tokio::spawn(async move {
            let key = StoreKey::new(&KEYS, &key);
            for _ in 0..100 {
                loop {
                    let found = now(&store, &key).entry().unwrap();
                    let count: u32 =
                        std::str::from_utf8(&found.encoded().unwrap().bytes).unwrap().parse().unwrap();
                    let next = entry(&clock, &(count + 1).to_string(), MINUTE);
                    let options = ALWAYS.when(Condition::Unchanged(found.token()));
                    if store.set(&key, &next, &options).await.unwrap().took_place() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(value(&store, &StoreKey::new(&KEYS, &key)).as_deref(), Some("1600"));
}

#[tokio::test]
async fn who_reads_while_it_is_overwritten_finds_one_or_the_other() {
    let (store, clock) = store(MokaConfig::default());
    let store = Arc::new(store);
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    assert!(store.set(&key, &entry(&clock, "first", MINUTE), &ALWAYS).await.unwrap().took_place());
    let done = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (store, done) = (store.clone(), done.clone());
        move || {
            let key = Key::new("k");
            let key = StoreKey::new(&KEYS, &key);
            let mut reads = 0_u32;
            while !done.load(Ordering::Relaxed) || reads < 1000 {
                assert!(alive(&store, &key), "there was an entry all the time");
                reads += 1;
            }
        }
    });
    for round in 0..20_000_u32 {
        match round % 3 {
            0 => {
                assert!(
                    store.set(&key, &entry(&clock, "again", MINUTE), &ALWAYS).await.unwrap().took_place()
                );
            }
            1 => assert!(
                store.set(&key, &entry(&clock, "again", MINUTE), &PRESENT).await.unwrap().took_place()
            ),
            _ => assert!(
                store
                    .touch(&key, &TouchOptions::new(Lifetime::until(Timestamp::NEVER), Ttl::Never))
                    .await
                    .unwrap()
            ),
        }
    }
    done.store(true, Ordering::Relaxed);
    reader.join().unwrap();
}

#[tokio::test]
async fn touching_gives_another_life_to_the_same_value() {
    let (store, clock) = store(MokaConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let until = |seconds| Lifetime::until(clock.now().plus(Duration::from_secs(seconds)));
    assert!(!store.touch(&key, &TouchOptions::new(until(60), MINUTE)).await.unwrap(), "there is none");

    let kept = Arc::new(5_u32);
    assert!(store.set(&key, &live(&clock, kept.clone(), MINUTE), &ALWAYS).await.unwrap().took_place());
    for seconds in [10, 1000] {
        let lifetime = until(seconds);
        assert!(
            store
                .touch(&key, &TouchOptions::new(lifetime, Ttl::After(Duration::from_secs(seconds))))
                .await
                .unwrap()
        );
        let found = now(&store, &key).entry().unwrap();
        assert_eq!(found.meta().lifetime, lifetime);
        let found: Arc<u32> = Arc::downcast(found.live().unwrap().clone()).unwrap();
        assert!(Arc::ptr_eq(&found, &kept));
    }
    clock.advance(Duration::from_millis(999_999));
    assert!(alive(&store, &key));
    clock.advance(Duration::from_millis(1));
    assert!(!alive(&store, &key));
    assert!(
        !store.touch(&key, &TouchOptions::new(until(60), MINUTE)).await.unwrap(),
        "an expired entry is none"
    );
    assert!(!alive(&store, &key));
}

#[tokio::test]
async fn too_large_leaves_no_lie_behind() {
    let (store, clock) = store(MokaConfig::bytes(100_000));
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let huge = body(&clock, vec![1; 200_000], MINUTE);
    let old = body(&clock, vec![2; 10], MINUTE);
    let put_old = || store.set(&key, &old, &ALWAYS);

    assert!(put_old().await.unwrap().took_place());
    let token = now(&store, &key).entry().unwrap().token();
    for conditional in [PRESENT, ALWAYS.when(Condition::Unchanged(token))] {
        assert_eq!(store.set(&key, &huge, &conditional).await.unwrap_err().kind(), ErrorKind::TooLarge);
        assert!(alive(&store, &key), "a write with a condition leaves it");
    }
    assert!(!store.set(&key, &huge, &ABSENT).await.unwrap().took_place(), "the condition does not even hold");

    assert_eq!(store.set(&key, &huge, &ALWAYS).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(matches!(now(&store, &key), Lookup::Miss(Miss::Absent)));
    assert_eq!(store.set(&key, &huge, &ABSENT).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(put_old().await.unwrap().took_place(), "what fits is taken again");
}

#[tokio::test]
async fn what_may_just_be_kept_is_kept() {
    let (store, clock) = store(MokaConfig::bytes(100_000));
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    // The heaviest body that is taken, found by halving.
    let (mut fits, mut fails) = (0, 100_000);
    while fails - fits > 1 {
        let len = usize::midpoint(fits, fails);
        match store.set(&key, &body(&clock, vec![0; len], MINUTE), &ALWAYS).await {
            Ok(_) => {
                assert!(alive(&store, &key), "{len} bytes were taken and are not there");
                fits = len;
            }
            Err(why) => {
                assert_eq!(why.kind(), ErrorKind::TooLarge);
                fails = len;
            }
        }
    }
    assert!(fits > 95_000, "only {fits} of 100 000 bytes are taken");
}

#[tokio::test]
async fn the_number_of_entries_is_bounded() {
    for max in [1, 10, 5000] {
        let (store, clock) = store(MokaConfig::entries(max));
        for n in 0..20_000 {
            let key = Key::new("k").part(n);
            assert!(
                store
                    .set(&StoreKey::new(&KEYS, &key), &entry(&clock, "v", MINUTE), &ALWAYS)
                    .await
                    .unwrap()
                    .took_place()
            );
        }
        assert!((1..=max).contains(&store.entries()), "{} of {max}", store.entries());
        assert!(store.entries() > max * 9 / 10, "{} of {max}", store.entries());
        let found = (0..20_000).filter(|n| alive(&store, &StoreKey::new(&KEYS, &Key::new("k").part(*n))));
        assert_eq!(found.count() as u64, store.entries());
    }
}

#[test]
fn expired_entries_are_freed_without_being_read() {
    // Made outside of a runtime, and outliving the one it was written from.
    let (store, clock) = store(MokaConfig::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (dying, staying) = (Arc::new(1_u32), Arc::new(2_u32));
    let (freed, kept) = (Arc::downgrade(&dying), Arc::downgrade(&staying));
    runtime.block_on(async {
        let (a, b, c) = (Key::new("dying"), Key::new("staying"), Key::new("renewed"));
        let [a, b, c] = [&a, &b, &c].map(|key| StoreKey::new(&KEYS, key));
        assert!(store.set(&a, &live(&clock, dying, MINUTE), &ALWAYS).await.unwrap().took_place());
        assert!(
            store
                .set(&b, &live(&clock, staying, Ttl::Never), &SetOptions::new(Ttl::Never))
                .await
                .unwrap()
                .took_place()
        );
        assert!(store.set(&c, &entry(&clock, "v", MINUTE), &ALWAYS).await.unwrap().took_place());
        let longer = Duration::from_secs(3600);
        store
            .touch(&c, &TouchOptions::new(Lifetime::until(clock.now().plus(longer)), longer.into()))
            .await
            .unwrap();
    });
    drop(runtime);

    thread::sleep(Duration::from_millis(1500));
    assert!(freed.upgrade().is_some(), "its life is not over, by the clock that counts");
    clock.advance(Duration::from_secs(60));
    let begun = Instant::now();
    while freed.strong_count() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still there");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(kept.upgrade().is_some());
    assert_eq!(store.entries(), 2);

    // A second time, with what was not due the first.
    clock.advance(Duration::from_secs(3600));
    while store.entries() > 1 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is still there");
        thread::sleep(Duration::from_millis(10));
    }
    drop(store);
    assert!(kept.upgrade().is_none());
}

#[tokio::test]
async fn many_are_answered_in_order() {
    let (store, clock) = store(MokaConfig::default());
    let keys: Vec<Key> = (0..5).map(|n| Key::new("k").part(n)).collect();
    let keys: Vec<StoreKey<'_>> = keys.iter().map(|key| StoreKey::new(&KEYS, key)).collect();
    let items: Vec<SetItem<'_>> =
        [0, 2, 4, 2].map(|n| SetItem::new(keys[n], entry(&clock, &n.to_string(), MINUTE), ABSENT)).into();
    let written: Vec<bool> =
        store.set_many(&items).await.into_iter().map(|it| it.unwrap().took_place()).collect();
    assert_eq!(written, [true, true, true, false]);

    let asked: Vec<StoreKey<'_>> = [4, 1, 0, 4].map(|n: usize| keys[n]).into();
    let found = store.get_many(&asked, &GET).await.into_iter().map(|found| {
        found
            .unwrap()
            .entry()
            .map(|entry| String::from_utf8(entry.encoded().unwrap().bytes.to_vec()).unwrap())
    });
    assert_eq!(found.collect::<Vec<_>>(), [Some("4".into()), None, Some("0".into()), Some("4".into())]);

    let removed: Vec<bool> =
        store.delete_many(&removals(&asked)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(removed, [true, false, true, false]);
    assert!(store.get_many(&[], &GET).await.is_empty());
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let (store, clock) = store(MokaConfig::default());
    let key = Key::new("k");
    let key = StoreKey::new(&KEYS, &key);
    let entry = entry(&clock, "v", MINUTE);
    assert!(store.set(&key, &entry, &ALWAYS).await.unwrap().took_place());
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(store.get_now(&key).is_none());
    let lifetime = Lifetime::until(Timestamp::NEVER);
    let item = SetItem::new(key, entry.clone(), ALWAYS);
    for why in [
        store.get(&key, &GET).await.unwrap_err(),
        store.set(&key, &entry, &ALWAYS).await.unwrap_err(),
        store.touch(&key, &TouchOptions::new(lifetime, Ttl::Never)).await.unwrap_err(),
        store.delete(&key, &ANY).await.unwrap_err(),
        store.get_many(&[key], &GET).await.remove(0).unwrap_err(),
        store.set_many(&[item]).await.remove(0).unwrap_err(),
        store.delete_many(&removals(&[key])).await.remove(0).unwrap_err(),
    ] {
        assert_eq!(why.kind(), ErrorKind::Closed);
    }
}

#[tokio::test]
async fn under_a_cache_it_loads_once_and_forgets_on_command() {
    let (store, clock) = store(MokaConfig::default());
    let cache: Cache<String> = Cache::builder(store).namespace("pages").clock(clock.clone()).build().unwrap();
    let loads = Arc::new(AtomicU32::new(0));
    let load = |tag: &'static str| {
        let (cache, loads) = (cache.clone(), loads.clone());
        async move {
            let key = Key::new("page").part(tag);
            let loader = move || async move {
                Ok::<_, std::io::Error>(loads.fetch_add(1, Ordering::Relaxed).to_string())
            };
            cache.at(&key).tag(tag).get_or_load(loader).await.unwrap().into_arc()
        }
    };
    let first = load("a").await;
    assert!(Arc::ptr_eq(&first, &load("a").await), "the value itself is kept");
    let other = load("b").await;

    cache.invalidate_tag("a").await.unwrap();
    assert!(!Arc::ptr_eq(&first, &load("a").await));
    assert!(Arc::ptr_eq(&other, &load("b").await));
    cache.clear().await.unwrap();
    assert!(!Arc::ptr_eq(&other, &load("b").await));
    assert_eq!(loads.load(Ordering::Relaxed), 4);
}

#[test]
fn it_says_what_it_can_do() {
    let (manual, _) = store(MokaConfig::default());
    assert_eq!(NAME, "moka");
    let can = manual.capabilities();
    assert!(can.atomic_add && can.compare_and_set && can.stores && !can.shared && !can.survives_restart);
    assert_eq!(can.ttl_resolution, Duration::from_millis(1));
    assert!(manual.invalidation().here().is_some());
}

#[test]
fn what_it_shows_of_itself_holds_no_keys_and_no_values() {
    let (store, clock) = store(MokaConfig::bytes(1 << 20));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let key = Key::new("alice@example.com");
    let key = StoreKey::new(&KEYS, &key);
    runtime.block_on(store.set(&key, &entry(&clock, "hunter2", MINUTE), &ALWAYS)).unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains("entries: 1"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("alice"), "{shown}");
}
