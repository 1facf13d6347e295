//! The bound by bytes, against what the allocator says. One test, since it counts the whole process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use larder_core::{
    Backend, Cache, Clock, Entry, Key, Ttl,
    backend::SetOptions,
    entry::{Body, Lifetime, Meta},
    key::{Namespace, StoreKey},
};
use larder_moka::{MokaBackend, MokaConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};

struct Counting;

static HEAP: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    PEAK.fetch_max(HEAP.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HEAP.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MAX: usize = 64 << 20;

fn stores() -> Vec<Box<dyn Backend>> {
    let (max, clock) = (MAX as u64, Clock::manual());
    vec![
        Box::new(QuickCacheBackend::new(QuickCacheConfig::bytes(max), clock.clone()).unwrap()),
        Box::new(MokaBackend::new(MokaConfig::bytes(max), clock).unwrap()),
    ]
}

fn of_bound(bytes: usize) -> usize {
    bytes * 100 / MAX
}

#[tokio::test]
async fn the_heap_stays_within_the_bound() {
    a_hundred_thousand_writes_of_mixed_sizes().await;
    what_is_encoded_after_it_was_written().await;
}

async fn a_hundred_thousand_writes_of_mixed_sizes() {
    let namespace = Namespace::new("shop/users", 1).unwrap();
    for (name, sizes) in [
        ("tiny", &[0, 10, 50][..]),
        ("mixed", &[20, 100, 300, 1000, 3000, 20_000, 100_000]),
        ("tiny, then large", &[10, 10, 10, 10, 10, 10, 10, 500_000]),
        ("large, then tiny", &[500_000, 10]),
    ] {
        for which in 0..2 {
            let before = HEAP.load(Relaxed);
            let store = stores().swap_remove(which);
            let now = Clock::manual().now();
            PEAK.store(before, Relaxed);
            for n in 0..100_000_usize {
                // The first half one size after the other, the second half in turns.
                let size = if n < 50_000 { sizes[n * sizes.len() / 50_000] } else { sizes[n % sizes.len()] };
                let key = Key::new("user").part(n * 7919 % 90_000);
                let key = StoreKey::new(&namespace, &key);
                let hour = Ttl::After(std::time::Duration::from_hours(1));
                let ttl = if n % 3 == 0 { Ttl::Never } else { hour };
                let meta = Meta::new(now, Lifetime::until(ttl.expires(now)));
                let entry = Entry::from_body(Body::raw(vec![1; size].into(), 0), meta);
                assert!(store.set(&key, &entry, &SetOptions::new(ttl)).await.unwrap().took_place());
                if n % 10 == 0 {
                    drop(store.get_now(&key));
                }
            }
            let (held, peak) = (HEAP.load(Relaxed) - before, PEAK.load(Relaxed) - before);
            let usage = store.bounded().unwrap().usage();
            println!(
                "{store:?} {name}: heap {} %, at most {} %; {} bytes an entry against {}",
                of_bound(held),
                of_bound(peak),
                held / usize::try_from(usage.entries).unwrap(),
                usage.weight / usage.entries,
            );
            assert!(usage.weight <= MAX as u64, "{name}: the books say {usage:?}");
            assert!(held <= MAX + MAX / 50, "{store:?} {name}: {held} bytes are held");
            assert!(peak <= MAX + MAX / 20, "{store:?} {name}: {peak} bytes were held at once");
        }
    }
}

/// E33: bodies that are made after the entry was written count like any.
async fn what_is_encoded_after_it_was_written() {
    const LEN: usize = 100_000;
    for which in 0..2 {
        let before = HEAP.load(Relaxed);
        let store: std::sync::Arc<dyn Backend> = stores().swap_remove(which).into();
        let cache: Cache<String> =
            Cache::builder(std::sync::Arc::clone(&store)).namespace("n").build().unwrap();
        for n in 0..2 * MAX / LEN {
            let key = Key::new("k").part(n);
            cache.set(&key, "x".repeat(LEN)).await.unwrap();
        }
        for n in 0..2 * MAX / LEN {
            drop(cache.get_encoded(&Key::new("k").part(n)).await.unwrap());
        }
        let held = HEAP.load(Relaxed) - before;
        println!("{store:?}, encoded: heap {} %", of_bound(held));
        assert!(held <= MAX + MAX / 50, "{store:?}: {held} bytes are held");
        assert!(held >= MAX / 2, "{store:?}: {held} bytes are held");
    }
}
