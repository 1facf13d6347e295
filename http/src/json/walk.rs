//! The reader: one loop over a text, which tells a [`Visit`] what it sees.

use super::{
    Fault,
    lex::{literal, number, space, string},
};

/// The deepest nesting that is ever followed: a bit for each level.
const MOST: usize = 1024;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    False,
    True,
    Number,
    /// With escapes in it, or without.
    Text {
        escaped: bool,
    },
    Array,
    Object,
}

/// Told what is in a text, in its order. Positions are in bytes from the beginning; those of strings leave the quotes out.
pub(crate) trait Visit {
    fn name(&mut self, start: usize, end: usize, escaped: bool) -> Result<(), Fault>;
    fn scalar(&mut self, kind: Kind, start: usize, end: usize) -> Result<(), Fault>;
    fn open(&mut self, kind: Kind, at: usize);
    fn close(&mut self, end: usize);
}

/// Nobody: for skipping.
pub(crate) struct Nobody;

impl Visit for Nobody {
    #[inline]
    fn name(&mut self, _: usize, _: usize, _: bool) -> Result<(), Fault> {
        Ok(())
    }
    #[inline]
    fn scalar(&mut self, _: Kind, _: usize, _: usize) -> Result<(), Fault> {
        Ok(())
    }
    #[inline]
    fn open(&mut self, _: Kind, _: usize) {}
    #[inline]
    fn close(&mut self, _: usize) {}
}

/// Which of the containers around the current place are objects.
struct Around {
    bits: [u64; MOST / 64],
    depth: usize,
    limit: usize,
}

impl Around {
    fn push(&mut self, object: bool) -> Result<(), Fault> {
        if self.depth == self.limit {
            return Err(Fault::TooDeep { limit: self.limit });
        }
        let bit = 1 << (self.depth % 64);
        let word = &mut self.bits[self.depth / 64];
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
        Ok(())
    }

    fn in_object(&self) -> bool {
        let last = self.depth - 1;
        self.bits[last / 64] & 1 << (last % 64) != 0
    }
}

/// Reads the value that begins at `at`, white space before it included, and returns where it ends.
#[inline]
pub(crate) fn walk(
    bytes: &[u8],
    mut at: usize,
    max_depth: usize,
    visit: &mut impl Visit,
) -> Result<usize, Fault> {
    let mut around = Around { bits: [0; MOST / 64], depth: 0, limit: max_depth.min(MOST) };
    loop {
        at = space(bytes, at);
        match bytes.get(at) {
            Some(b'{') => {
                around.push(true)?;
                visit.open(Kind::Object, at);
                at = space(bytes, at + 1);
                if bytes.get(at) != Some(&b'}') {
                    at = name(bytes, at, visit)?;
                    continue;
                }
            }
            Some(b'[') => {
                around.push(false)?;
                visit.open(Kind::Array, at);
                at = space(bytes, at + 1);
                if bytes.get(at) != Some(&b']') {
                    continue;
                }
            }
            _ => at = scalar(bytes, at, visit)?,
        }
        // Behind a value, or at the end of an empty container.
        loop {
            if around.depth == 0 {
                return Ok(at);
            }
            at = space(bytes, at);
            match (bytes.get(at), around.in_object()) {
                (Some(b','), true) => {
                    at = name(bytes, space(bytes, at + 1), visit)?;
                    break;
                }
                (Some(b','), false) => {
                    at += 1;
                    break;
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    around.depth -= 1;
                    at += 1;
                    visit.close(at);
                }
                _ => return Err(Fault::Syntax { at }),
            }
        }
    }
}

#[inline]
fn scalar(bytes: &[u8], at: usize, visit: &mut impl Visit) -> Result<usize, Fault> {
    let (kind, end) = match bytes.get(at) {
        Some(b'"') => {
            let (end, escaped) = string(bytes, at + 1)?;
            visit.scalar(Kind::Text { escaped }, at + 1, end)?;
            return Ok(end + 1);
        }
        Some(b'-' | b'0'..=b'9') => (Kind::Number, number(bytes, at)?),
        Some(b't') => (Kind::True, literal(bytes, at, b"true")?),
        Some(b'f') => (Kind::False, literal(bytes, at, b"false")?),
        Some(b'n') => (Kind::Null, literal(bytes, at, b"null")?),
        _ => return Err(Fault::Syntax { at }),
    };
    visit.scalar(kind, at, end)?;
    Ok(end)
}

/// A name and its colon.
#[inline]
fn name(bytes: &[u8], at: usize, visit: &mut impl Visit) -> Result<usize, Fault> {
    if bytes.get(at) != Some(&b'"') {
        return Err(Fault::Syntax { at });
    }
    let (end, escaped) = string(bytes, at + 1)?;
    visit.name(at + 1, end, escaped)?;
    let at = space(bytes, end + 1);
    if bytes.get(at) == Some(&b':') { Ok(at + 1) } else { Err(Fault::Syntax { at }) }
}
