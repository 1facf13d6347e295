//! What calls cost in memory: allocations, sizes of futures, lines in the log.

// Clippy's exception for tests does not reach functions that tests share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

#[path = "engine/common/mod.rs"]
mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    convert::Infallible,
    time::Instant,
};

use common::{
    Act, HOUR, Keys, Lines, Local, MINUTE, Remote, SECOND, WRITES, answer, builder, cache, failing, keys,
    plain, said, settled, there,
};
use larder_core::{
    Backend as _, Cache, Clock, ErrorKind, Key,
    backend::{CircuitState, DeleteOptions, GetOptions, NullBackend},
    cache::{Loaded, Policy, Status},
    key::{Namespace, StoreKey},
    layer::{Breaker, BreakerSettings, Deadline, Failover, Fault, Faults, Mishap},
};

struct Counting;

thread_local! {
    /// How often this thread asked for memory.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread asks for memory meanwhile.
async fn allocations<F: Future>(work: F) -> (usize, F::Output) {
    let before = ASKED.get();
    let output = work.await;
    (ASKED.get() - before, output)
}

/// E14: a near hit allocates nothing, whatever is invalidated meanwhile: another cache's tag, another tag of this one, or
/// another namespace.
#[tokio::test]
async fn a_near_hit_allocates_nothing_though_other_things_are_invalidated() {
    let clock = Clock::manual();
    let store = Local::new(&clock);
    let hit: Cache<u64> = cache(store.clone(), &clock, plain());
    let other: Cache<u64> = Cache::builder(store).namespace("other").clock(clock.clone()).build().unwrap();
    let (tagged, tagless) = (Key::new("tagged"), Key::new("tagless"));
    hit.at(&tagged).tags(["a", "b", "c"]).set(1).await.unwrap();
    hit.set(&tagless, 2).await.unwrap();
    for key in [&tagged, &tagless] {
        // Where its versions stand is looked up once.
        hit.get(key).await.unwrap();
    }
    for round in 0..200_u64 {
        match round % 4 {
            0 => other.invalidate_tag("t").await.unwrap(),
            1 => hit.invalidate_tag("unrelated").await.unwrap(),
            2 => other.clear().await.unwrap(),
            _ => hit.expire_tag("unrelated").await.unwrap(),
        }
        for key in [&tagged, &tagless] {
            let (asked, found) = allocations(hit.get_or_load(key, answer(9))).await;
            assert_eq!((asked, found.unwrap().status()), (0, Status::Hit), "round {round}");
            let (asked, found) = allocations(hit.get(key)).await;
            assert!(asked == 0 && found.unwrap().is_some(), "round {round}: {asked}");
        }
    }
}

/// E14: nor does it take longer: a hit beside another cache's invalidations is a hit.
#[tokio::test]
async fn a_near_hit_is_no_slower_though_another_cache_invalidates() {
    const HITS: u32 = 20_000;
    let clock = Clock::manual();
    let store = Local::new(&clock);
    let hit: Cache<u64> = cache(store.clone(), &clock, plain());
    let other: Cache<u64> = Cache::builder(store).namespace("other").clock(clock.clone()).build().unwrap();
    let keys = keys("k", 100);
    for key in &keys {
        hit.at(key).tags(["a", "b"]).set(1).await.unwrap();
        hit.get(key).await.unwrap();
    }
    // The best of several, since the machine has other things to do.
    let mut best = [f64::MAX; 2];
    for round in 0..10 {
        let invalidates = round % 2 == 1;
        let mut time = 0.0;
        for n in 0..HITS {
            if invalidates && n % 100 == 0 {
                other.invalidate_tag("t").await.unwrap();
            }
            let begun = Instant::now();
            for key in &keys[..10] {
                assert!(hit.get(key).await.unwrap().is_some());
            }
            time += begun.elapsed().as_secs_f64();
            if time > 0.5 {
                time *= f64::from(HITS) / f64::from(n + 1);
                break;
            }
        }
        best[usize::from(invalidates)] = best[usize::from(invalidates)].min(time);
    }
    assert!(best[1] < best[0] * 3.0, "{best:?}: walking the stamps anew was nine times as long");
}

/// E15: other near hits allocate nothing either.
#[tokio::test]
async fn every_sort_of_near_hit_allocates_nothing() {
    let clock = Clock::manual();
    let store = Local::new(&clock);
    let policies = [
        ("early", plain().early_refresh(0.9)),
        ("xfetch", plain().xfetch(0.000_001)),
        ("stale", plain().stale_while_revalidate(HOUR).stale_if_error(HOUR)),
        ("deadlines", plain().soft_deadline(SECOND).hard_deadline(SECOND)),
        ("lease", plain().lease(SECOND)),
        ("sliding, not yet", plain().sliding(HOUR)),
        ("jitter", plain().jitter(HOUR)),
    ];
    for (name, policy) in policies {
        let cache: Cache<u64> = cache(store.clone(), &clock, policy);
        let key = Key::new("k");
        cache.set(&key, 1).await.unwrap();
        cache.get(&key).await.unwrap();
        let (asked, found) = allocations(cache.get_or_load(&key, answer(9))).await;
        assert_eq!((asked, *found.unwrap()), (0, 1), "{name}");
        let (asked, ended) = allocations(cache.contains(&key)).await;
        assert!(ended.unwrap() && asked <= 2, "{name}: {asked}");
    }
}

/// E15: a miss in memory costs a bounded number of allocations, and the loader's own.
#[tokio::test]
async fn a_miss_in_memory_copies_the_key_a_few_times_at_most() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain());
    let (short, long) = (Key::new("short"), Key::new("long".repeat(20)));
    let mut asked = Vec::new();
    for key in [short, long] {
        // The tables of loads in progress are several, chosen by a hash that differs with each process: the first load in
        // one of them makes it. So the key itself is loaded once before.
        cache.get_or_load(&key, answer(1)).await.unwrap();
        cache.delete(&key).await.unwrap();
        let (count, _) = allocations(cache.get_or_load(&key, answer(1))).await;
        asked.push(count);
    }
    assert!(asked[0] <= 14, "{asked:?}");
    // The store keeps its text apart.
    assert_eq!(asked[0] + 1, asked[1], "a long key costs no more of them");
}

