//! Everything that is looked at, and the tables of it.

use std::{fmt::Write as _, time::Duration};

use loading_trials::Outcome;

use crate::{
    fleet::Setup,
    gap::{self, Gap},
    kernel::{MICRO, MILLI, Moment, SECOND},
    stampede::{self, Stampede},
    steady::{self, Steady},
};

/// Writes a second, of all nodes together. Where some fail, more are not tried.
pub(crate) const WRITES: [u64; 4] = [10, 100, 1000, 3000];
/// At how many writes a second the largest size is set up in other ways.
pub(crate) const TRIED: u64 = 1000;
/// How long each size and rate is looked at.
pub(crate) const LASTS: Moment = 2 * SECOND;

/// What was seen.
pub(crate) struct Findings {
    pub(crate) steady: Vec<Steady>,
    pub(crate) stampedes: Vec<Stampede>,
    pub(crate) gaps: Vec<Gap>,
    /// The largest size at the rate of [`TRIED`], set up otherwise.
    pub(crate) tried: Vec<(String, Steady)>,
}

impl Findings {
    /// Simulates all of it at these sizes.
    pub(crate) fn of(nodes: &[usize], seed: u64) -> Outcome<Self> {
        let mut findings =
            Self { steady: Vec::new(), stampedes: Vec::new(), gaps: Vec::new(), tried: Vec::new() };
        for nodes in nodes.iter().copied() {
            for writes in WRITES {
                let seen = steady::run(Setup::new(nodes, seed), writes, LASTS)?;
                let is_enough = seen.seen.unwritten > 0;
                findings.steady.push(seen);
                if is_enough {
                    break;
                }
            }
            for has_leases in [true, false] {
                findings.stampedes.push(stampede::run(nodes, has_leases, seed)?);
            }
            findings.gaps.push(gap::run(nodes, seed)?);
        }
        if let Some(most) = nodes.iter().max() {
            let setup = Setup::new(*most, seed);
            let as_it_is = findings.steady.iter().find(|seen| seen.nodes == *most && seen.writes == TRIED);
            findings.tried.extend(as_it_is.cloned().map(|seen| ("as above".to_owned(), seen)));
            let ways = [
                ("a deadline of 250 ms", Setup { deadline: Duration::from_millis(250), ..setup }),
                ("no bus: copies for 1 s", Setup { listens: false, ..setup }),
            ];
            for (name, setup) in ways {
                findings.tried.push((name.to_owned(), steady::run(setup, TRIED, LASTS)?));
            }
        }
        Ok(findings)
    }

    /// Reads that gave what no node could have any more.
    pub(crate) fn wrong(&self) -> u64 {
        let steady = self.steady.iter().map(|steady| steady.seen.wrong);
        let tried = self.tried.iter().map(|(_, steady)| steady.seen.wrong);
        steady.chain(tried).chain(self.gaps.iter().map(|gap| gap.seen.wrong)).sum()
    }

    pub(crate) fn bus_table(&self) -> String {
        let mut table = header(
            "nodes | writes/s | messages/s | for each node | bytes/s | for each node | all nodes agree: p50 | p99 | max | heard of",
        );
        for steady in &self.steady {
            let nodes = steady.nodes as f64;
            let (messages, bytes) = (steady.messages(), steady.bytes());
            let agreed = steady.agreed;
            row(
                &mut table,
                &[
                    steady.nodes.to_string(),
                    steady.writes.to_string(),
                    count(messages),
                    count(messages / nodes),
                    size(bytes),
                    size(bytes / nodes),
                    time(agreed.p50),
                    time(agreed.p99),
                    time(agreed.max),
                    percent(steady.heard()),
                ],
            );
        }
        table
    }

    pub(crate) fn load_table(&self) -> String {
        let mut table = header(
            "nodes | writes/s | reads/s | far reads/s | near share | round trip: p50 | p99 | server busy | older reads | failed reads | \
             writes given up | loads | joined an older load | lines lost",
        );
        for steady in &self.steady {
            let reads = steady.seen.reads as f64 * SECOND as f64 / steady.lasted as f64;
            let seen = &steady.seen;
            row(
                &mut table,
                &[
                    steady.nodes.to_string(),
                    steady.writes.to_string(),
                    count(reads),
                    count(steady.far_reads()),
                    percent(steady.near()),
                    time(steady.trips.p50),
                    time(steady.trips.p99),
                    percent(steady.busy()),
                    seen.old.to_string(),
                    seen.failed.to_string(),
                    seen.unwritten.to_string(),
                    seen.loads.to_string(),
                    seen.joined_older.to_string(),
                    steady.counts.lost.to_string(),
                ],
            );
        }
        table
    }

