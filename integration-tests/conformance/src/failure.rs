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
#[allow(clippy::needless_pass_by_value, reason = "cases compare what they have just been given")]
pub(crate) fn same<T: PartialEq<U> + fmt::Debug, U: fmt::Debug>(seen: T, expected: U) -> Verdict {
    if seen == expected {
        return Ok(());
    }
    let (expected, seen) = (format!("{expected:?}"), format!("{seen:?}"));
    let from = first_difference(&expected, &seen);
    Err(Failure::new(excerpt(&expected, from), excerpt(&seen, from)))
}

/// Fails unless this holds; says what was expected in words.
#[track_caller]
pub(crate) fn holds(holds: bool, expected: &str, seen: impl fmt::Debug) -> Verdict {
    if holds { Ok(()) } else { Err(Failure::new(expected, brief(&format!("{seen:?}")))) }
}

/// Fails unless this is an error of this kind.
#[track_caller]
pub(crate) fn fails<T: fmt::Debug>(
    result: Result<T, larder_core::Error>,
    kind: larder_core::ErrorKind,
) -> Verdict {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        other => {
            Err(Failure::new(format_args!("an error of kind {kind}"), excerpt(&format!("{other:?}"), 0)))
        }
    }
}

/// The beginning of a text: a megabyte in a failure helps nobody.
pub(crate) fn brief(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// Of a long text, what stands around this character.
fn excerpt(text: &str, at: usize) -> String {
    const MOST: usize = 400;
    const BEFORE: usize = 40;
    let count = text.chars().count();
    if count <= MOST {
        return text.to_owned();
    }
    let start = at.saturating_sub(BEFORE);
    let cut: String = text.chars().skip(start).take(MOST).collect();
    let (before, after) = (if start > 0 { "… " } else { "" }, if start + MOST < count { " …" } else { "" });
    format!("{before}{cut}{after} (characters {start} and on of {count})")
}

fn first_difference(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}
