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
    if holds { Ok(()) } else { Err(Failure::new(expected, shown(&seen))) }
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

/// How a value shows itself, cut off as soon as it is long enough: of tens of megabytes only the beginning is made.
pub(crate) fn shown(value: &impl fmt::Debug) -> String {
    let mut beginning = Beginning(String::new());
    match fmt::write(&mut beginning, format_args!("{value:?}")) {
        Ok(()) => beginning.0,
        Err(_) => beginning.0 + "…",
    }
}

/// Takes no more than a line.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const MOST: usize = 120;
        let room = MOST.saturating_sub(self.0.chars().count());
        if let Some((end, _)) = text.char_indices().nth(room) {
            self.0.push_str(&text[..end]);
            Err(fmt::Error)
        } else {
            self.0.push_str(text);
            Ok(())
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shown_by_its_beginning() {
        assert_eq!(shown(&"short"), "\"short\"");
        let long = shown(&vec!["x".repeat(50); 1_000_000]);
        assert_eq!(long.chars().count(), 121, "{long}");
        assert!(long.starts_with("[\"xxx") && long.ends_with('…'), "{long}");
    }
}
