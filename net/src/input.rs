//! What has come from a server, however it was cut: lines of bounded length, and bodies whose length was announced.

use std::ops::Range;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut, buf::Limit};

use crate::failure::Failure;

/// What is read from the socket at once: with values of 1 KiB, some 60 replies. As long as one of its values is kept, all of
/// it is.
const CHUNK: usize = 64 * 1024;
/// The least room that is worth asking the kernel for.
const LEAST_ROOM: usize = 4 * 1024;
/// A body of at least this many bytes that has not come whole gets an allocation of its own, into which the socket is read.
const OWN: usize = CHUNK / 2;
/// How much room a body has at first; it doubles as the body comes.
const AT_ONCE: usize = 8 * 1024 * 1024;

/// Bytes that have come and are not taken yet.
///
/// It holds at most one chunk, one line and one body, and a body is given room only once its length was found to be within
/// the limit.
#[derive(Debug, Default)]
pub struct Input {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
    body: Option<Body>,
}

/// A body that was announced.
#[derive(Debug)]
struct Body {
    len: usize,
    /// Where a large one is collected, with its line end.
    own: Option<BytesMut>,
}

impl Input {
    /// Whether nothing waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.body.is_none()
    }

    /// The first byte of what waits to be taken, outside a body.
    #[inline]
    pub fn first(&self) -> Option<u8> {
        self.buffer.first().copied()
    }

    /// How many bytes of an announced body have come.
    pub(crate) fn begun_body(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.own.as_ref().unwrap_or(&self.buffer).len())
    }

    /// Where to put what comes next: never empty.
    pub fn room(&mut self) -> Limit<&mut BytesMut> {
        if let Some(Body { len, own: Some(own) }) = &mut self.body {
            let missing = *len + 2 - own.len();
            if own.len() == own.capacity() {
                own.reserve(missing.min(own.len()));
            }
            return own.limit(missing);
        }
        if self.buffer.capacity() - self.buffer.len() < LEAST_ROOM {
            self.buffer.reserve(CHUNK);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        (&mut self.buffer).limit(room)
    }

    /// Takes a line that ends with `\r\n` and is no longer than this, and reads it without its end; `None` until all of it
    /// has come.
    ///
    /// # Errors
    /// The line is longer, or ends in another way.
    #[inline]
    pub fn line<T>(&mut self, longest: usize, read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Failure> {
        let Some(end) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.buffer.len();
            return if self.scanned > longest { Err(too_long(longest)) } else { Ok(None) };
        };
        let end = self.scanned + end;
        if end > longest {
            return Err(too_long(longest));
        }
        let Some(line) = self.buffer[..end].strip_suffix(b"\r") else {
            return Err(Failure::protocol("a line from the server does not end in \\r\\n"));
        };
        let read = read(line);
        self.buffer.advance(end + 1);
        self.scanned = 0;
        Ok(Some(read))
    }

    /// Says that a body of this length follows, with a line end after it.
    ///
    /// # Errors
    /// It is longer than the limit. Nothing was allocated for it.
    pub fn begin_body(&mut self, len: u64, limit: u64) -> Result<(), Failure> {
        let Some(len) = usize::try_from(len).ok().filter(|_| len <= limit) else {
            let message =
                format!("the server announced a value of {len} bytes; at most {limit} are accepted");
            return Err(Failure::protocol(message));
        };
        let own = (len >= OWN && self.buffer.len() < len + 2).then(|| {
            // All of it at once only as far as it is usual: the length is what the server says.
            let mut own = BytesMut::with_capacity((len + 2).min(AT_ONCE).max(self.buffer.len()));
            own.put_slice(&self.buffer);
            self.buffer.clear();
            own
        });
        self.body = Some(Body { len, own });
        Ok(())
    }

    /// Takes the body that was announced, not copied; `None` until all of it has come.
    ///
    /// # Errors
    /// It does not end where it should.
    #[inline]
    pub fn body(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(Body { len, own }) = &mut self.body else { return Ok(None) };
        let (len, whole) = (*len, *len + 2);
        let has_come = own.as_ref().unwrap_or(&self.buffer);
        if has_come.len() < whole {
            if own.is_none() {
                self.buffer.reserve(whole - self.buffer.len());
            }
            return Ok(None);
        }
        if &has_come[len..whole] != b"\r\n" {
            return Err(Failure::protocol("a value from the server is not as long as announced"));
        }
        let bytes = if let Some(mut own) = own.take() {
            own.truncate(len);
            own.freeze()
        } else {
            let bytes = self.buffer.split_to(len).freeze();
            self.buffer.advance(2);
            bytes
        };
        self.body = None;
        Ok(Some(bytes))
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        let own = self.body.as_ref().and_then(|body| body.own.as_ref());
        self.buffer.capacity() + own.map_or(0, BytesMut::capacity)
    }
}

