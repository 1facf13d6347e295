//! The bus is lost for all nodes at once, and comes back.

use loading_trials::Outcome;

use crate::{
    fleet::{Fleet, Seen, Setup},
    kernel::{self, MILLI, Moment, SECOND},
    quantile::Times,
};

/// What is looked at together.
pub(crate) const STEP: Moment = 100 * MILLI;
/// When the bus is lost, and when it is there again, after the first look.
pub(crate) const LOST: usize = 10;
pub(crate) const BACK: usize = 40;
const STEPS: usize = 70;
/// Writes a second, of all nodes together.
pub(crate) const WRITES: u64 = 10;

/// What was seen.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    pub(crate) nodes: usize,
    /// Keys that the store was asked for in each step.
    pub(crate) reads: Vec<u64>,
    /// Nanoseconds that the server's thread worked in each step.
    pub(crate) busy: Vec<Moment>,
    /// From a node to the store and back, in the first second after the gap.
    pub(crate) trips: Times,
    pub(crate) seen: Seen,
}

/// Lets this happen to so many nodes.
pub(crate) fn run(nodes: usize, seed: u64) -> Outcome<Gap> {
    kernel::run(async move |kernel, clock| {
        let fleet = Fleet::new(&kernel, &clock, Setup::new(nodes, seed)).await?;
        fleet.read();
        fleet.write(WRITES);
        kernel.sleep(SECOND).await;
        *fleet.seen() = Seen::default();
        let (begun, mut before) = (kernel.now(), fleet.server.counts());
        let loads = fleet.loads();
        let (mut reads, mut busy, mut trips) = (Vec::new(), Vec::new(), Times::default());
        for step in 0..STEPS {
            match step {
                LOST => fleet.server.cut(),
                BACK => {
                    fleet.server.trips();
                    fleet.server.come_back();
                }
                _ if step == BACK + 10 => trips = Times::of(fleet.server.trips()),
                _ => {}
            }
            kernel.sleep_until(begun + STEP * (step as Moment + 1)).await;
            let now = fleet.server.counts();
            let counts = now.since(before);
            before = now;
            reads.push(counts.reads);
            busy.push(counts.busy);
        }
        let mut seen = fleet.seen().clone();
        seen.loads = fleet.loads() - loads;
        fleet.end().await;
        Ok(Gap { nodes, reads, busy, trips, seen })
    })?
}

impl Gap {
    /// Keys that the store was asked for in a second, on average, from this step to before that one.
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    pub(crate) fn rate(&self, from: usize, to: usize) -> f64 {
        let steps = self.reads.get(from..to).unwrap_or_default();
        let second = SECOND as f64 / STEP as f64;
        steps.iter().sum::<u64>() as f64 * second / steps.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_asked_more_while_the_bus_is_away_and_less_afterwards() {
        let gap = run(3, 5).unwrap();
        let (before, silent) = (gap.rate(0, LOST), gap.rate(LOST + 10, BACK));
        let after = gap.rate(BACK + 20, STEPS);
        assert!(before * 5.0 < silent && after * 1.5 < silent, "{before} {silent} {after}");
        assert_eq!((gap.seen.wrong, gap.seen.failed), (0, 0));
    }
}
