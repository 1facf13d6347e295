//! Why a server did not start or did not do as it was told.

use std::fmt;
use std::io;
use std::process::ExitStatus;

/// Why a server did not start or did not do as it was told.
///
/// `Debug` is the same text as `Display`, so that an `unwrap` in a test reads well.
#[non_exhaustive]
pub enum Error {
    /// The server's program is not on this machine.
    NotInstalled {
        /// The program that was looked for.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The server ended instead of answering.
    Exited {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it had logged.
        log: String,
    },
    /// The server runs, and did not answer in time.
    Silent {
        /// The program.
        program: String,
        /// What went wrong in the last attempt to reach it.
        last: String,
        /// What it had logged.
        log: String,
    },
    /// The server was stopped, and what was asked needs a running one.
    NotRunning {
        /// The program.
        program: String,
    },
    /// Something that the operating system was asked for failed.
    Io {
        /// What was being done.
        doing: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The server's options contradict each other.
    Options(&'static str),
}

impl Error {
    /// Wraps an operating system error with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Whether another process took the port between our finding it free and the server's binding it.
    pub(crate) fn is_address_in_use(&self) -> bool {
        matches!(self, Self::Exited { log, .. } if log.contains("Address already in use"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled { program, package } => write!(
                f,
                "{program} was not found; these tests talk to real servers. \
                 On Debian: apt-get install {package} (`cargo xtask test` does it where it may)"
            ),
            Self::Exited { program, status, log } => {
                write!(f, "{program} ended at once ({status}); it logged:\n{log}")
            }
            Self::Silent { program, last, log } => {
                write!(f, "{program} did not answer in time ({last}); it logged:\n{log}")
            }
            Self::NotRunning { program } => write!(f, "{program} was stopped"),
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
            Self::Options(why) => f.write_str(why),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Ends the test with the error's text, at the line that called into this crate.
#[track_caller]
pub(crate) fn or_panic<T>(result: Result<T, Error>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// A command's word for a message, which a value of a megabyte would make unreadable.
pub(crate) fn shortened(word: &[u8]) -> String {
    const LIMIT: usize = 60;
    let dots = if word.len() > LIMIT { "…" } else { "" };
    format!("{}{dots}", word[..word.len().min(LIMIT)].escape_ascii())
}
