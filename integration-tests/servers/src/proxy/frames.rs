//! Where a reply ends, in both protocols.

use super::Protocol;

/// Cuts what a server sends into replies.
#[derive(Debug)]
pub(super) struct Frames {
    protocol: Protocol,
    buffer: Vec<u8>,
    /// How much of the buffer has been given out.
    given: usize,
}

impl Frames {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, buffer: Vec::new(), given: 0 }
    }

    /// Adds what has come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.given);
        self.given = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole reply.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let rest = &self.buffer[self.given..];
        let length = match self.protocol {
            Protocol::Resp => resp(rest),
            Protocol::Meta => meta(rest),
        }?;
        let frame = rest.get(..length)?.to_vec();
        self.given += length;
        Some(frame)
    }
}

/// The line at the front without its end, and where the next one begins.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes[..end].trim_ascii_end(), end + 1))
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

/// The length of the reply at the front. What a line announces counts, whether it has come or not.
fn resp(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut missing) = (0_usize, 1_i64);
    while missing > 0 {
        let (line, length) = line(bytes.get(at..)?)?;
        at += length;
        missing -= 1;
        let Some((kind, rest)) = line.split_first() else { continue };
        let announced = number(rest).unwrap_or(0);
        match kind {
            b'$' | b'!' | b'=' if announced >= 0 => at += usize::try_from(announced).ok()? + 2,
            b'*' | b'~' | b'>' => missing += announced.max(0),
            b'%' => missing += 2 * announced.max(0),
            // An attribute, which the reply itself follows.
            b'|' => missing += 2 * announced.max(0) + 1,
            _ => {}
        }
    }
    Some(at)
}

/// The same for Memcached: a line, with a value if it announces one, or lines up to `END`.
fn meta(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let (line, length) = line(bytes.get(at..)?)?;
        at += length;
        let mut words = line.split(|byte| *byte == b' ');
        match words.next()? {
            b"VA" => return Some(at + usize::try_from(number(words.next()?)?).ok()? + 2),
            b"VALUE" => at += usize::try_from(number(words.nth(2)?)?).ok()? + 2,
            b"STAT" => {}
            _ => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(protocol: Protocol, stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut frames = Frames::new(protocol);
        let mut found = Vec::new();
        for piece in stream.chunks(piece) {
            frames.push(piece);
            found.extend(std::iter::from_fn(|| frames.next()));
        }
        found
    }

    #[test]
    fn replies_are_found_however_the_stream_is_cut() {
        let resp: &[&[u8]] = &[
            b"+OK\r\n",
            b"$4\r\n\r\nab\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*2\r\n$1\r\na\r\n*1\r\n:7\r\n",
            b"%1\r\n+key\r\n*2\r\n_\r\n#t\r\n",
            b"|1\r\n+ttl\r\n:1\r\n+value\r\n",
            b"-ERR no\r\n",
            b"*0\r\n",
        ];
        let meta: &[&[u8]] = &[
            b"VERSION 1.6.18\r\n",
            b"STAT a 1\r\nSTAT b 2\r\nEND\r\n",
            b"VA 5 O1 c2\r\n\r\nEND\r\n",
            b"HD O2\r\n",
            b"EN\r\n",
            b"VALUE k 0 4\r\nEND\r\r\nVALUE l 0 0\r\n\r\nEND\r\n",
            b"SERVER_ERROR out of memory storing object\r\n",
        ];
        for (protocol, replies) in [(Protocol::Resp, resp), (Protocol::Meta, meta)] {
            let stream = replies.concat();
            for piece in [1, 2, 3, 7, 100, 1000] {
                assert_eq!(cut(protocol, &stream, piece), replies, "{protocol:?}, pieces of {piece}");
            }
        }
    }
}
