//! What is wrong with lines of a log: counted by reason, with the first few as examples. A line that cannot be read is never
//! fatal and never dropped without being counted.

use std::collections::BTreeMap;

use serde::Serialize;

/// So many lines of each reason are shown.
const EXAMPLES: usize = 3;
/// An example is cut after this many bytes.
const EXAMPLE_BYTES: usize = 120;

/// Why a line, or a part of it, could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bad {
    /// Longer than a line may be; nothing of it was kept.
    TooLong,
    /// Not of the format of its file.
    Format,
    /// No time, or none that can be read.
    Time,
    /// No target of the request, or none that can be read.
    Target,
    /// A size that is no number.
    Size,
    /// A duration that is no number.
    Duration,
    /// The key template names what this line does not have; the part is empty in its key.
    KeyPart,
    /// The time is more than a minute before that of the line before.
    ClockBack,
    /// The time is more than a day after that of the line before.
    ClockJump,
    /// The file ends in the middle of its compression.
    Truncated,
}

impl Bad {
    /// Whether a line of which this is said is not counted as a request.
    pub(crate) const fn is_lost(self) -> bool {
        matches!(self, Self::TooLong | Self::Format | Self::Time | Self::Target)
    }

    /// What is said of such lines.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::TooLong => "longer than 1 MiB; not counted as requests",
            Self::Format => "not of the format of the file; not counted as requests",
            Self::Time => "without a time that can be read; not counted as requests",
            Self::Target => "without a request that can be read; not counted as requests",
            Self::Size => "without a size that can be read; counted as 0 bytes",
            Self::Duration => "without a duration that can be read; counted as 0 s",
            Self::KeyPart => "without something that the key template names; that part of their key is empty",
            Self::ClockBack => {
                "more than a minute before the line before; the time between the two was taken as 0. Give logs oldest first"
            }
            Self::ClockJump => "more than a day after the line before",
            Self::Truncated => {
                "files whose compression ends too early or is damaged; what came before was read"
            }
        }
    }
}

/// What is wrong, counted.
#[derive(Debug, Default)]
pub(crate) struct Complaints(BTreeMap<Bad, Complaint>);

/// One reason.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    /// How many lines.
    pub(crate) count: u64,
    /// The first few of them: file, line number, and what it holds.
    pub(crate) examples: Vec<String>,
}

impl Complaints {
    /// Counts one.
    pub(crate) fn add(&mut self, bad: Bad, file: &str, line: u64, text: &[u8]) {
        let complaint = self.0.entry(bad).or_default();
        complaint.count += 1;
        if complaint.examples.len() < EXAMPLES {
            complaint.examples.push(format!("{file}:{line}: {}", printable(text)));
        }
    }

    /// Adds what somebody else has counted.
    pub(crate) fn extend(&mut self, other: Self) {
        for (bad, complaint) in other.0 {
            let own = self.0.entry(bad).or_default();
            own.count += complaint.count;
            own.examples.extend(complaint.examples);
            own.examples.truncate(EXAMPLES);
        }
    }

    /// Lines that were not counted as requests.
    pub(crate) fn lost(&self) -> u64 {
        self.0.iter().filter(|(bad, _)| bad.is_lost()).map(|(_, complaint)| complaint.count).sum()
    }

    /// Everything, by reason.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Bad, &Complaint)> {
        self.0.iter().map(|(bad, complaint)| (*bad, complaint))
    }
}

/// The text without control characters, which a terminal would obey, and not too long.
fn printable(text: &[u8]) -> String {
    let cut = &text[..text.len().min(EXAMPLE_BYTES)];
    let mut shown = String::from_utf8_lossy(cut).chars().flat_map(char::escape_debug).collect::<String>();
    if text.len() > cut.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_obeys_no_terminal_and_is_short() {
        let mut complaints = Complaints::default();
        let line = [b"\x1b[2J\xff".as_slice(), &[b'a'; 500]].concat();
        for number in 1..=5 {
            complaints.add(Bad::Format, "log", number, &line);
        }
        let (_, complaint) = complaints.iter().next().unwrap();
        assert_eq!((complaint.count, complaint.examples.len()), (5, 3));
        assert!(complaint.examples[0].starts_with(r"log:1: \u{1b}[2J"), "{}", complaint.examples[0]);
        assert!(complaint.examples[0].len() < 200);
        assert_eq!(complaints.lost(), 5);
    }
}