    pub(crate) fn tried_table(&self) -> String {
        let mut table = header(
            "nodes | writes/s | set up | far reads/s | near share | older reads | round trip: p50 | p99 | server busy | loads | writes \
             given up",
        );
        for (name, steady) in &self.tried {
            row(
                &mut table,
                &[
                    steady.nodes.to_string(),
                    steady.writes.to_string(),
                    name.clone(),
                    count(steady.far_reads()),
                    percent(steady.near()),
                    percent(steady.old()),
                    time(steady.trips.p50),
                    time(steady.trips.p99),
                    percent(steady.busy()),
                    steady.seen.loads.to_string(),
                    steady.seen.unwritten.to_string(),
                ],
            );
        }
        table
    }

    pub(crate) fn stampede_table(&self) -> String {
        let mut table = header(
            "nodes | callers | leases | loads | keys asked or written far | waited: p50 | p99 | max | failed",
        );
        for seen in &self.stampedes {
            row(
                &mut table,
                &[
                    seen.nodes.to_string(),
                    (seen.nodes as u64 * stampede::CALLERS).to_string(),
                    if seen.has_leases { "yes" } else { "no" }.to_owned(),
                    seen.loads.to_string(),
                    seen.far.to_string(),
                    time(seen.waited.p50),
                    time(seen.waited.p99),
                    time(seen.waited.max),
                    seen.failed.to_string(),
                ],
            );
        }
        table
    }

    pub(crate) fn gap_table(&self) -> String {
        let mut table = header(
            "nodes | far reads/s before | while it is silent | in the first second after | in the third | server busy in that \
             second | round trip then: p99 | failed reads | loads",
        );
        for gap in &self.gaps {
            let second = gap.busy.get(gap::BACK..gap::BACK + 10).unwrap_or_default();
            let busy = second.iter().sum::<Moment>() as f64 / SECOND as f64;
            row(
                &mut table,
                &[
                    gap.nodes.to_string(),
                    count(gap.rate(0, gap::LOST)),
                    count(gap.rate(gap::LOST + 10, gap::BACK)),
                    count(gap.rate(gap::BACK, gap::BACK + 10)),
                    count(gap.rate(gap::BACK + 20, gap::BACK + 30)),
                    percent(busy.min(1.0)),
                    time(gap.trips.p99),
                    gap.seen.failed.to_string(),
                    gap.seen.loads.to_string(),
                ],
            );
        }
        table
    }
}

fn header(names: &str) -> String {
    let columns = names.split('|').count();
    format!("| {names} |\n|{}\n", "---|".repeat(columns))
}

fn row(table: &mut String, cells: &[String]) {
    // Writing into a string does not fail.
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}

/// Nanoseconds, for people.
pub(crate) fn time(nanos: Moment) -> String {
    match nanos {
        0 => "–".to_owned(),
        1..MILLI => format!("{:.2} ms", nanos as f64 / MILLI as f64),
        MILLI..SECOND => format!("{:.1} ms", (nanos / (10 * MICRO)) as f64 / 100.0),
        _ => format!("{:.2} s", nanos as f64 / SECOND as f64),
    }
}

pub(crate) fn count(count: f64) -> String {
    if count < 10.0 { format!("{count:.1}") } else { format!("{count:.0}") }
}

fn size(bytes: f64) -> String {
    match bytes {
        _ if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        _ if bytes >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{bytes:.0} B"),
    }
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        assert_eq!(
            [time(0), time(305_000), time(6_789_000), time(2 * SECOND)],
            ["–", "0.30 ms", "6.8 ms", "2.00 s"]
        );
        assert_eq!([size(7.0), size(1_500.0), size(2e6)], ["7 B", "1.5 kB", "2.0 MB"]);
        assert_eq!([count(3.25), count(1234.5), percent(0.5)], ["3.2", "1234", "50.0 %"]);
    }
}