/// E16: the future of a call holds the loader once, and little beside.
#[test]
fn the_future_of_a_call_is_small() {
    let clock = Clock::manual();
    let cache: Cache<u64> = cache(Local::new(&clock), &clock, plain());
    let key = Key::new("k");
    let large = [7_u8; 1024];
    let ballast = move || async move { Ok::<_, Infallible>(u64::from(large[0])) };
    let sizes = [
        ("get", size_of_val(&cache.get(&key)), 2200),
        ("get_or_load", size_of_val(&cache.get_or_load(&key, answer(1))), 1024),
        ("get_or_load, 1 KiB", size_of_val(&cache.get_or_load(&key, ballast)), 2200),
        ("at", size_of_val(&cache.at(&key).tag("t").get_or_load(answer(1))), 1024),
        ("at, 1 KiB", size_of_val(&cache.at(&key).tag("t").get_or_load(ballast)), 2200),
        (
            "with",
            size_of_val(&cache.at(&key).get_or_load_with(move |_| async move {
                Ok::<_, Infallible>(Loaded::new(u64::from(large[1])))
            })),
            2200,
        ),
        ("encoded", size_of_val(&cache.at(&key).get_or_load_encoded(ballast)), 3400),
        (
            "many",
            size_of_val(&cache.get_or_load_many([&key], move |missing| async move {
                let value = u64::from(large[2]);
                Ok::<_, Infallible>(missing.into_iter().map(move |key| (key, value)))
            })),
            3400,
        ),
    ];
    for (name, size, limit) in sizes {
        println!("{name}: {size} bytes");
        assert!(size <= limit, "{name}: {size} bytes");
    }
}

/// E18: loads that are not stored are told once for each kind, and then their number once a minute.
#[tokio::test(start_paused = true)]
async fn loads_that_are_not_stored_are_told_once_and_then_their_number() {
    let clock = Clock::manual();
    let (lines, _listening) = Lines::listen();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = cache(store.clone(), &clock, plain());
    cache.get_or_load(&Key::new("warm"), answer(1)).await.unwrap();
    store.on(WRITES, Keys::Values, Act::Fail(ErrorKind::Full));
    for key in &keys("k", 1000) {
        assert_eq!(said(cache.get_or_load(key, answer(1)).await), Ok(1));
    }
    assert_eq!(lines.with("").len(), 1, "{:?}", lines.with(""));
    store.on(WRITES, Keys::Values, Act::Fail(ErrorKind::ReadOnly));
    for key in &keys("k", 1000) {
        cache.get_or_load(key, answer(1)).await.unwrap();
    }
    assert_eq!(lines.with("").len(), 2, "another kind");
    tokio::time::sleep(MINUTE).await;
    cache.get_or_load(&Key::new("k"), answer(1)).await.unwrap();
    assert_eq!(lines.with("").len(), 3, "{:?}", lines.with(""));
    assert_eq!(lines.with("times=1000").len(), 1, "{:?}", lines.with(""));
}

/// E18: so are values that could not be renewed, and values of a bulk load.
#[tokio::test(start_paused = true)]
async fn other_warnings_of_a_fault_are_told_once_too() {
    let clock = Clock::manual();
    let (lines, _listening) = Lines::listen();
    let store = Remote::new(&clock);
    let policy = Policy::new(MINUTE).stale_while_revalidate(10 * HOUR);
    let cache: Cache<u64> = cache(store.clone(), &clock, policy);
    let keys = keys("k", 500);
    for key in &keys {
        cache.set(key, 1).await.unwrap();
    }
    clock.advance(HOUR);
    for key in &keys {
        assert_eq!(said(cache.get_or_load(key, failing()).await), Ok(1));
        settled().await;
    }
    assert_eq!(lines.with("").len(), 1, "{:?}", lines.with("").iter().take(3).collect::<Vec<_>>());
    store.on(WRITES, Keys::Values, Act::Fail(ErrorKind::Full));
    let other = common::keys("other", 500);
    let load =
        |missing: Vec<Key>| async move { Ok::<_, Infallible>(missing.into_iter().map(|key| (key, 1))) };
    assert_eq!(cache.get_or_load_many(&other, load).await.unwrap().found().count(), 500);
    assert_eq!(lines.with("").len(), 2, "{:?}", lines.with("").iter().take(3).collect::<Vec<_>>());
    assert_eq!(there(&cache, &other[0]).await, None);
}

