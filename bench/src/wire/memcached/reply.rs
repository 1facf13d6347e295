//! Replies, as they arrive on the connection.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};

use super::Value;

/// One reply, or one value of a `get`.
pub(super) enum Reply {
    /// Of an `mg`.
    Value(Value),
    /// One of those of a `get`, with its key.
    Keyed(Bytes, Bytes),
    /// The end of a `get`.
    End,
    Stored,
}

/// Takes one reply from the input, if all of it has arrived.
pub(super) fn parse(input: &mut BytesMut) -> io::Result<Option<Reply>> {
    let Some(end) = input.iter().position(|&byte| byte == b'\r') else { return Ok(None) };
    let head = end + 2;
    if input.len() < head {
        return Ok(None);
    }
    let (key, digits) = match &input[..end] {
        b"EN" => return Ok(Some(plain(input, head, Reply::Value(None)))),
        b"HD" => return Ok(Some(plain(input, head, Reply::Stored))),
        b"END" => return Ok(Some(plain(input, head, Reply::End))),
        [b'V', b'A', b' ', digits @ ..] => (None, digits),
        [b'V', b'A', b'L', b'U', b'E', b' ', rest @ ..] => {
            let mut words = rest.split(|&byte| byte == b' ');
            let key = words.next().unwrap_or_default().len();
            // Between the two are the client's flags.
            (Some(key), words.nth(1).unwrap_or_default())
        }
        other => return Err(unexpected(&String::from_utf8_lossy(other))),
    };
    let length = length(digits).ok_or_else(|| unexpected("a length that is no number"))?;
    if input.len() < head + length + 2 {
        return Ok(None);
    }
    let key = key.map(|key| {
        input.advance(b"VALUE ".len());
        let text = input.split_to(key).freeze();
        input.advance(head - b"VALUE ".len() - key);
        text
    });
    if key.is_none() {
        input.advance(head);
    }
    let value = input.split_to(length).freeze();
    input.advance(2);
    Ok(Some(match key {
        Some(key) => Reply::Keyed(key, value),
        None => Reply::Value(Some(value)),
    }))
}

/// A reply that is only a line.
fn plain(input: &mut BytesMut, length: usize, reply: Reply) -> Reply {
    input.advance(length);
    reply
}

fn length(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.trim_end().parse().ok()
}

pub(super) fn unexpected(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("Memcached answered: {what}"))
}
