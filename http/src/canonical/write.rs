//! From a tape to its canonical form, by a stack of its own.

use super::Order;
use crate::json::{
    Fault,
    tape::{Node, Tape},
    walk::Kind,
};

/// What the order of members means in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: they are sorted by name.
    Sorted,
    /// The members of this object, or of each object in this array, stay as they are. What is in them is asked about by its name.
    Members,
    /// Everything in the value stays as it is.
    All,
}

/// A container that is being written.
struct Frame {
    /// Where its children stand in the list of those to be written.
    next: usize,
    end: usize,
    /// Where that part of the list began.
    begin: usize,
    object: bool,
    keep: Keep,
}

pub(super) fn write(tape: &Tape<'_>, keep: Keep, order: Order) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(tape.raw(tape.node(0)).len());
    let mut frames: Vec<Frame> = Vec::with_capacity(16);
    let mut children: Vec<u32> = Vec::with_capacity(64);
    let mut next = Some((0, keep));
    loop {
        if let Some((index, keep)) = next.take() {
            let node = tape.node(index);
            if matches!(node.kind, Kind::Array | Kind::Object) {
                let object = node.kind == Kind::Object;
                let begin = children.len();
                children.extend(tape.children(index));
                if object {
                    arrange(tape, &mut children, begin, keep)?;
                }
                out.push(if object { b'{' } else { b'[' });
                frames.push(Frame { next: begin, end: children.len(), begin, object, keep });
            } else {
                scalar(tape, node, &mut out);
            }
        }
        let Some(frame) = frames.last_mut() else { return Ok(out) };
        if frame.next == frame.end {
            out.push(if frame.object { b'}' } else { b']' });
            children.truncate(frame.begin);
            frames.pop();
            continue;
        }
        if frame.next > frame.begin {
            out.push(b',');
        }
        let child = children[frame.next];
        frame.next += 1;
        let keep = if frame.object {
            let node = tape.node(child);
            text(tape.name(node), Tape::name_is_plain(node), &mut out);
            out.push(b':');
            if frame.keep == Keep::All { Keep::All } else { order(tape.name(node)) }
        } else {
            frame.keep
        };
        next = Some((child, keep));
    }
}

/// Puts the members from `begin` on in their order, and finds names that occur twice.
fn arrange(tape: &Tape<'_>, children: &mut [u32], begin: usize, keep: Keep) -> Result<(), Fault> {
    let name = |index: u32| tape.name(tape.node(index));
    let members = &mut children[begin..];
    if members.windows(2).all(|pair| name(pair[0]) < name(pair[1])) {
        return Ok(());
    }
    let mut kept = (keep != Keep::Sorted).then(|| members.to_vec());
    let sorted = kept.as_deref_mut().unwrap_or(members);
    sorted.sort_unstable_by(|&left, &right| name(left).cmp(name(right)));
    if sorted.windows(2).any(|pair| name(pair[0]) == name(pair[1])) {
        return Err(Fault::DuplicateName);
    }
    Ok(())
}

fn scalar(tape: &Tape<'_>, node: Node, out: &mut Vec<u8>) {
    match node.kind {
        Kind::Text { escaped } => text(tape.value(node), !escaped, out),
        _ => out.extend_from_slice(tape.value(node)),
    }
}

/// A string. What stood there without escapes needs none.
fn text(value: &[u8], plain: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    if plain {
        out.extend_from_slice(value);
    } else {
        for &byte in value {
            match byte {
                b'"' | b'\\' => out.extend([b'\\', byte]),
                0..0x20 => {
                    let digit = b"0123456789abcdef"[usize::from(byte & 15)];
                    out.extend([b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), digit]);
                }
                _ => out.push(byte),
            }
        }
    }
    out.push(b'"');
}
