//! Replies out of a stream of bytes, however it is cut.

use bytes::{Buf as _, BufMut as _, BytesMut, buf::Limit};
use larder_core::ErrorKind;

use super::reply::{self, Framed, Line, Mark, Reply};
use crate::error::Failure;

/// What is read from the socket at once: with values of 1 KiB, some 60 replies. As long as one of its values is
/// kept, all of it is.
pub(crate) const CHUNK: usize = 64 * 1024;
/// The least room that is worth asking the kernel for.
const LEAST_ROOM: usize = 4 * 1024;
/// A value of at least so many bytes that has not come whole gets an allocation of its own, into which the
/// socket is read.
const OWN: usize = CHUNK / 2;
/// Longer than any reply line of any version; error texts are below 200 bytes.
const MAX_LINE: usize = 2048;

/// Turns what was read into replies.
///
/// It holds at most one chunk, one line and one value, and a value is only given room once its length was
/// found to be within the limit.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    scanned: usize,
    value: Option<Value>,
    max_value: u64,
}

/// A value whose line has been read.
#[derive(Debug)]
struct Value {
    len: usize,
    opaque: Option<u32>,
    cas: u64,
    mark: Mark,
    /// Where a large value is gathered, with its line end.
    own: Option<BytesMut>,
}

impl Decoder {
    /// Takes values of at most so many bytes.
    pub(crate) fn new(max_value: u64) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, value: None, max_value }
    }

    /// Where to put what comes next: never empty.
    pub(crate) fn room(&mut self) -> Limit<&mut BytesMut> {
        if let Some(Value { len, own: Some(own), .. }) = &mut self.value {
            let missing = *len + 2 - own.len();
            return own.limit(missing);
        }
        if self.buffer.capacity() - self.buffer.len() < LEAST_ROOM {
            self.buffer.reserve(CHUNK);
        }
        let room = self.buffer.capacity() - self.buffer.len();
        (&mut self.buffer).limit(room)
    }

    /// The next reply, or `None` until more has come.
    ///
    /// # Errors
    /// Why nothing that follows can be trusted.
    pub(crate) fn next(&mut self) -> Result<Option<Framed>, Failure> {
        if self.value.is_none() {
            match self.line()? {
                None => return Ok(None),
                Some(Line::Reply(framed)) => return Ok(Some(framed)),
                Some(Line::Value { len, opaque, cas, mark }) => self.begin_value(len, opaque, cas, mark)?,
            }
        }
        self.value()
    }

    fn line(&mut self) -> Result<Option<Line>, Failure> {
        let Some(end) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.buffer.len();
            if self.scanned > MAX_LINE {
                return Err(too_long());
            }
            return Ok(None);
        };
        let end = self.scanned + end;
        if end > MAX_LINE {
            return Err(too_long());
        }
        let Some(line) = self.buffer[..end].strip_suffix(b"\r") else {
            return Err(Failure::new(ErrorKind::Protocol, "a line of the server's ends without \\r"));
        };
        let line = reply::parse(line);
        self.buffer.advance(end + 1);
        self.scanned = 0;
        line.map(Some)
    }

    fn begin_value(&mut self, len: u64, opaque: Option<u32>, cas: u64, mark: Mark) -> Result<(), Failure> {
        let fits = usize::try_from(len).ok().filter(|_| len <= self.max_value);
        let Some(len) = fits else {
            let message = format!(
                "the server announces a value of {len} bytes, more than the {} it may store",
                self.max_value
            );
            return Err(Failure::new(ErrorKind::Protocol, message));
        };
        let own = (len >= OWN && self.buffer.len() < len + 2).then(|| {
            let mut own = BytesMut::with_capacity(len + 2);
            own.put_slice(&self.buffer);
            self.buffer.clear();
            own
        });
        self.value = Some(Value { len, opaque, cas, mark, own });
        Ok(())
    }

    fn value(&mut self) -> Result<Option<Framed>, Failure> {
        let Some(Value { len, opaque, cas, mark, own }) = &mut self.value else { return Ok(None) };
        let (len, whole) = (*len, *len + 2);
        let has_come = own.as_ref().unwrap_or(&self.buffer);
        if has_come.len() < whole {
            if own.is_none() {
                self.buffer.reserve(whole - self.buffer.len());
            }
            return Ok(None);
        }
        if &has_come[len..whole] != b"\r\n" {
            return Err(Failure::new(
                ErrorKind::Protocol,
                "a value of the server's is not as long as it says",
            ));
        }
        let bytes = if let Some(mut own) = own.take() {
            own.truncate(len);
            own.freeze()
        } else {
            let bytes = self.buffer.split_to(len).freeze();
            self.buffer.advance(2);
            bytes
        };
        let framed = Framed { opaque: *opaque, reply: Reply::Value { bytes, cas: *cas, mark: *mark } };
        self.value = None;
        Ok(Some(framed))
    }
}

