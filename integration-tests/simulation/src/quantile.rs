//! The middle and the ends of many times.

use crate::kernel::Moment;

/// The middle, the 99th percentile, and the longest.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) p50: Moment,
    pub(crate) p99: Moment,
    pub(crate) max: Moment,
}

impl Times {
    /// Of these; zero of none.
    pub(crate) fn of(mut times: Vec<Moment>) -> Self {
        times.sort_unstable();
        let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
        let at = |share| at(share).copied().unwrap_or(0);
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_where_they_should_be() {
        assert_eq!(Times::of((1..=1000).rev().collect()), Times { p50: 501, p99: 991, max: 1000 });
        assert_eq!(Times::of(vec![7]), Times { p50: 7, p99: 7, max: 7 });
        assert_eq!(Times::of(Vec::new()), Times::default());
    }
}
