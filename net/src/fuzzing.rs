//! What bytes are to a protocol: for fuzz targets.

use bytes::BufMut as _;

use crate::{input::Input, protocol::Protocol};

/// Reads bytes that come in pieces of these lengths, over and over. Returns what came out, as text, and whether the bytes could
/// be followed to their end.
pub fn events<P: Protocol>(mut protocol: P, bytes: &[u8], pieces: &[u8]) -> (Vec<String>, bool) {
    let (mut input, mut found, mut rest) = (Input::default(), Vec::new(), bytes);
    let mut lengths = pieces.iter().map(|piece| usize::from(*piece).max(1)).cycle();
    while !rest.is_empty() {
        let mut room = input.room();
        let piece = lengths.next().unwrap_or(rest.len()).min(rest.len()).min(room.remaining_mut());
        room.put_slice(&rest[..piece]);
        rest = &rest[piece..];
        loop {
            match protocol.read(&mut input) {
                Ok(Some(event)) => found.push(format!("{event:?}")),
                Ok(None) => break,
                Err(_) => return (found, false),
            }
        }
    }
    (found, true)
}