fn too_long(longest: usize) -> Failure {
    Failure::protocol(format!("a line from the server is longer than {longest} bytes"))
}

/// A part of a reply that is kept for longer than the reply: in an allocation of its own if it would keep alive more than four
/// times its size of what was read together with it. Copying here, on the caller's thread, and not in the driver, spreads the
/// work; it costs a few percent of a read at most.
///
/// # Panics
/// If there is no such part.
pub fn on_its_own(bytes: &Bytes, part: Range<usize>) -> Bytes {
    if part.len() < CHUNK / 4 { Bytes::copy_from_slice(&bytes[part]) } else { bytes.slice(part) }
}

/// Decimal digits and nothing else; `None` as well for what does not fit into 64 bits.
#[inline]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Text of a server for a message: short, and printable whatever it is.
pub fn shown(text: &[u8]) -> String {
    const LONGEST: usize = 80;
    let dots = if text.len() > LONGEST { "…" } else { "" };
    format!("\"{}{dots}\"", text[..text.len().min(LONGEST)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use larder_core::ErrorKind;
    use proptest::prelude::*;

    use super::*;

    const LEN: usize = 200_000;
    const LIMIT: u64 = LEN as u64;

    /// A toy protocol: lines, of which `$n` announces a body.
    #[derive(Debug, PartialEq)]
    enum Item {
        Line(Vec<u8>),
        Body(Bytes),
    }

    fn next(input: &mut Input) -> Result<Option<Item>, Failure> {
        if input.body.is_none() {
            let line = input.line(2048, |line| match line.strip_prefix(b"$").and_then(decimal) {
                Some(len) => Err(len),
                None => Ok(Item::Line(line.to_vec())),
            })?;
            match line {
                None => return Ok(None),
                Some(Ok(item)) => return Ok(Some(item)),
                Some(Err(len)) => input.begin_body(len, LIMIT)?,
            }
        }
        Ok(input.body()?.map(Item::Body))
    }

    /// What a stream gives when it comes in pieces of these lengths, over and over.
    fn items(stream: &[u8], pieces: &[usize]) -> (Vec<Item>, Option<ErrorKind>) {
        let (mut input, mut found, mut rest) = (Input::default(), Vec::new(), stream);
        let mut pieces = pieces.iter().cycle();
        let mut piece = 0;
        loop {
            loop {
                match next(&mut input) {
                    Ok(Some(item)) => found.push(item),
                    Ok(None) => break,
                    Err(failure) => return (found, Some(failure.kind())),
                }
            }
            assert!(input.held() <= 2 * CHUNK + LEN + 2, "{}", input.held());
            if rest.is_empty() {
                return (found, None);
            }
            if piece == 0 {
                piece = (*pieces.next().unwrap()).clamp(1, rest.len());
            }
            let mut room = input.room();
            let fits = piece.min(room.remaining_mut()).min(rest.len());
            assert!(fits > 0);
            room.put_slice(&rest[..fits]);
            rest = &rest[fits..];
            piece -= fits;
        }
    }

    #[test]
    fn a_body_may_look_like_lines_and_is_not_copied() {
        let mut input = Input::default();
        input.room().put_slice(b"$8\r\n\r\nEND\r\n$\r\n+OK\r\n");
        let read = input.buffer.as_ptr_range();
        let Some(Item::Body(body)) = next(&mut input).unwrap() else { panic!() };
        assert_eq!(body, &b"\r\nEND\r\n$"[..]);
        assert!(read.contains(&body.as_ptr()));
        assert_eq!(next(&mut input).unwrap(), Some(Item::Line(b"+OK".to_vec())));
        assert!(input.is_empty());

        input.room().put_slice(b"$100000\r\nbegin");
        assert_eq!(next(&mut input).unwrap(), None);
        assert_eq!(input.begun_body(), 5);
        let own = input.body.as_ref().unwrap().own.as_ref().unwrap().as_ptr();
        input.room().put_slice(&vec![b'x'; 100_000 - 5]);
        input.room().put_slice(b"\r\n");
        let Some(Item::Body(body)) = next(&mut input).unwrap() else { panic!() };
        assert_eq!((body.as_ptr(), body.len()), (own, 100_000));
    }

    #[test]
    fn bodies_of_every_size_come_out_as_they_went_in() {
        let sizes = [0, 1, 1000, OWN - 1, OWN, CHUNK - 2, CHUNK, CHUNK + 1, LEN];
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for size in sizes {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            stream.extend_from_slice(format!("${size}\r\n").as_bytes());
            stream.extend_from_slice(&bytes);
            stream.extend_from_slice(b"\r\n");
            expected.push(Item::Body(bytes.into()));
        }
        for pieces in [&[1][..], &[7], &[4096], &[CHUNK], &[usize::MAX], &[1, 100_000, 13]] {
            let (found, failure) = items(&stream, pieces);
            assert_eq!(failure, None);
            assert!(found == expected, "{pieces:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_has_room() {
        for len in [LIMIT + 1, 999_999_999, u64::MAX] {
            let mut input = Input::default();
            input.room().put_slice(format!("${len}\r\n").as_bytes());
            assert_eq!(next(&mut input).unwrap_err().kind(), ErrorKind::Protocol);
            assert!(input.held() <= 2 * CHUNK);
        }
        assert_eq!(items(&vec![b'H'; 2049], &[100]), (Vec::new(), Some(ErrorKind::Protocol)));
        assert_eq!(items(&vec![b'H'; 1 << 20], &[usize::MAX]), (Vec::new(), Some(ErrorKind::Protocol)));
        assert_eq!(items(b"$1\r\nab\r\n", &[100]), (Vec::new(), Some(ErrorKind::Protocol)));
        assert_eq!(items(b"line\n", &[100]), (Vec::new(), Some(ErrorKind::Protocol)));
    }

    #[test]
    fn a_short_value_keeps_no_chunk_alive_and_a_long_one_is_not_copied() {
        let chunk = Bytes::from(vec![0; CHUNK]);
        let whole = chunk.as_ptr_range();
        for (len, is_copied) in [(0, true), (1024, true), (CHUNK / 4 - 1, true), (CHUNK / 4, false)] {
            let value = on_its_own(&chunk, 1..len + 1);
            assert_eq!(!whole.contains(&value.as_ptr()), is_copied, "{len}");
            assert_eq!(value.len(), len);
        }
    }

    #[test]
    fn digits_and_nothing_else() {
        for (text, number) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1x", None),
        ] {
            assert_eq!(decimal(text.as_bytes()), number, "{text}");
        }
        let long = shown(&[b'\x1b'; 5000]);
        assert!(long.len() < 500 && long.chars().all(|c| !c.is_control()), "{long}");
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just(b"+OK\r\n".to_vec()),
            Just(b"$5\r\nab\r\nc\r\n".to_vec()),
            Just(b"$99999999999999999999\r\n".to_vec()),
            "[A-Z$]{0,3} ?[0-9]{0,6}\r?\n?".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..300),
            (0_usize..100_000).prop_map(|len| {
                let mut body = format!("${len}\r\n").into_bytes();
                body.resize(body.len() + len, b'v');
                body.extend_from_slice(b"\r\n");
                body
            }),
        ];
        proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn the_same_whatever_the_pieces_and_bounded_whatever_the_bytes(
            stream in stream(),
            pieces in proptest::collection::vec(prop_oneof![1_usize..50, 1_usize..100_000], 1..8),
        ) {
            let (whole, cut) = (items(&stream, &[usize::MAX]), items(&stream, &pieces));
            prop_assert!(whole == cut, "{:?} {:?}", whole.1, cut.1);
        }
    }
}
