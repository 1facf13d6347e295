//! Stepping through one object or one array of a text that may be large: names and where values stand, nothing else.

use std::{borrow::Cow, ops::Range};

use super::{
    Fault,
    lex::{space, string, unescape},
    walk::{Nobody, walk},
};

/// How deep an answer may be nested before it is called broken.
const MAX_DEPTH: usize = 512;

/// A member of an object.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    /// Unescaped.
    pub(crate) name: Cow<'a, [u8]>,
    /// Where its value stands in the text.
    pub(crate) at: Range<usize>,
    pub(crate) value: &'a [u8],
}

/// The members of an object that is the whole text, white space aside, in order. Ends at the first fault.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    state: State,
}

/// The elements of an array that is the whole text, white space aside, in order. Ends at the first fault.
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Within,
    Over,
}

impl<'a> Members<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, state: State::Begin }
    }

    fn step(&mut self) -> Result<Option<Member<'a>>, Fault> {
        let bytes = self.bytes;
        let Some(at) = next(bytes, self.at, self.state, (b'{', b'}'))? else { return Ok(None) };
        if bytes.get(at) != Some(&b'"') {
            return Err(Fault::Syntax { at });
        }
        let (end, escaped) = string(bytes, at + 1)?;
        let name = text(&bytes[at + 1..end], escaped)?;
        let colon = space(bytes, end + 1);
        if bytes.get(colon) != Some(&b':') {
            return Err(Fault::Syntax { at: colon });
        }
        let start = space(bytes, colon + 1);
        let end = walk(bytes, start, MAX_DEPTH, &mut Nobody)?;
        self.at = end;
        Ok(Some(Member { name, at: start..end, value: &bytes[start..end] }))
    }
}

impl<'a> Elements<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, state: State::Begin }
    }

    fn step(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        let Some(start) = next(self.bytes, self.at, self.state, (b'[', b']'))? else { return Ok(None) };
        let end = walk(self.bytes, start, MAX_DEPTH, &mut Nobody)?;
        self.at = end;
        Ok(Some(&self.bytes[start..end]))
    }
}

/// Where the next member or element begins; nothing at the end, which is also the end of the text.
fn next(bytes: &[u8], at: usize, state: State, brackets: (u8, u8)) -> Result<Option<usize>, Fault> {
    let at = space(bytes, at);
    let begin = if state == State::Begin { brackets.0 } else { b',' };
    let end = match bytes.get(at) {
        Some(&byte) if byte == begin => {
            let next = space(bytes, at + 1);
            if state == State::Begin && bytes.get(next) == Some(&brackets.1) {
                next
            } else {
                return Ok(Some(next));
            }
        }
        Some(&byte) if byte == brackets.1 && state == State::Within => at,
        _ => return Err(Fault::Syntax { at }),
    };
    let after = space(bytes, end + 1);
    if after < bytes.len() { Err(Fault::Syntax { at: after }) } else { Ok(None) }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Over {
            return None;
        }
        let step = self.step();
        self.state = if let Ok(Some(_)) = step { State::Within } else { State::Over };
        step.transpose()
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Over {
            return None;
        }
        let step = self.step();
        self.state = if let Ok(Some(_)) = step { State::Within } else { State::Over };
        step.transpose()
    }
}

/// What a value says if it is a string.
pub(crate) fn text_of(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let raw = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    text(raw, raw.contains(&b'\\')).ok()
}

fn text(raw: &[u8], escaped: bool) -> Result<Cow<'_, [u8]>, Fault> {
    if !escaped {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    unescape(raw, &mut out)?;
    Ok(Cow::Owned(out))
}
