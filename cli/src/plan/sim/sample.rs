//! Which keys are looked at. All, as long as they fit; then those whose hash is below a threshold that falls as more keys come,
//! each counting for as many as were left out (SHARDS with a fixed size: Waldspurger, Park, Garthwaite and Ahmad, "Efficient
//! MRC construction with SHARDS", FAST 2015). Its errors come from few popular keys that are in the sample or are not; its
//! authors make up for them by an adjustment. Here the keys that were most popular until then are looked at in any case, each
//! for itself, and what the sample stands for is corrected to the number of requests that there really were.

use std::collections::HashSet;

use super::split::Weight;

/// By how much the threshold falls at once: to seven eighths.
const STEP: (u64, u64) = (7, 8);

/// A threshold on hashes, and keys that are looked at in any case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// `None`: every key is looked at.
    threshold: Option<u64>,
    always: HashSet<u64>,
}

impl Sample {
    /// What a request of this key counts; `None`: it is not looked at.
    pub(crate) fn weigh(&self, hash: u64) -> Option<Weight> {
        let Some(threshold) = self.threshold else { return Some(Weight::ONE) };
        if mixed(hash) < threshold && !self.always.contains(&hash) {
            return Some(Weight { stands_for: 1.0 / self.rate(), is_exact: false });
        }
        self.always.contains(&hash).then_some(Weight::ONE)
    }

    /// Whether every key is looked at.
    pub(crate) const fn is_all(&self) -> bool {
        self.threshold.is_none()
    }

    /// Looks at these keys in any case, from now on.
    pub(crate) fn always(&mut self, keys: impl IntoIterator<Item = u64>) {
        self.always.extend(keys);
    }

    /// The share of keys that are looked at, above 0 and up to 1.
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    pub(crate) fn rate(&self) -> f64 {
        self.threshold.map_or(1.0, |threshold| threshold as f64 / 2f64.powi(64))
    }

    /// Looks at fewer keys from now on. `false`: there are no fewer.
    pub(crate) fn lower(&mut self) -> bool {
        let threshold = self.threshold.unwrap_or(u64::MAX);
        self.threshold = Some((threshold / STEP.1 * STEP.0).max(1));
        threshold > 1
    }
}

/// Other bits of the hash than those by which tables are indexed.
const fn mixed(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lowered_threshold_takes_a_part_of_what_it_took() {
        let mut sample = Sample::default();
        sample.always([7]);
        let keys: Vec<u64> =
            (0..100_000_u64).map(|key| xxhash_rust::xxh3::xxh3_64(&key.to_le_bytes())).collect();
        let mut taken = keys.clone();
        for _ in 0..20 {
            assert!(sample.lower());
            let now: Vec<u64> = keys.iter().copied().filter(|key| sample.weigh(*key).is_some()).collect();
            let before: HashSet<u64> = taken.iter().copied().collect();
            assert!(now.len() < before.len() && now.iter().all(|key| before.contains(key)));
            taken = now;
            #[allow(clippy::cast_precision_loss)]
            let share = taken.len() as f64 / keys.len() as f64;
            assert!((share - sample.rate()).abs() < 0.01, "{share} {}", sample.rate());
            assert_eq!(sample.weigh(7), Some(Weight::ONE));
            if taken.len() < 20_000 {
                break;
            }
        }
    }
}
