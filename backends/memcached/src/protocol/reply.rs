//! Reply lines, taken apart.

use bytes::Bytes;
use larder_core::{ErrorKind, error::Origin};
use larder_net::{Failure, decimal, shown};

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `VA`: the value, the number of the item's state (0 if it was not asked for), and what it is marked as.
    Value { bytes: Bytes, cas: u64, mark: Mark },
    /// All the values of a `get`, up to its `END`.
    Found(Found),
    /// `HD`: done.
    Done,
    /// `EN`, `NF`: there is no item.
    Absent,
    /// `NS`: not stored, since there is an item.
    NotStored,
    /// `EX`: not stored, since the item is in another state.
    Changed,
    /// `SERVER_ERROR` and a `CLIENT_ERROR` about the item: not done; the connection is in order.
    Refused(Refusal),
}

/// What other clients of the meta protocol may have made of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    /// `X`: somebody invalidated it softly (`md … I`).
    pub(crate) stale: bool,
    /// `W`, `Z`: somebody is to write it anew. With an empty value it is a placeholder of `mg … N`.
    pub(crate) claimed: bool,
}

/// Values with their keys, in the order of the keys that were asked for, without those that are not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// The keys, one after the other.
    keys: Vec<u8>,
    /// Where each key ends, and its value.
    values: Vec<(usize, Bytes)>,
}

impl Found {
    /// Begins with a value's key; the value follows.
    pub(super) fn push_key(&mut self, key: &[u8]) {
        self.keys.extend_from_slice(key);
    }

    pub(super) fn push_value(&mut self, bytes: Bytes) {
        self.values.push((self.keys.len(), bytes));
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The values of these keys, in the order of the keys, of which some may be missing; `None` if there are values of
    /// others.
    pub(crate) fn assign<'k>(self, keys: impl Iterator<Item = &'k [u8]>) -> Option<Vec<Option<Bytes>>> {
        let Self { keys: text, values } = self;
        let (mut begin, mut values) = (0, values.into_iter().peekable());
        let assigned = keys.map(|key| {
            let (end, bytes) = values.next_if(|(end, _)| &text[begin..*end] == key)?;
            begin = end;
            Some(bytes)
        });
        let assigned: Vec<_> = assigned.collect();
        values.next().is_none().then_some(assigned)
    }
}

/// Why a server did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The item is larger than its largest. What was there before is gone.
    TooLarge,
    /// It has no memory left and may not evict. What was there before is gone.
    Full,
    /// The item is no number, which it would have to be for this.
    NoNumber,
    /// Anything else.
    Other(Box<str>),
}

/// A reply line: a whole reply, or the beginning of one with a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A reply, and the number of the request that it says it answers: `None` where the server gave none back, as with
    /// errors, and before 1.6.18 with misses.
    Reply { opaque: Option<u32>, reply: Reply },
    /// A value follows.
    Value { len: u64, opaque: Option<u32>, cas: u64, mark: Mark },
    /// One of the values of a `get` follows.
    Found { len: u64 },
    /// The end of a `get`.
    End,
}

const NO_NUMBER: &[u8] = b"CLIENT_ERROR cannot increment or decrement non-numeric value";

/// Reads a line without its end. The key of a value that a `get` found goes into `found`.
///
/// # Errors
/// Why the connection cannot be used any further: the line is none of the protocol's, or the server says that
/// what it received was not.
#[inline]
pub(super) fn parse(line: &[u8], found: &mut Found) -> Result<Line, Failure> {
    match hit(line) {
        Some(line) => Ok(line),
        None => parse_any(line, found),
    }
}

/// What most lines are, read in one go: `VA`, a length, and the number of the request.
#[inline]
fn hit(line: &[u8]) -> Option<Line> {
    let rest = line.strip_prefix(b"VA ")?;
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let (len, token) = (decimal(&rest[..space])?, rest[space..].strip_prefix(b" O")?);
    Some(Line::Value { len, opaque: Some(hex(token)?), cas: 0, mark: Mark::default() })
}

