//! As much of Redis's protocol, RESP2, as an operator needs: one command, one answer.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};

use crate::address::Stream;

/// Redis's answer to a command. `Display` shows it as text, a list as one element per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing there.
    Nil,
    /// A number.
    Integer(i64),
    /// A value, or a status such as `OK`.
    Bytes(Vec<u8>),
    /// Several answers.
    List(Vec<Reply>),
    /// Redis refused; seen only inside lists, since [`command`](super::RedisServer::command) panics otherwise.
    Error(String),
}

impl Reply {
    /// The number, if the answer is one.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The bytes, if the answer is a value or a status.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The answers in a list; none if the answer is not a list.
    pub fn list(&self) -> &[Reply] {
        match self {
            Self::List(replies) => replies,
            _ => &[],
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("(nil)"),
            Self::Integer(number) => number.fmt(f),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).fmt(f),
            Self::Error(message) => f.write_str(message),
            Self::List(replies) => {
                for (index, reply) in replies.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "\n" };
                    write!(f, "{separator}{reply}")?;
                }
                Ok(())
            }
        }
    }
}

pub(super) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub(super) fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            let argument = argument.as_ref();
            request.extend(format!("${}\r\n", argument.len()).into_bytes());
            request.extend(argument);
            request.extend(b"\r\n");
        }
        self.stream.get_mut().write_all(&request)?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        // The server's first byte is ASCII, or it is no Redis.
        let Some((kind, rest)) = line.split_at_checked(1) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match kind {
            "+" => Ok(Reply::Bytes(rest.into())),
            "-" => Ok(Reply::Error(rest.into())),
            ":" => Ok(Reply::Integer(rest.parse().map_err(io::Error::other)?)),
            "$" | "*" if rest == "-1" => Ok(Reply::Nil),
            "$" => {
                let length: usize = rest.parse().map_err(io::Error::other)?;
                let mut bytes = vec![0; length + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Ok(Reply::Bytes(bytes))
            }
            "*" => {
                let length: usize = rest.parse().map_err(io::Error::other)?;
                (0..length).map(|_| self.reply()).collect::<io::Result<_>>().map(Reply::List)
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn read(bytes: &[u8]) -> io::Result<Reply> {
        Connection::new(Box::new(Cursor::new(bytes.to_vec()))).reply()
    }

    #[test]
    fn every_kind_of_answer() {
        let answer = read(b"*5\r\n$3\r\na\r\n\r\n:-7\r\n$-1\r\n-ERR no\r\n*1\r\n+OK\r\n").unwrap();
        let expected = [
            Reply::Bytes(b"a\r\n".into()),
            Reply::Integer(-7),
            Reply::Nil,
            Reply::Error("ERR no".into()),
            Reply::List(vec![Reply::Bytes(b"OK".into())]),
        ];
        assert_eq!(answer.list(), expected);
        assert_eq!(answer.to_string(), "a\r\n\n-7\n(nil)\nERR no\nOK");
    }

    #[test]
    fn half_an_answer_is_an_error() {
        for bytes in ["", "+O", "$3\r\nab", "*2\r\n:1\r\n", "\r\n", "?\r\n", "$x\r\n"] {
            assert!(read(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }
}
