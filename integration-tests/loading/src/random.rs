//! Choices that a seed decides: a stream of numbers for each task, the same in every run.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A stream of numbers: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of one task of one process.
    pub fn of_task(seed: u64, process: u64, task: u64) -> Self {
        Self(mixed(seed ^ mixed((process << 32) | task)))
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    /// A number below this one, which is not zero. The bias of the remainder is of no account here.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit.max(1)
    }

    /// `true` once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A seed that nobody chose.
pub fn seed() -> u64 {
    // Short enough to be typed again.
    RandomState::new().build_hasher().finish() >> 32
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, process: u64, task: u64) -> Vec<u64> {
        let mut random = Random::of_task(seed, process, task);
        (0..8).map(|_| random.below(1000)).collect()
    }

    #[test]
    fn a_seed_gives_the_same_choices_again_and_each_task_its_own() {
        assert_eq!(first(7, 1, 2), first(7, 1, 2));
        for other in [first(8, 1, 2), first(7, 2, 2), first(7, 1, 3), first(7, 2, 1)] {
            assert_ne!(first(7, 1, 2), other);
        }
    }

    #[test]
    fn choices_are_spread() {
        let mut random = Random::of_task(0, 0, 0);
        let mut seen = [0_u32; 8];
        for _ in 0..8000 {
            // Below 8, so it fits.
            seen[usize::try_from(random.below(8)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    }
}
