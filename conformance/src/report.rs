//! The outcome of a run: as rows that other tools read, as a page and as JUnit XML.

mod junit;
mod page;

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

pub use self::{junit::junit, page::html};

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Row {
    /// The name of the store.
    pub store: String,
    /// The family of the case.
    pub family: String,
    /// The behaviour.
    pub behaviour: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, to the millisecond.
    pub took: Duration,
    /// What a case that failed says: what was promised, done, expected and seen. Empty otherwise.
    pub told: String,
}

impl Row {
    /// The row as a line of tab-separated fields: store, family, behaviour, `passed`, `failed` or `ignored`, the reason,
    /// milliseconds, and what a failed case says, with its line ends, tabs and backslashes escaped by backslashes.
    pub fn to_line(&self) -> String {
        let (outcome, reason) = match &self.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed => ("failed", ""),
            Outcome::Ignored(reason) => ("ignored", reason.as_str()),
        };
        let (reason, told, millis) = (escape(reason), escape(&self.told), self.took.as_millis().to_string());
        [&self.store, &self.family, &self.behaviour, outcome, &reason, &millis, &told].join("\t")
    }

    /// Reads what [`to_line`](Self::to_line) wrote.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.split('\t').map(str::to_owned);
        let (store, family, behaviour) = (fields.next()?, fields.next()?, fields.next()?);
        let (outcome, reason) = (fields.next()?, unescape(&fields.next()?));
        let outcome = match outcome.as_str() {
            "passed" => Outcome::Passed,
            "failed" => Outcome::Failed,
            "ignored" => Outcome::Ignored(reason),
            _ => return None,
        };
        let took = Duration::from_millis(fields.next()?.parse().ok()?);
        Some(Self { store, family, behaviour, outcome, took, told: unescape(&fields.next()?) })
    }

    /// Appends the row to a file. Rows are written in one piece each, so several processes may share a file.
    pub(crate) fn append_to(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(format!("{}\n", self.to_line()).as_bytes())
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some(other) => other,
                None => break,
            },
            plain => plain,
        });
    }
    plain
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(store: &str, behaviour: &str, outcome: Outcome, told: &str) -> Row {
        Row {
            store: store.into(),
            family: "ttl".into(),
            behaviour: behaviour.into(),
            outcome,
            took: Duration::from_millis(1234),
            told: told.into(),
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let told = "seen: \"a\\tb\"\tand\nmore \\n";
        for row in [
            row("one", "a", Outcome::Failed, told),
            row("one", "b", Outcome::Ignored("needs\ta server".into()), ""),
            row("one", "c", Outcome::Passed, ""),
        ] {
            let line = row.to_line();
            assert!(!line.contains('\n') && line.split('\t').count() == 7, "{line}");
            let read = Row::from_line(&line).unwrap();
            assert_eq!((&read.outcome, &read.told, read.took), (&row.outcome, &row.told, row.took));
        }
        assert!(Row::from_line("one\tttl\ta\tpassed\t").is_none());
    }
}
