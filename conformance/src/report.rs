//! The outcome of a run, as rows that other tools read.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
};

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The promise was kept.
    Passed,
    /// The promise was not kept.
    Failed,
    /// The case could not run, and why.
    Ignored(String),
}

/// One case over one store.
#[derive(Debug, Clone)]
pub struct Row {
    /// The name of the store.
    pub store: String,
    /// The family of the case.
    pub family: String,
    /// The behaviour.
    pub behaviour: String,
    /// How it ended.
    pub outcome: Outcome,
}

impl Row {
    /// The row as a line of tab-separated fields: store, family, behaviour, `passed`, `failed` or `ignored`,
    /// and the reason.
    pub fn to_line(&self) -> String {
        let (outcome, reason) = match &self.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed => ("failed", ""),
            Outcome::Ignored(reason) => ("ignored", reason.as_str()),
        };
        [&self.store, &self.family, &self.behaviour, outcome, reason].join("\t")
    }

    /// Reads what [`to_line`](Self::to_line) wrote.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.split('\t').map(str::to_owned);
        let (store, family, behaviour) = (fields.next()?, fields.next()?, fields.next()?);
        let outcome = match fields.next()?.as_str() {
            "passed" => Outcome::Passed,
            "failed" => Outcome::Failed,
            "ignored" => Outcome::Ignored(fields.next().unwrap_or_default()),
            _ => return None,
        };
        Some(Self { store, family, behaviour, outcome })
    }

    /// Appends the row to a file. Rows are written in one piece each, so several processes may share a file.
    pub(crate) fn append_to(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(format!("{}\n", self.to_line()).as_bytes())
    }
}
