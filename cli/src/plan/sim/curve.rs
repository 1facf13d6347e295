//! Hit ratios by size: how much of the requests, and of their bytes, a cache of each of some sizes answers.

use super::split::{Split, Weight};

/// A histogram of the least sizes that answer.
#[derive(Debug)]
pub(crate) struct Curve {
    sizes: Vec<u64>,
    hits: Vec<(Split, Split)>,
    /// What the sample is corrected by: requests and bytes.
    factors: (f64, f64),
}

impl Curve {
    /// For these sizes, in any order.
    pub(crate) fn new(mut sizes: Vec<u64>) -> Self {
        sizes.sort_unstable();
        sizes.dedup();
        let hits = vec![Default::default(); sizes.len()];
        Self { sizes, hits, factors: (1.0, 1.0) }
    }

    /// A request that a cache of this size, and no smaller one, answers.
    pub(crate) fn add(&mut self, least: f64, bytes: u32, weight: Weight) {
        #[allow(clippy::cast_precision_loss, reason = "sizes below 2^53")]
        let at = self.sizes.partition_point(|size| (*size as f64) < least);
        if let Some((requests, all)) = self.hits.get_mut(at) {
            requests.add(1.0, weight);
            all.add(bytes.into(), weight);
        }
    }

    /// Corrects what the sample stands for.
    pub(crate) fn correct(&mut self, requests: f64, bytes: f64) {
        self.factors = (requests, bytes);
    }

    /// Each size, with the requests and the bytes that it answers.
    pub(crate) fn points(&self) -> impl Iterator<Item = (u64, f64, f64)> {
        let (of_requests, of_bytes) = self.factors;
        self.sizes.iter().zip(&self.hits).scan((0.0, 0.0), move |sum, (size, (requests, bytes))| {
            sum.0 += requests.whole(of_requests);
            sum.1 += bytes.whole(of_bytes);
            Some((*size, sum.0, sum.1))
        })
    }
}

/// Sizes for a plot: four for each doubling between the two.
pub(crate) fn ladder(least: u64, most: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(least), |size| size.checked_add((size / 5).max(1)))
        .take_while(move |size| *size <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_add_up() {
        let mut curve = Curve::new(vec![100, 10, 10]);
        for (least, bytes) in [(1.0, 5), (10.0, 5), (10.5, 1), (101.0, 1)] {
            curve.add(least, bytes, Weight::ONE);
        }
        assert_eq!(curve.points().collect::<Vec<_>>(), [(10, 2.0, 10.0), (100, 3.0, 11.0)]);
        curve.add(5.0, 1, Weight { stands_for: 8.0, is_exact: false });
        curve.correct(0.5, 0.25);
        assert_eq!(curve.points().next(), Some((10, 6.0, 12.0)));
        assert!(ladder(1, u64::MAX).count() < 300);
    }
}
