//! Paths as segments, decoded one by one: an encoded slash stays inside its segment. Whatever two servers may read in two ways is
//! refused.

use std::borrow::Cow;

use crate::percent::decode;

/// The longest path that is looked at, in bytes.
const MAX_PATH: usize = 8 * 1024;
/// The most segments that any endpoint has, and some more.
const MAX_SEGMENTS: usize = 12;

/// A part of a path between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    /// As it was sent: what an endpoint's words are compared with.
    pub(crate) raw: &'a str,
    /// Decoded: what a name is.
    pub(crate) text: Cow<'a, str>,
}

/// Splits a path. Nothing where it does not begin with a slash, has an empty segment (`//`, a slash at the end), a segment that is
/// `.` or `..` in any spelling, an escape that is none, bytes that are not UTF-8 or control characters, or is too long.
pub(crate) fn segments(path: &str) -> Option<Vec<Segment<'_>>> {
    let rest = path.strip_prefix('/')?;
    if path.len() > MAX_PATH {
        return None;
    }
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let mut segments = Vec::with_capacity(4);
    for raw in rest.split('/') {
        if segments.len() == MAX_SEGMENTS {
            return None;
        }
        let text = decode(raw)?;
        if text.is_empty() || text == "." || text == ".." || text.chars().any(char::is_control) {
            return None;
        }
        segments.push(Segment { raw, text });
    }
    Some(segments)
}
