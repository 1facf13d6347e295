//! Shards and capacities.

use larder_core::{
    Key,
    key::{Namespace, StoreKey},
};

use super::*;

#[test]
fn no_rounding_exceeds_the_bound() {
    for capacity in [1, 2, 31, 1023, 2049, 100_000, 1_000_001, (1 << 40) + 7] {
        for bound in [Bound::Entries(capacity), Bound::Bytes(capacity)] {
            let map = QuickCacheMap::new(bound).entries;
            assert!(map.capacity() <= capacity, "{bound:?} became {}", map.capacity());
            assert!(map.capacity() > capacity - capacity.min(MAX_SHARDS), "{bound:?}");
            assert_eq!(map.num_shards() as u64, shards(bound), "{bound:?}");
        }
    }
}

#[test]
fn eight_mebibytes_fit_into_every_store_that_is_large_enough() {
    for mebibytes in [16, 17, 31, 32, 33, 100, 1000, 4096, 100_000] {
        let largest = QuickCacheMap::new(Bound::Bytes(mebibytes << 20)).largest();
        assert!(largest >= 8 << 20, "{mebibytes} MiB: {largest}");
    }
}

/// The hash of a key is used as it is: this is what shows that its bits are good enough for it.
#[test]
fn keys_fall_evenly_into_the_shards() {
    const KEYS: u32 = 128_000;
    let map = QuickCacheMap::new(Bound::Entries(1 << 20)).entries;
    let namespace = Namespace::new("shop/users", 1).unwrap();
    let mut shards = vec![0_u32; map.num_shards()];
    for n in 0..KEYS {
        let key = Key::new("user").part(n);
        shards[map.shard_index(&StoreKey::new(&namespace, &key).into_owned())] += 1;
    }
    assert_eq!(shards.len(), 256);
    let expected = f64::from(KEYS) / 256.0;
    let chi_square: f64 = shards.iter().map(|&found| (f64::from(found) - expected).powi(2) / expected).sum();
    // 255 degrees of freedom: mean 255, standard deviation 23. Six of those are chance once in 10^8 runs.
    assert!(chi_square < 255.0 + 6.0 * 23.0, "{chi_square}: {shards:?}");
}
