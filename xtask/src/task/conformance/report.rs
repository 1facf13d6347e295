//! What the programs report: a line for each store and one for each case, with tabs between the fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::iter::Sum;

use crate::Outcome;

/// How many cases ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) ignored: usize,
    pub(super) failed: usize,
}

impl Counts {
    pub(super) fn all(self) -> usize {
        self.passed + self.ignored + self.failed
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, counts| Self {
            passed: sum.passed + counts.passed,
            ignored: sum.ignored + counts.ignored,
            failed: sum.failed + counts.failed,
        })
    }
}

/// Passed, ignored, failed.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.passed, self.ignored, self.failed)
    }
}

/// A store, and what became of the cases over it.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) name: String,
    pub(super) about: String,
    /// By family.
    pub(super) counts: BTreeMap<String, Counts>,
    /// How many cases were ignored for which reason, but for those that were skipped.
    pub(super) ignored: BTreeMap<String, usize>,
    /// Cases that were left out on purpose, with the reason.
    pub(super) skipped: BTreeMap<String, String>,
    pub(super) failed: Vec<String>,
}

impl Store {
    pub(super) fn total(&self) -> Counts {
        self.counts.values().copied().sum()
    }

    fn count(&mut self, family: &str, behaviour: &str, outcome: &str, reason: &str) -> Outcome {
        let counts = self.counts.entry(family.to_owned()).or_default();
        match outcome {
            "passed" => counts.passed += 1,
            "failed" => {
                counts.failed += 1;
                self.failed.push(format!("{}::{family}::{behaviour}", self.name));
            }
            "ignored" => {
                counts.ignored += 1;
                if let Some(why) = reason.strip_prefix("skipped: ") {
                    self.skipped.insert(format!("{family}::{behaviour}"), why.to_owned());
                } else {
                    *self.ignored.entry(reason.to_owned()).or_default() += 1;
                }
            }
            other => return Err(format!("the report has an outcome that is none: {other}").into()),
        }
        Ok(())
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// In the order in which they were run. A store without cases is one that the filter left nothing of.
    pub(super) stores: Vec<Store>,
}

impl Report {
    pub(super) fn read(text: &str) -> Outcome<Self> {
        let mut report = Self::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["#", name, about] => about.clone_into(&mut report.store(name).about),
                [store, family, behaviour, outcome, reason, _millis, _told] => {
                    report.store(store).count(family, behaviour, outcome, reason)?;
                }
                _ => return Err(format!("the report has a line that is none: {line}").into()),
            }
        }
        report.stores.retain(|store| !store.counts.is_empty());
        Ok(report)
    }

    pub(super) fn total(&self) -> Counts {
        self.stores.iter().map(Store::total).sum()
    }

    /// The names of the cases that failed, with their stores.
    pub(super) fn failed(&self) -> Vec<String> {
        self.stores.iter().flat_map(|store| store.failed.iter().cloned()).collect()
    }

    /// The line that the run ends with.
    pub(super) fn counts(&self) -> String {
        let Counts { passed, ignored, failed } = self.total();
        format!("{passed} passed, {failed} failed, {ignored} ignored")
    }

    /// Families by stores, and a last row of sums; the first row and the first column are the names.
    pub(super) fn cells(&self) -> Vec<Vec<String>> {
        let cell = |counts: Option<Counts>| counts.map_or_else(String::new, |counts| counts.to_string());
        let row = |name: &str, of: &dyn Fn(&Store) -> String| {
            std::iter::once(name.to_owned()).chain(self.stores.iter().map(of)).collect::<Vec<_>>()
        };
        let families: BTreeSet<&String> = self.stores.iter().flat_map(|store| store.counts.keys()).collect();
        let mut rows = vec![row("family", &|store| store.name.clone())];
        for family in families {
            rows.push(row(family, &|store| cell(store.counts.get(family).copied())));
        }
        rows.push(row("all", &|store| cell(Some(store.total()))));
        rows
    }

    /// The cells as a table for a terminal.
    pub(super) fn table(&self) -> String {
        let cells = self.cells();
        let widths: Vec<usize> = (0..=self.stores.len())
            .map(|column| cells.iter().map(|row| row[column].len()).max().unwrap_or(0))
            .collect();
        let mut text = "passed/ignored/failed\n".to_owned();
        for row in &cells {
            let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
            });
            text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    fn store(&mut self, name: &str) -> &mut Store {
        let place = self.stores.iter().position(|store| store.name == name).unwrap_or_else(|| {
            self.stores.push(Store { name: name.to_owned(), ..Store::default() });
            self.stores.len() - 1
        });
        &mut self.stores[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_counts() {
        let lines = [
            "#\tone\tthe first",
            "#\tnone\tleft out by the filter",
            "one\tttl\ta\tpassed\t\t0\t",
            "two\tttl\ta\tignored\tneeds sharing\t0\t",
            "one\tkeys\tb\tfailed\t\t7\tseen: x",
            "two\tkeys\tb\tignored\tskipped: it cannot\t0\t",
        ];
        let report = Report::read(&lines.join("\n")).unwrap();
        assert_eq!(report.counts(), "1 passed, 1 failed, 2 ignored");
        assert_eq!(report.stores.len(), 2);
        assert_eq!(report.stores[0].about, "the first");
        assert_eq!(report.failed(), ["one::keys::b"]);
        assert_eq!(report.stores[1].ignored["needs sharing"], 1);
        assert_eq!(report.stores[1].skipped["keys::b"], "it cannot");
        assert_eq!(
            report.table(),
            "passed/ignored/failed\n\
             family    one    two\n\
             keys    0/0/1  0/1/0\n\
             ttl     1/0/0  0/1/0\n\
             all     1/0/1  0/2/0\n"
        );
    }

    #[test]
    fn half_a_line_is_an_error() {
        for line in ["one\tttl", "one\tttl\ta\tpass\t\t0\t"] {
            assert!(Report::read(line).is_err(), "{line}");
        }
    }
}
