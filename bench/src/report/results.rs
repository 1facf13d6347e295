//! Results as they are kept: `results/latest.json`, by row, each with its own date and commit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use crate::harness::bench::Outcome;
use crate::harness::comparison::Measure;
use crate::harness::sample::Sample;
use crate::harness::spread::Spread;
use crate::harness::targets::{Target, Targets};

/// The latest result of every row.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// By name.
    pub(crate) rows: BTreeMap<String, RowResult>,
}

/// What one row came to.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct RowResult {
    /// One line of what it measures.
    pub(crate) about: String,
    /// When it was measured, as `YYYY-MM-DD HH:MM` in UTC.
    pub(crate) date: String,
    /// Larder's commit, with a `+` where the tree had changes.
    pub(crate) commit: String,
    /// Whether with `--quick`.
    pub(crate) quick: bool,
    /// Where it was measured.
    pub(crate) machine: Machine,
    /// Its groups, in the order measured.
    pub(crate) groups: Vec<Group>,
    /// What was not measured, and why.
    pub(crate) left_out: Vec<String>,
}

impl RowResult {
    /// Its comparisons.
    pub(crate) fn compared(&self) -> impl Iterator<Item = &Compared> {
        self.groups.iter().flat_map(|group| &group.compared)
    }

    /// What became of a comparison's target.
    pub(crate) fn status(&self, compared: &Compared) -> Status {
        let Some(target) = &compared.target else { return Status::Shown };
        let met = target.is_met(compared.value.median);
        if target.condition {
            return if met { Status::Shown } else { Status::Void };
        }
        if let Some(condition) = &target.void_unless {
            // Not measured says nothing either.
            let holds =
                self.compared().find(|compared| compared.name == *condition).is_some_and(|compared| {
                    compared.target.as_ref().is_none_or(|target| target.is_met(compared.value.median))
                });
            if !holds {
                return Status::Void;
            }
        }
        if met { Status::Ok } else { Status::Short }
    }

    /// Why comparisons fall short: each reason with those that it speaks of, those of which none is known at the end.
    pub(crate) fn reasons<'a>(
        &'a self,
        row: &str,
        targets: &'a Targets,
    ) -> Vec<(Option<&'a str>, Vec<&'a str>)> {
        let mut reasons: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
        for compared in self.compared().filter(|compared| self.status(compared) == Status::Short) {
            let reason = targets.because(row, &compared.name);
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(&compared.name),
                None => reasons.push((reason, vec![&compared.name])),
            }
        }
        reasons.sort_by_key(|(reason, _)| reason.is_none());
        reasons
    }
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Reached.
    Ok,
    /// Not reached.
    Short,
    /// Its condition does not hold, so it says nothing.
    Void,
    /// There is no target.
    Shown,
}

impl Status {
    /// As tables print it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Short => "short",
            Self::Void => "void",
            Self::Shown => "",
        }
    }
}

/// Lanes that took turns, and what was compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    /// What they did.
    pub(crate) name: String,
    /// One entry a lane.
    pub(crate) lanes: Vec<LaneResult>,
    /// One entry a comparison.
    pub(crate) compared: Vec<Compared>,
}

/// A lane's medians, with the spread of its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LaneResult {
    /// The lane.
    pub(crate) name: String,
    /// Whether it is Larder.
    pub(crate) ours: bool,
    /// Operations in a turn.
    pub(crate) operations: u64,
    /// Nanoseconds an operation.
    pub(crate) time: Option<Spread>,
    /// Operations a second.
    pub(crate) throughput: Option<f64>,
    /// Nanoseconds of this process's processor time an operation.
    pub(crate) client_cpu: Option<f64>,
    /// The same of the server's.
    pub(crate) server_cpu: Option<f64>,
    /// Nanoseconds.
    pub(crate) p99: Option<f64>,
    /// Allocations an operation.
    pub(crate) allocations: Option<f64>,
    /// Bytes allocated an operation.
    pub(crate) bytes: Option<f64>,
    /// The lane's own figure.
    pub(crate) figure: Option<f64>,
}

