//! What one call costs, and how far several countings of it are apart.

use std::fmt;

/// What one call costs. Not all are whole numbers: some buffers are filled anew every eighth call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    /// How often memory is asked for, growing included.
    pub(super) allocations: f64,
    /// How much is asked for.
    pub(super) bytes: f64,
    /// How often any clock is read.
    pub(super) clock_reads: f64,
    /// Instructions of the program itself, all Rust code in it included.
    pub(super) instructions: f64,
    /// Instructions of the system's libraries: the allocator, copying, system calls up to the kernel.
    pub(super) library_instructions: f64,
}

impl Costs {
    pub(super) const HEAD: &str = "allocations     bytes  clock reads  instructions    in libc";

    /// What this has more than the other, for each of the calls.
    pub(super) fn beyond(self, other: Self, calls: f64) -> Self {
        let each = |part: fn(Self) -> f64| (part(self) - part(other)) / calls;
        Self::of(each)
    }

    /// The median of each part.
    pub(super) fn median(all: &[Self]) -> Option<Self> {
        if all.is_empty() {
            return None;
        }
        Some(Self::of(|part| sorted(all, part)[all.len() / 2]))
    }

    fn of(each: impl Fn(fn(Self) -> f64) -> f64) -> Self {
        Self {
            allocations: each(|costs| costs.allocations),
            bytes: each(|costs| costs.bytes),
            clock_reads: each(|costs| costs.clock_reads),
            instructions: each(|costs| costs.instructions),
            library_instructions: each(|costs| costs.library_instructions),
        }
    }
}

fn sorted(all: &[Costs], part: fn(Costs) -> f64) -> Vec<f64> {
    let mut sorted: Vec<f64> = all.iter().map(|costs| part(*costs)).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allocations, bytes, clock_reads, instructions, library_instructions } = self;
        write!(
            f,
            "{allocations:11.3} {bytes:9.1} {clock_reads:12.3} {instructions:13.1} {library_instructions:10.1}"
        )
    }
}

/// Several countings of one scenario.
#[derive(Default)]
pub(super) struct Spread(Vec<Costs>);

impl Spread {
    pub(super) fn add(&mut self, costs: Costs) {
        self.0.push(costs);
    }

    pub(super) fn median(&self) -> Option<Costs> {
        Costs::median(&self.0)
    }
}

/// The greatest difference, in percent of the least.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: fn(Costs) -> f64| {
            let sorted = sorted(&self.0, part);
            let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return 0.0 };
            if most > least { 100.0 * (most - least) / least } else { 0.0 }
        };
        let Costs { allocations, bytes, clock_reads, instructions, library_instructions } =
            Costs::of(percent);
        write!(
            f,
            "{allocations:10.3}% {bytes:8.3}% {clock_reads:11.3}% {instructions:12.3}% {library_instructions:9.3}%  apart, of {} runs",
            self.0.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(instructions: f64) -> Costs {
        Costs { allocations: 1.0, bytes: 16.0, clock_reads: 2.0, instructions, library_instructions: 50.0 }
    }

    #[test]
    fn a_round_that_was_disturbed_does_not_count() {
        let rounds = [costs(100.0), costs(9000.0), costs(101.0), costs(100.0), costs(100.0)];
        assert_eq!(Costs::median(&rounds), Some(costs(100.0)));
        assert_eq!(Costs::median(&[]), None);
    }

    #[test]
    fn what_every_round_has_cancels_out() {
        let each = costs(1400.0).beyond(costs(600.0), 400.0);
        assert!((each.instructions - 2.0).abs() < 1e-9, "{each:?}");
        assert!(each.allocations.abs() < 1e-9, "{each:?}");
    }

    #[test]
    fn a_spread_is_in_percent_of_the_least() {
        let mut spread = Spread::default();
        for instructions in [102.0, 100.0, 101.0] {
            spread.add(costs(instructions));
        }
        assert!(spread.to_string().contains(" 2.000%"), "{spread}");
        assert_eq!(spread.median(), Some(costs(101.0)));
    }
}
