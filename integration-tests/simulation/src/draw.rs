//! What the simulation draws.

use loading_trials::random::Random;

use crate::kernel::{MICRO, Moment};

/// The shortest way from a node to the store or back.
const SHORTEST_WAY: Moment = 100 * MICRO;
/// What is added on average.
const MEAN_DETOUR: Moment = 50 * MICRO;

/// A number in (0, 1).
#[allow(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
pub(crate) fn unit(random: &mut Random) -> f64 {
    const BITS: u64 = 1 << 53;
    (random.below(BITS) as f64 + 0.5) / BITS as f64
}

/// A time with this mean, as the time between events that know nothing of each other.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn exponential(random: &mut Random, mean: Moment) -> Moment {
    (-unit(random).ln() * mean as f64) as Moment
}

/// How long a message takes, one way.
pub(crate) fn way(random: &mut Random) -> Moment {
    SHORTEST_WAY + exponential(random, MEAN_DETOUR)
}

/// Places of a list, the first the likeliest (Zipf).
#[derive(Debug)]
pub(crate) struct Zipf(Vec<f64>);

impl Zipf {
    #[allow(clippy::cast_precision_loss, reason = "some hundred places")]
    pub(crate) fn new(places: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=places).map(|place| {
            sum += (place as f64).powf(-exponent);
            sum
        });
        Self(sums.collect())
    }

    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let drawn = unit(random) * self.0.last().copied().unwrap_or(0.0);
        self.0.partition_point(|sum| *sum < drawn).min(self.0.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_shares_are_as_they_should_be() {
        let mut random = Random::of_task(1, 0, 0);
        let mean = (0..100_000).map(|_| exponential(&mut random, 1_000)).sum::<Moment>() / 100_000;
        assert!((980..=1_020).contains(&mean), "{mean}");
        let zipf = Zipf::new(4, 1.0);
        let mut seen = [0_u32; 4];
        (0..25_000).for_each(|_| seen[zipf.draw(&mut random)] += 1);
        // 12 : 6 : 4 : 3.
        for (seen, expected) in seen.iter().zip([12_000, 6_000, 4_000, 3_000]) {
            assert!(seen.abs_diff(expected) < 300, "{seen} for {expected}");
        }
    }
}