fn parse_any(line: &[u8], found: &mut Found) -> Result<Line, Failure> {
    // Servers before 1.6.18 leave spaces at the end of a line.
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let code = words.next().unwrap_or_default();
    let simple = |reply, words| {
        let Flags { opaque, .. } = flags(words)?;
        Ok(Line::Reply { opaque, reply })
    };
    match code {
        b"VA" => {
            let len = words.next().and_then(decimal).ok_or_else(|| unknown(line))?;
            let Flags { opaque, cas, mark } = flags(words)?;
            Ok(Line::Value { len, opaque, cas, mark })
        }
        b"VALUE" => {
            // The key, the flags of the client that wrote it, the length.
            let (Some(key), Some(_), Some(len), None) =
                (words.next(), words.next(), words.next().and_then(decimal), words.next())
            else {
                return Err(unknown(line));
            };
            found.push_key(key);
            Ok(Line::Found { len })
        }
        b"HD" => simple(Reply::Done, words),
        b"EN" | b"NF" => simple(Reply::Absent, words),
        b"NS" => simple(Reply::NotStored, words),
        b"EX" => simple(Reply::Changed, words),
        b"END" if line.trim_ascii_end() == b"END" => Ok(Line::End),
        b"SERVER_ERROR" => {
            let text = line["SERVER_ERROR".len()..].trim_ascii();
            Ok(Line::Reply { opaque: None, reply: Reply::Refused(refusal(text)) })
        }
        b"CLIENT_ERROR" if line.trim_ascii_end() == NO_NUMBER => {
            Ok(Line::Reply { opaque: None, reply: Reply::Refused(Refusal::NoNumber) })
        }
        b"CLIENT_ERROR" | b"ERROR" => Err(error_line(line)),
        _ => Err(unknown(line)),
    }
}

/// What an error line means that ends the connection.
pub(crate) fn error_line(line: &[u8]) -> Failure {
    let kind = match line {
        b"CLIENT_ERROR unauthenticated" | b"CLIENT_ERROR authentication failure" => ErrorKind::Auth,
        line if line.starts_with(b"ERROR Too many open connections") => ErrorKind::Busy,
        _ => ErrorKind::Protocol,
    };
    Failure::new(kind, format!("the server says: {}", shown(line))).with_origin(Origin::Store)
}

fn unknown(line: &[u8]) -> Failure {
    Failure::protocol(format!("the server answered {}, as no reply of Memcached begins", shown(line)))
}

fn refusal(text: &[u8]) -> Refusal {
    if text.starts_with(b"object too large") {
        Refusal::TooLarge
    } else if text.to_ascii_lowercase().starts_with(b"out of memory") {
        Refusal::Full
    } else {
        Refusal::Other(shown(text).into())
    }
}

#[derive(Default)]
struct Flags {
    opaque: Option<u32>,
    cas: u64,
    mark: Mark,
}

/// Reads the flags that are asked for; others are for others.
fn flags<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Flags, Failure> {
    let mut flags = Flags::default();
    for word in words {
        match word {
            [b'O', token @ ..] => flags.opaque = Some(hex(token).ok_or_else(|| unknown(word))?),
            [b'c', token @ ..] => flags.cas = decimal(token).ok_or_else(|| unknown(word))?,
            b"X" => flags.mark.stale = true,
            b"W" | b"Z" => flags.mark.claimed = true,
            _ => {}
        }
    }
    Ok(flags)
}

