//! How the program ends: 0 done, 1 the answer is no, 2 it could not be done.

use std::{fmt, process::ExitCode};

/// What came of a command that could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, or the answer is yes. Exit code 0.
    Done,
    /// The answer is no: there is no such key, a check found something. Exit code 1.
    No,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::No => Self::from(1),
        }
    }
}

/// Why a command could not be done. Exit code 2.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// What happened, where, and what to do.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// The exit code.
    pub(crate) const CODE: u8 = 2;
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a library says: the error with its causes, which name the store, the operation and what to do, and no secrets.
impl From<larder::Error> for Failure {
    fn from(error: larder::Error) -> Self {
        Self(error.chain().to_string())
    }
}
