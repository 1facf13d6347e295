//! The run: groups of lanes that take turns, and what came out of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};

use super::comparison::{Comparison, How, Measure};
use super::lane::Lane;
use super::sample::Sample;
use super::spread::Spread;
use super::targets::Targets;
use super::values::wrong_answers;
use crate::report::results::{Compared, Group, LaneResult, RowResult};

/// What a row comes to: nothing to say, or why it could not be measured.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Rounds of a group.
const ROUNDS: usize = 7;
/// Rounds of a full run: more, since it is the one that is kept.
const ROUNDS_FULL: usize = 11;

/// A row as its file registers it. Several with one name are one row, measured one after the other.
pub(crate) struct RowDef {
    /// What it is asked for by.
    pub(crate) name: &'static str,
    /// One line of what it measures.
    pub(crate) about: &'static str,
    /// Measures it.
    pub(crate) run: fn(&mut Bench) -> Outcome,
}

/// What a row measures with, and where its results go.
pub(crate) struct Bench {
    /// Whether figures are wanted soon rather than steady.
    pub(crate) quick: bool,
    row: &'static str,
    runtime: Runtime,
    targets: Targets,
    result: RowResult,
}

impl Bench {
    /// With a runtime of two workers, as the lanes' tasks have it.
    pub(crate) fn new(quick: bool, targets: Targets) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { quick, row: "", runtime, targets, result: RowResult::default() })
    }

    /// Measures a row.
    pub(crate) fn row(&mut self, parts: &[&RowDef]) -> RowResult {
        self.result = RowResult::default();
        for part in parts {
            self.row = part.name;
            if self.result.about.is_empty() {
                part.about.clone_into(&mut self.result.about);
            }
            // A lane that cannot go on panics; the other rows have their figures nevertheless.
            match panic::catch_unwind(AssertUnwindSafe(|| (part.run)(self))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.left_out(part.about, &error.to_string()),
                Err(_) => self.left_out(part.about, "a lane has panicked, see above"),
            }
        }
        std::mem::take(&mut self.result)
    }

    /// The runtime that lanes' tasks and connections live on.
    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Runs a future to its end.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// How long a lane's turn takes, about.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_millis(if self.quick { 40 } else { 300 })
    }

    /// Notes that something is not measured, and why.
    pub(crate) fn left_out(&mut self, what: &str, why: &str) {
        eprintln!("  left out: {what}: {why}");
        self.result.left_out.push(format!("{what}: {why}"));
    }

    /// Measures a group: every lane once to warm up and to find out how many operations fill a turn, then in rounds.
    #[allow(clippy::needless_pass_by_value, reason = "rows make them for this call")]
    pub(crate) fn group(
        &mut self,
        name: &str,
        mut lanes: Vec<Lane<'_>>,
        comparisons: Vec<Comparison>,
    ) -> Outcome {
        eprintln!("  {name}");
        let turn = self.turn();
        let operations: Vec<u64> = lanes.iter_mut().map(|lane| calibrated(lane, turn)).collect();
        // Warming up may load what is not there yet.
        wrong_answers();
        let mut samples: Vec<Vec<Sample>> = lanes.iter().map(|_| Vec::new()).collect();
        let rounds = if self.quick { ROUNDS } else { ROUNDS_FULL };
        for round in 0..rounds {
            for place in 0..lanes.len() {
                let lane = if round % 2 == 0 { place } else { lanes.len() - 1 - place };
                samples[lane].push((lanes[lane].run)(operations[lane]));
                let wrong = wrong_answers();
                if wrong > 0 {
                    return Err(
                        format!("{name}: {wrong} wrong answers in the lane `{}`", lanes[lane].name).into()
                    );
                }
            }
        }
        let measured: BTreeMap<String, Vec<Sample>> =
            lanes.iter().map(|lane| lane.name.clone()).zip(samples.iter().cloned()).collect();
        if measured.len() != lanes.len() {
            return Err(format!("two lanes of `{name}` have the same name").into());
        }
        let compared =
            comparisons.iter().filter_map(|comparison| self.compare(comparison, &measured)).collect();
        let lanes = lanes
            .iter()
            .zip(&samples)
            .map(|(lane, samples)| LaneResult::of(&lane.name, lane.ours, samples))
            .collect();
        self.result.groups.push(Group { name: name.to_owned(), lanes, compared });
        Ok(())
    }

    fn compare(&self, comparison: &Comparison, measured: &BTreeMap<String, Vec<Sample>>) -> Option<Compared> {
        let measure = comparison.measure;
        let figures = |lane: &str| -> Option<Vec<f64>> {
            let samples = measured.get(lane)?.iter();
            samples.map(|sample| Some(measure.of(sample)? / comparison.per_unit)).collect()
        };
        let ours = figures(&comparison.ours)?;
        let theirs = comparison.theirs.iter().filter_map(|lane| Some((lane.clone(), figures(lane)?)));
        let theirs = theirs.min_by(|one, other| better(measure, &one.1, &other.1));
        if comparison.how != How::Alone && theirs.is_none() {
            return None;
        }
        let per_round = match (&theirs, comparison.how) {
            (Some((_, theirs)), How::Ratio) => {
                ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
            }
            (Some((_, theirs)), How::Difference) => {
                ours.iter().zip(theirs).map(|(ours, theirs)| ours - theirs).collect()
            }
            _ => ours.clone(),
        };
        let value = Spread::of(per_round)?;
        let theirs_lane = theirs.as_ref().map(|(lane, _)| lane.clone());
        let ours = Spread::of(ours)?;
        Some(Compared {
            name: comparison.name.clone(),
            ours: (comparison.ours.clone(), ours.median),
            theirs: theirs.and_then(|(lane, figures)| Some((lane, Spread::of(figures)?.median))),
            measure: measure.name().to_owned(),
            unit: comparison.unit.unwrap_or(measure.unit()).to_owned(),
            how: match comparison.how {
                How::Ratio => "ratio",
                How::Difference => "difference",
                How::Alone => "alone",
            }
            .to_owned(),
            value,
            // A difference near zero may have any ratio of its ends.
            noisy: if comparison.how == How::Difference { ours.is_noisy() } else { value.is_noisy() },
            cpu: by_cpu(comparison, measured, theirs_lane.as_deref()),
            target: self.targets.of(self.row, &comparison.name),
        })
    }
}

