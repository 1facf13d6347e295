//! How much keys are asked for, roughly.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// After this many sweeps, about a second each, old uses count half.
const HALF_LIFE: u8 = 60;

/// Counts hits by the hash of the key. Keys that share a place share a count, and a hit may get lost where two meet: what it is
/// for is to tell the few that are used all the time from the rest, for a load and a store a hit.
#[derive(Debug)]
pub(crate) struct Heat {
    counts: Box<[AtomicU8]>,
    sweeps: AtomicU8,
}

impl Heat {
    /// For about this many keys, up to a million.
    pub(crate) fn new(keys: u64) -> Self {
        let places = usize::try_from(keys.clamp(1 << 10, 1 << 20)).unwrap_or(1 << 20).next_power_of_two();
        Self { counts: (0..places).map(|_| AtomicU8::new(0)).collect(), sweeps: AtomicU8::new(0) }
    }

    /// The key of this hash was asked for.
    #[inline]
    pub(crate) fn warm(&self, hash: u64) {
        let count = self.place(hash);
        let warmth = count.load(Relaxed);
        // Written no more once it is full, so that readers do not take each other's cache line.
        if warmth < u8::MAX {
            count.store(warmth + 1, Relaxed);
        }
    }

    /// How much it was asked for lately.
    pub(crate) fn of(&self, hash: u64) -> u8 {
        self.place(hash).load(Relaxed)
    }

    /// Called with every sweep.
    pub(crate) fn cool(&self) {
        if self.sweeps.fetch_add(1, Relaxed) == HALF_LIFE {
            self.sweeps.store(0, Relaxed);
            for count in &self.counts {
                count.store(count.load(Relaxed) / 2, Relaxed);
            }
        }
    }

    #[inline]
    fn place(&self, hash: u64) -> &AtomicU8 {
        // A power of two; and bits that choose neither shard nor bucket.
        #[allow(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
        let place = (hash >> 20) as usize & (self.counts.len() - 1);
        &self.counts[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_warm_and_cools() {
        let heat = Heat::new(1000);
        let (often, seldom) = (5 << 20, 6 << 20);
        (0..100).for_each(|_| heat.warm(often));
        heat.warm(seldom);
        assert_eq!((heat.of(often), heat.of(seldom), heat.of(7 << 20)), (100, 1, 0));
        (0..=HALF_LIFE).for_each(|_| heat.cool());
        assert_eq!((heat.of(often), heat.of(seldom)), (50, 0));
        (0..1000).for_each(|_| heat.warm(often));
        assert_eq!(heat.of(often), u8::MAX);
    }
}