impl LaneResult {
    /// Of a lane's samples.
    pub(crate) fn of(name: &str, ours: bool, samples: &[Sample]) -> Self {
        let spread =
            |measure: Measure| Spread::of(samples.iter().filter_map(|sample| measure.of(sample)).collect());
        let median = |measure| spread(measure).map(|spread| spread.median);
        let timed = samples.iter().any(|sample| !sample.elapsed.is_zero());
        Self {
            name: name.to_owned(),
            ours,
            operations: samples.first().map_or(0, |sample| sample.operations),
            time: spread(Measure::Time).filter(|_| timed),
            throughput: median(Measure::Throughput).filter(|_| timed),
            client_cpu: median(Measure::ClientCpu).filter(|_| timed),
            server_cpu: median(Measure::ServerCpu),
            p99: median(Measure::P99),
            allocations: median(Measure::Allocations).filter(|_| timed),
            bytes: median(Measure::Bytes).filter(|_| timed),
            figure: median(Measure::Figure),
        }
    }
}

/// A comparison and its target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Compared {
    /// Unique in the row.
    pub(crate) name: String,
    /// Our lane, and its median.
    pub(crate) ours: (String, f64),
    /// Theirs, where there is one.
    pub(crate) theirs: Option<(String, f64)>,
    /// What was compared.
    pub(crate) measure: String,
    /// What the two medians, and a difference, are counted in.
    pub(crate) unit: String,
    /// `ratio`, `difference` or `alone`.
    pub(crate) how: String,
    /// Of all rounds, each round's ratio, difference or figure taken by itself.
    pub(crate) value: Spread,
    /// Ours over theirs by this process's processor time, where time or throughput is compared.
    pub(crate) cpu: Option<f64>,
    /// Whether the rounds lie far apart.
    pub(crate) noisy: bool,
    /// What it has to reach.
    pub(crate) target: Option<Target>,
}

impl Results {
    /// The file's, or none where there is no file yet.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// Replaces the file.
    pub(crate) fn write(&self, path: &Path) -> Outcome {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(name: &str, median: f64, target: Option<Target>) -> Compared {
        Compared {
            name: name.to_owned(),
            ours: ("larder".to_owned(), median),
            theirs: None,
            measure: "time".to_owned(),
            unit: "ns".to_owned(),
            how: "alone".to_owned(),
            value: Spread { p10: median, median, p90: median },
            cpu: None,
            noisy: false,
            target,
        }
    }

    #[test]
    fn a_target_is_void_where_its_condition_fails_or_was_not_measured() {
        let condition =
            Target { at_most: None, at_least: Some(1.4), void_unless: None, condition: true, because: None };
        let bound = Target {
            at_most: Some(1.0),
            at_least: None,
            void_unless: Some("limit".to_owned()),
            condition: false,
            because: None,
        };
        let row = |limit: f64, ours: f64| {
            let all = vec![
                compared("limit", limit, Some(condition.clone())),
                compared("ours", ours, Some(bound.clone())),
            ];
            RowResult {
                groups: vec![Group { name: String::new(), lanes: Vec::new(), compared: all }],
                ..RowResult::default()
            }
        };
        let statuses =
            |row: &RowResult| row.compared().map(|compared| row.status(compared)).collect::<Vec<_>>();
        assert_eq!(statuses(&row(1.5, 0.9)), [Status::Shown, Status::Ok]);
        assert_eq!(statuses(&row(1.5, 1.1)), [Status::Shown, Status::Short]);
        assert_eq!(statuses(&row(1.3, 0.9)), [Status::Void, Status::Void]);
        let mut without = row(1.5, 0.9);
        without.groups[0].compared.remove(0);
        assert_eq!(statuses(&without), [Status::Void]);
    }

    #[test]
    fn only_what_falls_short_has_a_reason() {
        let text = "[because]\nslow = 'it waits'\n[near]\n\
                    a = { at_most = 1.0, because = 'slow' }\nb = { at_most = 1.0, because = 'slow' }\n\
                    c = { at_most = 1.0 }\nd = { at_most = 1.0, because = 'slow' }";
        let targets = Targets::parse(text).unwrap();
        let all = [("c", 2.0), ("a", 2.0), ("b", 2.0), ("d", 0.5)]
            .map(|(name, median)| compared(name, median, targets.of("near", name)));
        let row = RowResult {
            groups: vec![Group { name: String::new(), lanes: Vec::new(), compared: all.into() }],
            ..RowResult::default()
        };
        assert_eq!(row.reasons("near", &targets), [(Some("it waits"), vec!["a", "b"]), (None, vec!["c"])]);
    }
}