/// The same two lanes by the processor time of this process, where time or throughput is compared: what else runs on the
/// machine moves this less.
fn by_cpu(
    comparison: &Comparison,
    measured: &BTreeMap<String, Vec<Sample>>,
    theirs: Option<&str>,
) -> Option<f64> {
    let timed = matches!(comparison.measure, Measure::Time | Measure::Throughput);
    let theirs = theirs.filter(|_| timed && comparison.how == How::Ratio)?;
    let rounds = measured.get(&comparison.ours)?.iter().zip(measured.get(theirs)?);
    let ratio = |(ours, theirs)| Some(Measure::ClientCpu.of(ours)? / Measure::ClientCpu.of(theirs)?);
    Some(Spread::of(rounds.filter_map(ratio).collect())?.median)
}

/// The better one sorts first.
fn better(measure: Measure, one: &[f64], other: &[f64]) -> Ordering {
    let median = |figures: &[f64]| Spread::of(figures.to_vec()).map_or(f64::INFINITY, |spread| spread.median);
    let order = median(one).total_cmp(&median(other));
    if measure.more_is_better() { order.reverse() } else { order }
}

/// How many operations of the lane fill a turn; finding out warms it up.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "far below 2^52"
)]
fn calibrated(lane: &mut Lane<'_>, turn: Duration) -> u64 {
    if let Some(operations) = lane.fixed {
        (lane.run)(operations);
        return operations;
    }
    let mut operations = 64;
    loop {
        let mut elapsed = (lane.run)(operations).elapsed;
        if elapsed >= turn / 4 {
            // The first runs are cold, and on a busy machine any run may have had to wait: the best of three.
            elapsed = elapsed.min((lane.run)(operations).elapsed).min((lane.run)(operations).elapsed);
        }
        if elapsed >= turn / 4 {
            let rate = operations as f64 / elapsed.as_secs_f64();
            return ((rate * turn.as_secs_f64()) as u64).max(1);
        }
        operations *= if elapsed < turn / 64 { 8 } else { 2 };
    }
}
