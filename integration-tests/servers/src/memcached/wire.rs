//! As much of memcached's text protocol as an operator needs: some commands, and all that is answered to them.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};

use crate::address::Stream;

pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The text protocol's way (`doc/protocol.txt`, "Authentication"): a `set` whose value is `user password`.
    pub(super) fn authenticate(&mut self, credentials: &str) -> io::Result<()> {
        let request = format!("set auth 0 0 {}\r\n{credentials}\r\n", credentials.len());
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = Vec::new();
        match self.line(&mut line)? {
            b"STORED\r\n" => Ok(()),
            refusal => Err(io::Error::other(String::from_utf8_lossy(refusal).trim_end())),
        }
    }

    /// Sends the command, and `mn`, the command that does nothing: its answer is where the command's own answer ends,
    /// without having to know how each command ends.
    pub(super) fn call(&mut self, command: &[u8]) -> io::Result<Vec<u8>> {
        let request = [command, b"\r\nmn\r\n"].concat();
        self.stream.get_mut().write_all(&request)?;
        let mut answer = Vec::new();
        loop {
            let line = self.line(&mut answer)?;
            if line == b"MN\r\n" {
                answer.truncate(answer.len() - b"MN\r\n".len());
                return Ok(answer);
            }
            if let Some(length) = length_of_value(line) {
                // A value may hold anything, line ends and `MN` too; it is skipped by its length.
                let begun = answer.len();
                answer.resize(begun + length + b"\r\n".len(), 0);
                self.stream.read_exact(&mut answer[begun..])?;
            }
        }
    }

    /// Appends the next line, with its end, and returns it.
    fn line<'a>(&mut self, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let begun = buffer.len();
        self.stream.read_until(b'\n', buffer)?;
        if buffer.ends_with(b"\r\n") {
            Ok(&buffer[begun..])
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// The length of the value that follows the line: `VA <length> …` or `VALUE <key> <flags> <length> …`.
fn length_of_value(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    match words.next()? {
        "VA" => words.next()?.parse().ok(),
        "VALUE" => words.nth(2)?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_announces_its_length() {
        assert_eq!(length_of_value(b"VA 4 t-1\r\n"), Some(4));
        assert_eq!(length_of_value(b"VALUE key 0 12 99\r\n"), Some(12));
        for line in ["HD\r\n", "EN\r\n", "VALUE key\r\n", "VA\r\n", "\r\n"] {
            assert_eq!(length_of_value(line.as_bytes()), None, "{line:?}");
        }
    }
}
