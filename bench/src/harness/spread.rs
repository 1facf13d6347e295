//! The median of some rounds, and how far apart they lie.

use serde::{Deserialize, Serialize};

/// Above this p90/p10 a result is marked as noisy.
const NOISY: f64 = 1.5;

/// The median, and the range that eight of ten rounds keep to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The 10th percentile.
    pub(crate) p10: f64,
    /// The median.
    pub(crate) median: f64,
    /// The 90th percentile.
    pub(crate) p90: f64,
}

impl Spread {
    /// Of these figures, of which there must be at least one; `NaN`s sort last.
    pub(crate) fn of(mut figures: Vec<f64>) -> Option<Self> {
        if figures.is_empty() {
            return None;
        }
        figures.sort_by(f64::total_cmp);
        Some(Self {
            p10: percentile(&figures, 0.1),
            median: percentile(&figures, 0.5),
            p90: percentile(&figures, 0.9),
        })
    }

    /// Whether the rounds lie too far apart for the median to say much.
    pub(crate) fn is_noisy(self) -> bool {
        self.p10 > 0.0 && self.p90 / self.p10 > NOISY
    }
}

/// Between the two nearest ranks, linearly.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "few rounds"
)]
fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let place = fraction * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_ranks() {
        let spread = Spread::of((1..=11).rev().map(f64::from).collect()).unwrap();
        assert_eq!(spread, Spread { p10: 2.0, median: 6.0, p90: 10.0 });
        let even = Spread::of(vec![1.0, 2.0]).unwrap();
        assert!((even.median - 1.5).abs() < 1e-9);
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn noise_is_a_matter_of_the_ratio() {
        assert!(Spread { p10: 1.0, median: 1.2, p90: 1.6 }.is_noisy());
        assert!(!Spread { p10: 1.0, median: 1.2, p90: 1.4 }.is_noisy());
        assert!(!Spread { p10: 0.0, median: 0.0, p90: 0.0 }.is_noisy());
    }
}
