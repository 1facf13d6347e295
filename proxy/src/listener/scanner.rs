//! Where requests begin and end in the bytes of an HTTP/1.1 connection, read strictly (RFC 9112).
//!
//! It is a second opinion. The server reads the same bytes, and where this finds that another reader could see another
//! request in them, the server does not get to see them. So no request can be smuggled past the proxy in the body of
//! another: both lengths at once, a length twice, a line folded or ended by half, an encoding that is not just `chunked`.

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The line that a request begins with, or an empty one before it.
    RequestLine,
    /// A header field, or the empty line that ends them.
    Field,
    /// So many bytes of a body.
    Body(u64),
    /// The line with a chunk's size.
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line break after a chunk.
    ChunkEnd,
    /// A trailer field, or the empty line that ends them.
    Trailer,
    /// HTTP/2, which says where its frames end.
    Http2,
}

/// The longest line that is looked at as a whole, in bytes; of longer ones, the beginning.
const LINE: usize = 512;

/// Reads the bytes of one connection.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// The beginning of the line that is being read, without its end.
    line: Vec<u8>,
    /// How long that line is.
    length: usize,
    after_cr: bool,
    is_first: bool,
    empty_lines: u8,
    content_length: Option<u64>,
    chunked: bool,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            state: State::RequestLine,
            line: Vec::with_capacity(LINE),
            length: 0,
            after_cr: false,
            is_first: true,
            empty_lines: 0,
            content_length: None,
            chunked: false,
        }
    }

    /// Whether the first line has come.
    pub(super) fn has_begun(&self) -> bool {
        !self.is_first
    }

    /// Reads on. `Some(place)` is where it became clear that the bytes are not to be trusted: those before may be used.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut place = 0;
        while let Some(byte) = bytes.get(place) {
            let left = (bytes.len() - place) as u64;
            match self.state {
                State::Http2 => return None,
                State::Body(0) => self.begin(State::RequestLine),
                State::Chunk(0) => self.begin(State::ChunkEnd),
                State::Body(rest) => {
                    let skipped = rest.min(left);
                    self.state = State::Body(rest - skipped);
                    place += usize::try_from(skipped).unwrap_or(usize::MAX);
                }
                State::Chunk(rest) => {
                    let skipped = rest.min(left);
                    self.state = State::Chunk(rest - skipped);
                    place += usize::try_from(skipped).unwrap_or(usize::MAX);
                }
                _ => {
                    if self.byte(*byte).is_err() {
                        return Some(place);
                    }
                    place += 1;
                }
            }
        }
        None
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.line.clear();
        self.length = 0;
    }

    /// One byte of a line.
    fn byte(&mut self, byte: u8) -> Result<(), ()> {
        match (self.after_cr, byte) {
            (true, b'\n') => {
                self.after_cr = false;
                self.line_ends()
            }
            // Half a line break: some end a line there, and some do not.
            (true, _) | (false, b'\n' | 0) => Err(()),
            (false, b'\r') => {
                self.after_cr = true;
                Ok(())
            }
            (false, _) => {
                self.length = self.length.saturating_add(1);
                if self.line.len() < LINE {
                    self.line.push(byte);
                }
                // A folded line, at its first byte.
                let folds = self.length == 1 && matches!(byte, b' ' | b'\t');
                let is_wrong = match self.state {
                    State::Field | State::Trailer => folds,
                    // Nothing but a line break comes after a chunk.
                    State::ChunkEnd => true,
                    _ => false,
                };
                if is_wrong { Err(()) } else { Ok(()) }
            }
        }
    }

    fn line_ends(&mut self) -> Result<(), ()> {
        let is_empty = self.length == 0;
        let next = match self.state {
            State::RequestLine if is_empty => {
                self.empty_lines += 1;
                // RFC 9112, 2.2 allows for one that an old client has sent too many.
                if self.empty_lines > 2 {
                    return Err(());
                }
                State::RequestLine
            }
            State::RequestLine => self.request_line()?,
            State::Field if is_empty => self.head_ends(),
            State::Field => {
                self.field()?;
                State::Field
            }
            State::ChunkSize => self.chunk_size()?,
            State::ChunkEnd if is_empty => State::ChunkSize,
            State::ChunkEnd => return Err(()),
            State::Trailer if is_empty => State::RequestLine,
            State::Trailer => {
                self.split_field()?;
                State::Trailer
            }
            state @ (State::Body(_) | State::Chunk(_) | State::Http2) => state,
        };
        self.begin(next);
        Ok(())
    }

    fn request_line(&mut self) -> Result<State, ()> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        (self.empty_lines, self.content_length, self.chunked) = (0, None, false);
        if is_first && self.line == b"PRI * HTTP/2.0" {
            return Ok(State::Http2);
        }
        // One space each: what another reader makes of two is its own affair.
        let parts: Vec<&[u8]> = self.line.split(|byte| *byte == b' ').collect();
        let is_whole = self.length == self.line.len();
        match *parts.as_slice() {
            [method, target, version] if !method.is_empty() && !target.is_empty() => {
                if matches!(version, b"HTTP/1.1" | b"HTTP/1.0") { Ok(State::Field) } else { Err(()) }
            }
            // The end of a long line was not kept; the server looks at all of it.
            [method, target] if !is_whole && !method.is_empty() && !target.is_empty() => Ok(State::Field),
            _ => Err(()),
        }
    }

    /// The name and the value of the field that the line is, without the space around the value.
    fn split_field(&self) -> Result<(&[u8], &[u8]), ()> {
        let colon = self.line.iter().position(|byte| *byte == b':').ok_or(())?;
        let (name, value) = self.line.split_at(colon);
        if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
            return Err(());
        }
        Ok((name, value.get(1..).unwrap_or_default().trim_ascii()))
    }

    fn field(&mut self) -> Result<(), ()> {
        let is_whole = self.length == self.line.len();
        let (name, value) = self.split_field()?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if !is_whole || self.content_length.is_some() || self.chunked {
                return Err(());
            }
            self.content_length = Some(number(value, 10).ok_or(())?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") || self.content_length.is_some() || self.chunked {
                return Err(());
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn head_ends(&self) -> State {
        match (self.chunked, self.content_length) {
            (true, _) => State::ChunkSize,
            (false, Some(length)) if length > 0 => State::Body(length),
            _ => State::RequestLine,
        }
    }

    fn chunk_size(&self) -> Result<State, ()> {
        if self.length != self.line.len() {
            return Err(());
        }
        // What stands after the size has no meaning that anybody knows.
        let size = self.line.split(|byte| *byte == b';').next().unwrap_or_default();
        match number(size, 16).ok_or(())? {
            0 => Ok(State::Trailer),
            size => Ok(State::Chunk(size)),
        }
    }
}

/// Digits and nothing else, up to 2^63.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut number: u64 = 0;
    for byte in digits {
        let digit = char::from(*byte).to_digit(radix)?;
        number = number.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))?;
    }
    (number < 1 << 63).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it stops, however the bytes arrive.
    fn scan(text: &str) -> Option<usize> {
        let whole = Scanner::new().scan(text.as_bytes());
        let mut scanner = Scanner::new();
        let one_by_one = text.bytes().position(|byte| scanner.scan(&[byte]).is_some());
        assert_eq!(whole, one_by_one, "{text:?}");
        whole
    }

    fn with(fields: &str) -> String {
        format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    }

    #[test]
    fn what_is_in_order() {
        let get = with("");
        for text in [
            get.clone(),
            format!("\r\n{get}{get}"),
            format!("{}body{get}", with("Content-Length: 4\r\n")),
            format!("{}{get}", with("content-length:0\r\n")),
            format!(
                "{}4\r\nbody\r\n00;x=y\r\nTrailer: x\r\n\r\n{get}",
                with("Transfer-Encoding: Chunked\r\n")
            ),
            with(&format!("X: {}\r\n", "x".repeat(5000))),
            format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(5000)),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\n\r anything".to_owned(),
        ] {
            assert_eq!(scan(&text), None, "{text:?}");
        }
    }

    #[test]
    fn what_could_be_read_otherwise() {
        for fields in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "Content-Length: 4\r\nContent-Length: 4\r\n",
            "Content-Length: 4, 4\r\n",
            "Content-Length: +4\r\n",
            "Content-Length: 0x4\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: chunked\nX: y\r\n",
            "X: a\r\n folded\r\n",
            "X: a\r\n\tfolded\r\n",
            " X: a\r\n",
            "X: a\rY: b\r\n",
            "X\r\n",
            ": x\r\n",
            "X: \0\r\n",
        ] {
            assert!(scan(&with(fields)).is_some(), "{fields:?}");
        }
        for text in [
            "GET / HTTP/1.1\n\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1 \r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert!(scan(text).is_some(), "{text:?}");
        }
        // It is for the first line of a connection alone.
        assert!(scan(&format!("{}PRI * HTTP/2.0\r\n\r\n", with(""))).is_some());
    }

    #[test]
    fn chunks_that_could_be_read_otherwise() {
        for body in [
            "4\nbody",
            "4 \r\nbody",
            "-4\r\n",
            "\r\n",
            "4\r\nbodyX",
            "4\r\nbody\n",
            "fffffffffffffffff\r\n",
            "0\r\n X: y\r\n\r\n",
        ] {
            assert!(scan(&format!("{}{body}", with("Transfer-Encoding: chunked\r\n"))).is_some(), "{body:?}");
        }
    }

    #[test]
    fn a_request_in_a_body_is_a_body() {
        let inner = "GET /secret HTTP/1.1\nX\0";
        let length = format!("Content-Length: {}\r\n", inner.len());
        assert_eq!(scan(&format!("{}{inner}{}", with(&length), with(""))), None);
        let after = format!("{}{inner}X", with(&length));
        // What comes after it is a request again.
        assert_eq!(scan(&format!("{after}\n")), Some(after.len()));
    }
}