/// E15: a far hit costs a bounded number of allocations, those of the store included, and none grows with other caches.
#[tokio::test]
async fn a_far_hit_costs_a_few_allocations() {
    let clock = Clock::manual();
    let store = Remote::new(&clock);
    let cache: Cache<u64> = builder(store.clone(), &clock, plain()).invalidation_lag(HOUR).build().unwrap();
    let key = Key::new("k");
    cache.set(&key, 1).await.unwrap();
    for _ in 0..3 {
        cache.get(&key).await.unwrap();
    }
    let (asked, found) = allocations(cache.get(&key)).await;
    assert!(found.unwrap().is_some());
    // The store of these tests alone makes some ten of them: texts of keys, notes of calls, entries out of bytes.
    assert!(asked <= 40, "{asked}");
    println!("a far hit: {asked} allocations");
}

/// While it is closed a breaker with a deadline costs what a deadline costs, failures in its window or not; a layer of its own
/// costs its future.
#[tokio::test]
async fn a_closed_breaker_allocates_nothing() {
    let clock = Clock::manual();
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    let (key, options) = (StoreKey::new(&space, &key), GetOptions::new());
    let faults = Faults::new(&clock);
    let store = || Fault::new(NullBackend::new(), faults.clone());
    let settings = BreakerSettings::new();
    let breaker = |store| Breaker::new(store, "store", settings, &clock).unwrap();
    let deadline = Deadline::new(store(), "store", MINUTE);
    let both = breaker(store()).with_deadline(MINUTE).unwrap();
    let slow = Breaker::new(store(), "store", settings.with_slow(Some(SECOND)), &clock);
    let slow = slow.unwrap().with_deadline(MINUTE).unwrap();
    let alone = breaker(store());
    for failures in [0, 15] {
        faults.always(Mishap::Fails(ErrorKind::Unavailable));
        for _ in 0..failures {
            both.get(&key, &options).await.unwrap_err();
            alone.get(&key, &options).await.unwrap_err();
        }
        faults.none();
        let (expected, _) = allocations(deadline.get(&key, &options)).await;
        let (with_breaker, _) = allocations(both.get(&key, &options)).await;
        let (with_slow, _) = allocations(slow.get(&key, &options)).await;
        assert_eq!((with_breaker, with_slow), (expected, expected), "after {failures} failures");
        let (bare, _) = allocations(store().get(&key, &options)).await;
        let (layer, _) = allocations(alone.get(&key, &options)).await;
        assert_eq!(layer, bare + 1, "after {failures} failures");
        let (expected, _) = allocations(deadline.get_many(&[key; 8], &options)).await;
        let (many, _) = allocations(both.get_many(&[key; 8], &options)).await;
        assert!(
            many <= expected,
            "after {failures} failures: {many} in bulk, {expected} with a deadline alone"
        );
        assert_eq!(both.state(), CircuitState::Closed);
    }
}

/// While the first store answers, a second one costs a read nothing but a few loads, and a write the future that knows where it
/// ended.
#[tokio::test]
async fn a_second_store_that_is_not_needed_costs_a_read_no_allocation() {
    let clock = Clock::manual();
    let settings = BreakerSettings::new();
    let breaker = || Breaker::new(Remote::new(&clock), "store", settings, &clock).unwrap();
    let (alone, both) = (breaker(), Failover::new(breaker(), Remote::new(&clock), &clock).unwrap());
    let (space, key) = (Namespace::new("s", 0).unwrap(), Key::new("k"));
    let (key, options) = (StoreKey::new(&space, &key), GetOptions::new());
    both.get(&key, &options).await.unwrap();
    // The least of several: what these stores note of their calls grows now and then.
    let least = async |store: &dyn larder_core::Backend, bulk: bool| {
        let mut least = usize::MAX;
        for _ in 0..10 {
            let asked = if bulk {
                allocations(store.get_many(&[key; 8], &options)).await.0
            } else {
                allocations(store.get(&key, &options)).await.0
            };
            least = least.min(asked);
        }
        least
    };
    for bulk in [false, true] {
        assert_eq!(least(&both, bulk).await, least(&alone, bulk).await, "in bulk: {bulk}");
    }
    let delete = async |store: &dyn larder_core::Backend| {
        let mut least = usize::MAX;
        for _ in 0..10 {
            least = least.min(allocations(store.delete(&key, &DeleteOptions::new())).await.0);
        }
        least
    };
    // Looking its namespace up is none: it is known.
    assert_eq!(delete(&both).await, delete(&alone).await + 1);
}
