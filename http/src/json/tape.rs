//! A text as a flat list of its values, in its order, each with its name and with where its part of the list ends.

use super::{
    Fault, Limits,
    lex::{space, unescape},
    walk::{Kind, Visit, walk},
};

/// A text that was read. Borrows from it; what has escapes is unescaped once.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    bytes: &'a [u8],
    unescaped: Vec<u8>,
    nodes: Vec<Node>,
}

/// A value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// For members of objects.
    name: Option<Slice>,
    /// The token without quotes; for containers, the brackets and what is between them.
    value: Slice,
    start: u32,
    end: u32,
    /// The index behind the last node in this one.
    pub(crate) after: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    start: u32,
    end: u32,
    unescaped: bool,
}

impl<'a> Tape<'a> {
    /// Reads a text that is one JSON value with nothing but white space around it. Names that occur twice are not noticed.
    pub(crate) fn read(bytes: &'a [u8], limits: Limits) -> Result<Self, Fault> {
        let limit = limits.max_bytes.min(small_limit());
        if bytes.len() > limit {
            return Err(Fault::TooLong { limit });
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(Fault::Syntax { at: error.valid_up_to() });
        }
        let mut writer = Writer {
            tape: Self { bytes, unescaped: Vec::new(), nodes: Vec::with_capacity(bytes.len() / 16 + 4) },
            open: Vec::new(),
            name: None,
        };
        let at = space(bytes, walk(bytes, 0, limits.max_depth, &mut writer)?);
        if at < bytes.len() { Err(Fault::Syntax { at }) } else { Ok(writer.tape) }
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn node(&self, index: u32) -> Node {
        self.nodes[index as usize]
    }

    /// The name of a member, unescaped; of anything else, nothing.
    #[inline]
    pub(crate) fn name(&self, node: Node) -> &[u8] {
        node.name.map_or(&[], |name| self.slice(name))
    }

    /// Whether the member's name contains no escapes, so that it may be written as it stands.
    pub(crate) fn name_is_plain(node: Node) -> bool {
        node.name.is_none_or(|name| !name.unescaped)
    }

    /// A string, unescaped; of any other scalar, its token.
    #[inline]
    pub(crate) fn value(&self, node: Node) -> &[u8] {
        self.slice(node.value)
    }

    /// The value as it stands, quotes included.
    pub(crate) fn raw(&self, node: Node) -> &'a [u8] {
        &self.bytes[node.start as usize..node.end as usize]
    }

    /// The indices of what stands directly in the container at `index`.
    pub(crate) fn children(&self, index: u32) -> impl Iterator<Item = u32> {
        let after = self.node(index).after;
        let mut next = index + 1;
        std::iter::from_fn(move || {
            let child = (next < after).then_some(next)?;
            next = self.node(child).after;
            Some(child)
        })
    }

    /// The member of that name in the object at `index`.
    pub(crate) fn member(&self, index: u32, name: &[u8]) -> Option<u32> {
        if self.node(index).kind != Kind::Object {
            return None;
        }
        self.children(index).find(|&child| self.name(self.node(child)) == name)
    }

    #[inline]
    fn slice(&self, slice: Slice) -> &[u8] {
        let bytes = if slice.unescaped { &self.unescaped } else { self.bytes };
        &bytes[slice.start as usize..slice.end as usize]
    }
}

impl Node {
    pub(crate) fn is_text(self) -> bool {
        matches!(self.kind, Kind::Text { .. })
    }
}

struct Writer<'a> {
    tape: Tape<'a>,
    open: Vec<u32>,
    name: Option<Slice>,
}

impl Writer<'_> {
    #[inline]
    fn slice(&mut self, start: usize, end: usize, escaped: bool) -> Result<Slice, Fault> {
        if !escaped {
            return Ok(Slice { start: small(start), end: small(end), unescaped: false });
        }
        let begin = self.tape.unescaped.len();
        unescape(&self.tape.bytes[start..end], &mut self.tape.unescaped)?;
        Ok(Slice { start: small(begin), end: small(self.tape.unescaped.len()), unescaped: true })
    }
}

impl Visit for Writer<'_> {
    #[inline]
    fn name(&mut self, start: usize, end: usize, escaped: bool) -> Result<(), Fault> {
        self.name = Some(self.slice(start, end, escaped)?);
        Ok(())
    }

    #[inline]
    fn scalar(&mut self, kind: Kind, start: usize, end: usize) -> Result<(), Fault> {
        let is_text = matches!(kind, Kind::Text { .. });
        let value = self.slice(start, end, kind == Kind::Text { escaped: true })?;
        let quote = usize::from(is_text);
        let after = small(self.tape.nodes.len() + 1);
        let (start, end) = (small(start - quote), small(end + quote));
        self.tape.nodes.push(Node { kind, name: self.name.take(), value, start, end, after });
        Ok(())
    }

    #[inline]
    fn open(&mut self, kind: Kind, at: usize) {
        self.open.push(small(self.tape.nodes.len()));
        let start = small(at);
        let name = self.name.take();
        self.tape.nodes.push(Node { kind, name, value: Slice::default(), start, end: start, after: 0 });
    }

    #[inline]
    fn close(&mut self, end: usize) {
        let after = small(self.tape.nodes.len());
        if let Some(node) = self.open.pop().and_then(|index| self.tape.nodes.get_mut(index as usize)) {
            node.end = small(end);
            node.after = after;
            node.value = Slice { start: node.start, end: node.end, unescaped: false };
        }
    }
}

fn small_limit() -> usize {
    usize::try_from(u32::MAX).unwrap_or(usize::MAX)
}

/// Positions fit: a text is at most [`small_limit`] long, and has no more values than bytes.
#[allow(clippy::cast_possible_truncation)]
#[inline]
fn small(position: usize) -> u32 {
    position as u32
}
