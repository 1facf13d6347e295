//! What an entry takes in each store beyond its value, as it was measured: with a key of 48 bytes, on Redis 7.0.15 and
//! Memcached 1.6.18, and in Larder's own store in memory.

use std::sync::LazyLock;

/// Heap bytes that an entry in memory takes beyond its body: the row `memory` of docs/performance.md, 259 bytes with a number
/// as value, less the 8 of the number, and the rest of a key of 48 bytes.
const MEMORY: u64 = 251 + 24;

/// Bytes of a value, and what `MEMORY USAGE` of Redis says beyond them, measured. Between them, straight lines.
const REDIS: [(u64, u64); 3] = [(1000, 147), (4000, 225), (16_000, 509)];

/// What Memcached adds to a value: item header, key, and the envelope around the value.
const MEMCACHED: u64 = 107;
/// The smallest chunk of Memcached's slabs, by how much each class is larger than the one before (`-f`), and their alignment.
const SLAB: (u64, f64, u64) = (96, 1.25, 8);
/// A larger value lies in several chunks of this size.
const LARGEST_SLAB: u64 = 512 << 10;

/// Bytes in memory.
pub(crate) const fn memory(bytes: u64) -> u64 {
    bytes + MEMORY
}

/// Bytes in Redis.
pub(crate) fn redis(bytes: u64) -> u64 {
    let (first, last) = (REDIS[0], REDIS[REDIS.len() - 1]);
    let overhead = if bytes <= first.0 {
        first.1
    } else if bytes >= last.0 {
        // Its allocator's classes are a constant share apart.
        bytes * last.1 / last.0
    } else {
        REDIS.windows(2).find(|pair| bytes < pair[1].0).map_or(last.1, |pair| {
            pair[0].1 + (bytes - pair[0].0) * (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0)
        })
    };
    bytes + overhead
}

/// Bytes in Memcached: rounded up to a chunk of a slab.
pub(crate) fn memcached(bytes: u64) -> u64 {
    let needed = bytes + MEMCACHED;
    if needed > LARGEST_SLAB {
        return needed.div_ceil(LARGEST_SLAB) * LARGEST_SLAB;
    }
    let at = SLABS.partition_point(|chunk| *chunk < needed);
    SLABS.get(at).copied().unwrap_or(LARGEST_SLAB)
}

/// The classes of Memcached's slabs.
static SLABS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let (smallest, factor, alignment) = SLAB;
    let grown = |chunk: &u64| Some(grown(*chunk, factor).div_ceil(alignment) * alignment);
    let classes = std::iter::successors(Some(smallest), grown);
    classes.take_while(|chunk| *chunk < LARGEST_SLAB).chain([LARGEST_SLAB]).collect()
});

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "below 2^20"
)]
fn grown(chunk: u64, factor: f64) -> u64 {
    (chunk as f64 * factor) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured() {
        assert_eq!([1000, 4000, 16_000].map(memcached), [1184, 4544, 17_352]);
        assert_eq!([1000, 4000, 16_000].map(|bytes| redis(bytes) - bytes), [147, 225, 509]);
        assert_eq!(redis(10) - 10, 147);
        assert_eq!(memcached(1 << 30) % LARGEST_SLAB, 0);
    }

    #[test]
    fn more_bytes_never_take_less() {
        let mut last = (0, 0, 0);
        for bytes in (0..3_000_000).step_by(997) {
            let now = (memory(bytes), redis(bytes), memcached(bytes));
            assert!(now.0 >= last.0 && now.1 >= last.1 && now.2 >= last.2, "{bytes}: {now:?}");
            last = now;
        }
    }
}
