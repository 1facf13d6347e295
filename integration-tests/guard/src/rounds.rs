//! Rounds of one scenario, and what each allocated. The first brings everything into the state in which it stays. Then
//! short and long ones take turns: what a long one counts more than a short one, divided by the calls it has more, is
//! what one call costs, and whoever reads takes the median of each kind, so that a round in which the system took the
//! processor away between two calls makes no difference.
//!
//! Callgrind writes down its counts before each of the two functions at the end, so that every other part is a round.
//! The lines that are printed between the rounds divide the list of system calls that Valgrind writes.

use std::hint::black_box;

use crate::{Outcome, allocations};

const WARM: usize = 400;
const SHORT: usize = 200;
/// The most calls of a round.
pub(crate) const LONG: usize = 600;
const PAIRS: usize = 5;

/// A scenario that is ready to run.
pub(crate) trait Work {
    /// What has to be undone before another round. It is not counted.
    fn make_ready(&mut self) -> Outcome {
        Ok(())
    }

    /// This many calls. It fails if one of them did not do what the scenario is about.
    fn run(&mut self, calls: usize) -> Outcome;
}

/// Runs the rounds. `ready` is printed before each, and `round CALLS ALLOCATIONS BYTES` after it.
pub(crate) fn run(mut work: Box<dyn Work>) -> Outcome {
    for calls in [WARM].into_iter().chain([SHORT, LONG].repeat(PAIRS)) {
        work.make_ready()?;
        println!("ready");
        let before = allocations::so_far();
        larder_guard_begin();
        let outcome = work.run(calls);
        larder_guard_end();
        let after = allocations::so_far();
        outcome?;
        println!("round {calls} {} {}", after.times - before.times, after.bytes - before.bytes);
    }
    Ok(())
}

/// Callgrind knows this name.
#[inline(never)]
fn larder_guard_begin() {
    black_box(());
}

/// Callgrind knows this name.
#[inline(never)]
fn larder_guard_end() {
    // Not the same as the other, or the compiler may make one of them.
    black_box(1);
}
