//! The bound by bytes, against what the allocator says. One test, since it counts the whole process.

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use common::{KEYS, body, store};
use larder_core::{Backend as _, Key, Ttl, backend::SetOptions, key::StoreKey};
use larder_quick_cache::QuickCacheConfig;

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

#[tokio::test]
async fn a_hundred_thousand_writes_of_mixed_sizes_stay_within_the_bound() {
    for (name, sizes) in [
        ("tiny", &[0, 10, 50][..]),
        ("mixed", &[20, 100, 300, 1000, 3000, 20_000, 100_000]),
        ("tiny, then large", &[10, 10, 10, 10, 10, 10, 10, 500_000]),
        ("large, then tiny", &[500_000, 10]),
    ] {
        let (store, clock) = store(QuickCacheConfig::bytes(MAX as u64));
        let before = HEAP.load(Relaxed);
        PEAK.store(before, Relaxed);
        for n in 0..100_000_usize {
            // The first half one size after the other, the second half in turns.
            let size = if n < 50_000 { sizes[n * sizes.len() / 50_000] } else { sizes[n % sizes.len()] };
            let key = Key::new("user").part(n * 7919 % 90_000);
            let key = StoreKey::new(&KEYS, &key);
            let ttl = if n % 3 == 0 { Ttl::Never } else { Ttl::After(std::time::Duration::from_secs(3600)) };
            assert!(
                store
                    .set(&key, &body(&clock, vec![1; size], ttl), &SetOptions::new(ttl))
                    .await
                    .unwrap()
                    .took_place()
            );
            if n % 10 == 0 {
                drop(store.get_now(&key));
            }
        }
        let (held, peak) = (HEAP.load(Relaxed) - before, PEAK.load(Relaxed) - before);
        let (entries, weight) = (store.entries(), store.weight());
        let of_bound = |bytes: usize| bytes * 100 / MAX;
        println!(
            "{name}: {entries} entries of weight {} %, heap {} %, at most {} %; {} bytes an entry against {}",
            of_bound(usize::try_from(weight).unwrap()),
            of_bound(held),
            of_bound(peak),
            held / usize::try_from(entries).unwrap(),
            weight / entries,
        );
        assert!(weight <= MAX as u64, "{name}: the books say {weight}");
        assert!(held <= MAX + MAX / 50, "{name}: {held} bytes are held");
        assert!(peak <= MAX + MAX / 20, "{name}: {peak} bytes were held at once");
    }
}