#[inline]
fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0, |number, byte| Some(number << 4 | char::from(*byte).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(opaque: impl Into<Option<u32>>, reply: Reply) -> Line {
        Line::Reply { opaque: opaque.into(), reply }
    }

    #[test]
    fn lines_of_the_protocol() {
        let claimed = Mark { stale: false, claimed: true };
        let stale = Mark { stale: true, claimed: true };
        for (line, expected) in [
            ("HD", reply(None, Reply::Done)),
            ("HD Off", reply(255, Reply::Done)),
            ("HD  O0 ", reply(0, Reply::Done)),
            ("EN O1", reply(1, Reply::Absent)),
            ("EN", reply(None, Reply::Absent)),
            ("NF O1", reply(1, Reply::Absent)),
            ("NS O1", reply(1, Reply::NotStored)),
            ("EX O1", reply(1, Reply::Changed)),
            ("VALUE k 0 3", Line::Found { len: 3 }),
            ("END", Line::End),
            ("VA 3 O1", Line::Value { len: 3, opaque: Some(1), cas: 0, mark: Mark::default() }),
            (
                "VA 3 c9 Offffffff",
                Line::Value { len: 3, opaque: Some(u32::MAX), cas: 9, mark: Mark::default() },
            ),
            ("VA 0 O1 W", Line::Value { len: 0, opaque: Some(1), cas: 0, mark: claimed }),
            ("VA 0 O1 Z", Line::Value { len: 0, opaque: Some(1), cas: 0, mark: claimed }),
            ("VA 7 O1 X W", Line::Value { len: 7, opaque: Some(1), cas: 0, mark: stale }),
            ("SERVER_ERROR object too large for cache", reply(None, Reply::Refused(Refusal::TooLarge))),
            ("SERVER_ERROR out of memory storing object", reply(None, Reply::Refused(Refusal::Full))),
            ("SERVER_ERROR Out of memory allocating new item", reply(None, Reply::Refused(Refusal::Full))),
            (
                "CLIENT_ERROR cannot increment or decrement non-numeric value",
                reply(None, Reply::Refused(Refusal::NoNumber)),
            ),
        ] {
            assert_eq!(parse(line.as_bytes(), &mut Found::default()).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn everything_else_ends_the_connection_with_a_reason() {
        for (line, kind) in [
            ("", ErrorKind::Protocol),
            ("VA", ErrorKind::Protocol),
            ("VA -1 O1", ErrorKind::Protocol),
            ("VA 1x O1", ErrorKind::Protocol),
            ("VA 18446744073709551616 O1", ErrorKind::Protocol),
            ("HD O", ErrorKind::Protocol),
            ("HD Oxyz", ErrorKind::Protocol),
            ("HD O123456789", ErrorKind::Protocol),
            ("hd", ErrorKind::Protocol),
            ("VALUE k 0", ErrorKind::Protocol),
            ("VALUE k 0 -3", ErrorKind::Protocol),
            ("VALUE k 0 3 7", ErrorKind::Protocol),
            ("END O1", ErrorKind::Protocol),
            ("ERROR", ErrorKind::Protocol),
            ("CLIENT_ERROR bad data chunk", ErrorKind::Protocol),
            ("CLIENT_ERROR unauthenticated", ErrorKind::Auth),
            ("ERROR Too many open connections", ErrorKind::Busy),
        ] {
            assert_eq!(parse(line.as_bytes(), &mut Found::default()).unwrap_err().kind(), kind, "{line}");
        }
    }

    #[test]
    fn what_a_server_says_is_shown_short_and_printable() {
        let failure = parse(&[b'\x1b'; 5000], &mut Found::default()).unwrap_err();
        let shown = failure.message();
        assert!(shown.len() < 500 && shown.chars().all(|c| !c.is_control()), "{shown}");
    }

    #[test]
    fn values_are_assigned_to_the_keys_that_were_asked_for_and_to_no_others() {
        let found = |pairs: &[(&str, &'static str)]| {
            let mut found = Found::default();
            for (key, value) in pairs {
                found.push_key(key.as_bytes());
                found.push_value(Bytes::from_static(value.as_bytes()));
            }
            found
        };
        let asked = |found: Found| found.assign(["a", "b", "b", "c"].map(str::as_bytes).into_iter());
        let some = |value: &'static str| Some(Bytes::from_static(value.as_bytes()));
        assert_eq!(asked(found(&[])).unwrap(), [None, None, None, None]);
        assert_eq!(asked(found(&[("b", "1"), ("c", "2")])).unwrap(), [None, some("1"), None, some("2")]);
        let all = found(&[("a", "1"), ("b", ""), ("b", "3"), ("c", "4")]);
        assert_eq!(asked(all).unwrap(), [some("1"), some(""), some("3"), some("4")]);
        for others in [&[("x", "1")][..], &[("b", "1"), ("a", "2")], &[("c", "1"), ("c", "2")], &[("", "1")]]
        {
            assert_eq!(asked(found(others)), None, "{others:?}");
        }
    }
}
