//! A promise that was not kept: what was expected and what was seen.

use std::{fmt, panic::Location};

/// Why a case failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) expected: String,
    pub(crate) seen: String,
    pub(crate) at: &'static Location<'static>,
}

impl Failure {
    #[track_caller]
    pub(crate) fn new(expected: impl fmt::Display, seen: impl fmt::Display) -> Self {
        Self { expected: expected.to_string(), seen: seen.to_string(), at: Location::caller() }
    }
}

/// An operation that a case counts on failed.
impl From<larder_core::Error> for Failure {
    #[track_caller]
    fn from(error: larder_core::Error) -> Self {
        Self::new("success", format_args!("an error: {error}"))
    }
}

/// What a case ends with.
pub(crate) type Verdict = Result<(), Failure>;

/// Fails unless both are equal.
#[track_caller]
pub(crate) fn same<T: PartialEq<U> + fmt::Debug, U: fmt::Debug>(seen: T, expected: U) -> Verdict {
    if seen == expected {
        return Ok(());
    }
    Err(Failure::new(format_args!("{expected:?}"), format_args!("{seen:?}")))
}

/// Fails unless this holds; says what was expected in words.
#[track_caller]
pub(crate) fn holds(holds: bool, expected: &str, seen: impl fmt::Debug) -> Verdict {
    if holds { Ok(()) } else { Err(Failure::new(expected, format_args!("{seen:?}"))) }
}

/// Fails unless this is an error of this kind.
#[track_caller]
pub(crate) fn fails<T: fmt::Debug>(
    result: Result<T, larder_core::Error>,
    kind: larder_core::ErrorKind,
) -> Verdict {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        other => Err(Failure::new(format_args!("an error of kind {kind}"), format_args!("{other:?}"))),
    }
}
