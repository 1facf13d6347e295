//! The access log: a line for each request that was answered to its end. What is secret is not in it: no credentials, no bodies, no
//! cookies, and query strings only where that is configured.

mod line;

use std::{io, path::Path, sync::Arc, time::Duration};

pub(crate) use self::line::{Answered, Seen};
use self::line::{combined, json};
use crate::{
    configuration::{AccessLogSection, LogFormat},
    counters::Counters,
    lines::Lines,
};

/// The log, open.
#[derive(Debug)]
pub(crate) struct AccessLog {
    lines: Lines,
    format: LogFormat,
    query: bool,
}

impl AccessLog {
    /// Opens what is configured.
    ///
    /// # Errors
    /// Why the file cannot be opened.
    pub(crate) fn open(section: &AccessLogSection, counters: &Arc<Counters>) -> io::Result<Self> {
        let lines = Lines::open(section.file.as_deref().map(Path::new), section.queue, counters)?;
        Ok(Self { lines, format: section.format, query: section.query })
    }

    /// Writes a line when it can be written.
    pub(crate) fn write(&self, seen: &Seen, answered: &Answered<'_>) {
        self.lines.write(match self.format {
            LogFormat::Json => json(seen, answered, self.query),
            LogFormat::Combined => combined(seen, answered, self.query),
        });
    }

    /// Waits until what was written is there, or for this long.
    pub(crate) fn flush(&self, patience: Duration) {
        self.lines.flush(patience);
    }
}
