//! Replies, as lines say them.

use std::sync::Arc;

use larder_net::{Failure, decimal, shown};

use super::Value;

/// A reply of the server's, or one part of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The bytes of a value.
    Value(Value),
    /// Nothing.
    Nil,
    /// Nothing, or what is no value, said by a command for several keys.
    NilAmongOthers,
    /// `OK`.
    Done,
    /// A number.
    Number(i64),
    /// An error's line, without its mark.
    Refused(Arc<str>),
}

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    Reply(Reply),
    /// A value of this length follows.
    Value(u64),
    /// These many replies follow.
    Parts(usize),
}

/// What a line may begin with.
pub(super) const MARKS: &[u8] = b"+-:$*_";

/// Reads a line without its end.
pub(super) fn parse(line: &[u8]) -> Result<Line, Failure> {
    let Some((mark, rest)) = line.split_first() else { return Err(unknown(line)) };
    Ok(match (mark, rest) {
        (b'$' | b'*', b"-1") | (b'_', b"") => Line::Reply(Reply::Nil),
        (b'$', _) => Line::Value(decimal(rest).ok_or_else(|| unknown(line))?),
        (b'+', b"OK") => Line::Reply(Reply::Done),
        (b':', _) => Line::Reply(Reply::Number(number(rest).ok_or_else(|| unknown(line))?)),
        (b'-', _) => Line::Reply(Reply::Refused(String::from_utf8_lossy(rest).into())),
        (b'*', _) => {
            let parts = decimal(rest).and_then(|parts| usize::try_from(parts).ok());
            Line::Parts(parts.ok_or_else(|| unknown(line))?)
        }
        _ => return Err(unknown(line)),
    })
}

fn number(digits: &[u8]) -> Option<i64> {
    match digits.strip_prefix(b"-") {
        Some(digits) => 0_i64.checked_sub_unsigned(decimal(digits)?),
        None => i64::try_from(decimal(digits)?).ok(),
    }
}

/// Only the mark is repeated: what follows may be a part of a value.
pub(super) fn unknown(line: &[u8]) -> Failure {
    let mark = &line[..line.len().min(1)];
    Failure::protocol(format!("the server's reply begins with {}, as no reply of Redis does", shown(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_their_ends() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("--1", None),
            ("", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_reply_is_not_shown() {
        let failure = parse(b"hunter2").unwrap_err();
        assert!(!failure.to_string().contains("unter2"), "{failure}");
    }
}
