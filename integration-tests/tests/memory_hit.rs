//! What a hit costs in memory, on every map: nothing is decoded and nothing allocated.

#![allow(clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
};

use larder_core::{
    Backend, Cache, Clock, Key,
    backend::Lookup,
    key::{Namespace, StoreKey},
};
use larder_moka::{MokaBackend, MokaConfig};
use larder_quick_cache::{QuickCacheBackend, QuickCacheConfig};
use serde::{Deserialize, Deserializer, Serialize};

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

/// A value that cannot be decoded.
#[derive(Debug, Serialize)]
struct Written(String);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a hit decodes nothing")
    }
}

#[tokio::test]
async fn a_hit_allocates_and_decodes_nothing() {
    let clock = Clock::system();
    let stores: [Arc<dyn Backend>; 4] = [
        Arc::new(QuickCacheBackend::new(QuickCacheConfig::default(), clock.clone()).unwrap()),
        Arc::new(QuickCacheBackend::new(QuickCacheConfig::bytes(64 << 20), clock.clone()).unwrap()),
        Arc::new(MokaBackend::new(MokaConfig::default(), clock.clone()).unwrap()),
        Arc::new(MokaBackend::new(MokaConfig::bytes(64 << 20), clock).unwrap()),
    ];
    for (n, store) in stores.into_iter().enumerate() {
        // What moka does after every 64th read allocates since it tells what it evicts.
        let allowed = if n < 2 { 0 } else { 2 * 1000 / 64 };
        let cache: Cache<Written> = Cache::builder(Arc::clone(&store)).namespace("pages").build().unwrap();
        let keys: Vec<Key> = (0..1000).map(|n| Key::new("page").part(n)).collect();
        let load = || async { Ok::<_, std::io::Error>(Written("<html>".repeat(100))) };
        for key in &keys {
            cache.get_or_load(key, load).await.unwrap();
        }
        let read_all = async || {
            for key in &keys {
                let page = cache.get_or_load(key, load).await.unwrap();
                assert_eq!(page.0.len(), 600);
            }
        };
        // moka makes room for its books in the first rounds of reading.
        for _ in 0..20 {
            read_all().await;
        }
        ASKED.set(0);
        read_all().await;
        assert!(ASKED.get() <= allowed, "through the cache: {} in {store:?}", ASKED.get());

        let namespace = Namespace::new("pages", 0).unwrap();
        for key in &keys {
            let found = store.get_now(&StoreKey::new(&namespace, key));
            assert!(matches!(found, Some(Lookup::Hit(_))), "{store:?}");
        }
        let missing = Key::new("nothing");
        missing.seeded_hash();
        let missing = StoreKey::new(&namespace, &missing);
        ASKED.set(0);
        for key in &keys {
            drop(store.get_now(&StoreKey::new(&namespace, key)));
            drop(store.get_now(&missing));
        }
        assert!(ASKED.get() <= allowed, "through the trait: {} in {store:?}", ASKED.get());
    }
}
