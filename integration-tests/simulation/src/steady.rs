//! Reads and writes at a steady rate: what the bus carries, and how soon all nodes agree.

use loading_trials::Outcome;

use crate::{
    far::Counts,
    fleet::{Fleet, Seen, Setup},
    kernel::{self, Moment, SECOND},
    quantile::Times,
};

/// Until writes and reads are in their stride.
const BEFORE: Moment = SECOND;

/// What was seen at one size and rate.
#[derive(Debug, Clone)]
pub(crate) struct Steady {
    pub(crate) nodes: usize,
    /// Writes a second, of all nodes together.
    pub(crate) writes: u64,
    /// How long it was looked at.
    pub(crate) lasted: Moment,
    pub(crate) counts: Counts,
    pub(crate) seen: Seen,
    /// From the beginning of a write to the last node that heard of it.
    pub(crate) agreed: Times,
    /// How many writes all nodes heard of.
    pub(crate) heard: usize,
    /// From a node to the store and back.
    pub(crate) trips: Times,
}

/// Looks at so many nodes for so long.
pub(crate) fn run(setup: Setup, writes: u64, lasts: Moment) -> Outcome<Steady> {
    kernel::run(async move |kernel, clock| {
        let fleet = Fleet::new(&kernel, &clock, setup).await?;
        if let Some(node) = setup.deaf {
            fleet.server.deafen(node);
        }
        fleet.read();
        fleet.write(writes);
        kernel.sleep(BEFORE).await;
        let (server, before) = (&fleet.server, fleet.server.counts());
        let (_, _, loads) = (server.trips(), server.ledger.take(), fleet.loads());
        *fleet.seen() = Seen::default();
        kernel.sleep(lasts).await;
        let mut seen = fleet.seen().clone();
        seen.loads = fleet.loads() - loads;
        let (counts, agreed) = (server.counts().since(before), server.ledger.take());
        let trips = Times::of(server.trips());
        fleet.end().await;
        let heard = agreed.len();
        let nodes = setup.nodes;
        Ok(Steady { nodes, writes, lasted: lasts, counts, seen, agreed: Times::of(agreed), heard, trips })
    })?
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
impl Steady {
    fn a_second(&self, count: u64) -> f64 {
        count as f64 * SECOND as f64 / self.lasted as f64
    }

    /// Messages of the bus in a second.
    pub(crate) fn messages(&self) -> f64 {
        self.a_second(self.counts.messages)
    }

    pub(crate) fn bytes(&self) -> f64 {
        self.a_second(self.counts.bytes)
    }

    /// Keys that the store was asked for in a second.
    pub(crate) fn far_reads(&self) -> f64 {
        self.a_second(self.counts.reads)
    }

    /// How much of the time the server's thread works.
    pub(crate) fn busy(&self) -> f64 {
        (self.counts.busy as f64 / self.lasted as f64).min(1.0)
    }

    /// Reads that needed no round trip.
    pub(crate) fn near(&self) -> f64 {
        self.seen.near as f64 / self.seen.reads.max(1) as f64
    }

    /// Reads between a write elsewhere and the notice of it.
    pub(crate) fn old(&self) -> f64 {
        self.seen.old as f64 / self.seen.reads.max(1) as f64
    }

    /// The share of writes of which all nodes have heard.
    pub(crate) fn heard(&self) -> f64 {
        (self.heard as f64 / self.seen.writes.max(1) as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(nodes: usize, deaf: Option<usize>) -> Steady {
        run(Setup { deaf, ..Setup::new(nodes, 5) }, 100, SECOND / 2).unwrap()
    }

    #[test]
    fn each_node_is_told_of_each_write_and_reads_nothing_that_is_over() {
        let (one, four) = (seen(1, None), seen(4, None));
        assert_eq!(four.counts.messages, 4 * one.counts.messages);
        assert!(one.agreed.p50 < four.agreed.p50 && four.agreed.max < 2 * kernel::MILLI, "{four:?}");
        assert_eq!((four.seen.wrong, four.seen.failed, four.seen.loads), (0, 0, 0));
        assert!(four.near() > 0.5 && four.heard() > 0.9, "{four:?}");
    }

    /// Under few writes, so that what the caches draw themselves is not seen.
    #[test]
    fn a_seed_decides_what_is_seen() {
        let told = |seed| {
            let seen = run(Setup::new(2, seed), 50, SECOND / 4).unwrap();
            format!("{:?} {:?} {:?}", seen.counts, seen.agreed, seen.trips)
        };
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
    }

    #[test]
    fn a_node_that_misses_notices_is_found_out() {
        assert!(seen(4, Some(2)).seen.wrong > 0);
    }

    #[test]
    fn without_the_bus_reads_are_old_and_none_is_told() {
        let without = run(Setup { listens: false, ..Setup::new(4, 5) }, 100, SECOND / 2).unwrap();
        assert_eq!(without.counts.messages, 0);
        assert!(without.seen.old > 0);
    }
}