fn too_long() -> Failure {
    Failure::new(ErrorKind::Protocol, format!("a line of the server's is longer than {MAX_LINE} bytes"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 200_000;

    /// What a stream gives when it comes in pieces of these lengths, over and over.
    fn decode(stream: &[u8], pieces: &[usize]) -> (Vec<Framed>, Option<ErrorKind>) {
        let mut decoder = Decoder::new(LIMIT);
        let mut replies = Vec::new();
        let mut rest = stream;
        let mut pieces = pieces.iter().cycle();
        loop {
            loop {
                match decoder.next() {
                    Ok(Some(framed)) => replies.push(framed),
                    Ok(None) => break,
                    Err(failure) => return (replies, Some(failure.kind())),
                }
            }
            assert!(decoder.held() <= 2 * CHUNK + LIMIT as usize + 2, "{}", decoder.held());
            if rest.is_empty() {
                return (replies, None);
            }
            let mut piece = (*pieces.next().unwrap()).clamp(1, rest.len());
            while piece > 0 {
                let mut room = decoder.room();
                let fits = piece.min(room.remaining_mut());
                assert!(fits > 0);
                room.put_slice(&rest[..fits]);
                rest = &rest[fits..];
                piece -= fits;
                if piece > 0 {
                    // As after every read of a socket.
                    match decoder.next() {
                        Ok(Some(framed)) => replies.push(framed),
                        Ok(None) => {}
                        Err(failure) => return (replies, Some(failure.kind())),
                    }
                }
            }
        }
    }

    impl Decoder {
        fn held(&self) -> usize {
            let own = self.value.as_ref().and_then(|value| value.own.as_ref());
            self.buffer.capacity() + own.map_or(0, BytesMut::capacity)
        }
    }

    fn value(opaque: u32, bytes: impl Into<Bytes>) -> Framed {
        let reply = Reply::Value { bytes: bytes.into(), cas: 0, mark: Mark::default() };
        Framed { opaque: Some(opaque), reply }
    }

    #[test]
    fn a_value_may_look_like_replies() {
        let stream = b"VA 20 O1\r\n\r\nEND\r\nHD O2\r\nERROR\r\r\nEN O2\r\n";
        let expected = vec![
            value(1, &b"\r\nEND\r\nHD O2\r\nERROR\r"[..]),
            Framed { opaque: Some(2), reply: Reply::Absent },
        ];
        for piece in 1..stream.len() {
            let (replies, failure) = decode(stream, &[piece]);
            assert_eq!(failure, None);
            assert_eq!(replies.len(), expected.len(), "{piece}");
            assert!(replies == expected, "{piece}");
        }
    }

    #[test]
    fn values_of_every_size_come_out_as_they_went_in() {
        let sizes = [0, 1, 1000, OWN - 1, OWN, CHUNK - 2, CHUNK, CHUNK + 1, LIMIT as usize];
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (opaque, size) in (0..).zip(sizes) {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            stream.extend_from_slice(format!("VA {size} O{opaque:x}\r\n").as_bytes());
            stream.extend_from_slice(&bytes);
            stream.extend_from_slice(b"\r\n");
            expected.push(value(opaque, bytes));
        }
        for pieces in [&[1][..], &[7], &[4096], &[CHUNK], &[usize::MAX], &[1, 100_000, 13]] {
            let (replies, failure) = decode(&stream, pieces);
            assert_eq!(failure, None);
            assert!(replies == expected, "{pieces:?}");
        }
    }

    #[test]
    fn a_large_value_is_refused_before_it_has_room() {
        let mut decoder = Decoder::new(LIMIT);
        for len in [LIMIT + 1, u64::from(u32::MAX), u64::MAX] {
            decoder.buffer.clear();
            decoder.room().put_slice(format!("VA {len} O1\r\n").as_bytes());
            assert_eq!(decoder.next().unwrap_err().kind(), ErrorKind::Protocol);
            assert!(decoder.held() <= 2 * CHUNK);
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        assert_eq!(decode(&vec![b'H'; MAX_LINE + 1], &[100]), (Vec::new(), Some(ErrorKind::Protocol)));
        assert_eq!(decode(&vec![b'H'; 1 << 20], &[usize::MAX]), (Vec::new(), Some(ErrorKind::Protocol)));
    }

    #[test]
    fn a_value_is_not_copied() {
        let mut decoder = Decoder::new(LIMIT);
        decoder.room().put_slice(b"VA 3 O1\r\nabc\r\nHD O2\r\n");
        let read = decoder.buffer.as_ptr_range();
        let Some(Framed { reply: Reply::Value { bytes, .. }, .. }) = decoder.next().unwrap() else {
            panic!()
        };
        assert!(read.contains(&bytes.as_ptr()));

        decoder.next().unwrap().unwrap();
        decoder.room().put_slice(b"VA 100000 O3\r\nbegin");
        assert_eq!(decoder.next().unwrap(), None);
        let own = decoder.value.as_ref().unwrap().own.as_ref().unwrap().as_ptr();
        decoder.room().put_slice(&vec![b'x'; 100_000 - 5]);
        decoder.room().put_slice(b"\r\n");
        let Some(Framed { reply: Reply::Value { bytes, .. }, .. }) = decoder.next().unwrap() else {
            panic!()
        };
        assert_eq!((bytes.as_ptr(), bytes.len()), (own, 100_000));
    }

    /// Bytes that are often nearly a reply.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just(b"HD O1\r\n".to_vec()),
            Just(b"EN\r\n".to_vec()),
            Just(b"NF O2 \r\n".to_vec()),
            Just(b"SERVER_ERROR object too large for cache\r\n".to_vec()),
            Just(b"VA 5 O1 c3 W X\r\nab\r\nc\r\n".to_vec()),
            Just(b"VA 99999999999999999999 O1\r\n".to_vec()),
            Just(b"VA 70000 O1\r\n".to_vec()),
            "[A-Z]{0,3} ?[0-9]{0,6} ?[OcWX]?[0-9a-f]{0,10}\r?\n?".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..300),
            (0_usize..100_000).prop_map(|len| {
                let mut value = format!("VA {len} Oa\r\n").into_bytes();
                value.resize(value.len() + len, b'v');
                value.extend_from_slice(b"\r\n");
                value
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
            let whole = decode(&stream, &[usize::MAX]);
            let cut = decode(&stream, &pieces);
            prop_assert!(whole == cut, "{:?} {:?}", whole.1, cut.1);
        }
    }
}
