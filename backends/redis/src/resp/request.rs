//! Requests, as bytes. Those that every call makes are written here, piece by piece and without a copy; scripts and other
//! rare commands are packed by redis-rs.

use std::time::Duration;

use larder_core::{Ttl, backend::Condition, envelope::Envelope, key::StoreKey};
use larder_net::{Outgoing, put_digits};
use redis::Cmd;

/// The longest TTL that is sent to the server, in milliseconds; a longer one is sent as none. Redis adds it to the time now,
/// in 64 bits, and not every version checks that the sum fits.
const LONGEST_TTL: u64 = i64::MAX as u64 / 2;

/// What is asked of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'a> {
    /// `GET key`
    Get(StoreKey<'a>),
    /// `MGET key …`
    GetMany(&'a [StoreKey<'a>]),
    /// `EXISTS key …`: how many of them there are, whatever they hold.
    Exist(&'a [StoreKey<'a>]),
    /// `SET key value [PX ms] [NX|XX]`. The condition must not be [`Condition::Unchanged`].
    Set { key: StoreKey<'a>, envelope: &'a Envelope, ttl: Ttl, condition: Condition },
    /// `UNLINK key`: as `DEL`, with the memory of large values freed by another thread of the server's.
    Delete(StoreKey<'a>),
    /// A script.
    Script(&'a Cmd),
}

/// What a reply may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// A value, or that there is none; as many as there are keys.
    Value,
    /// That something was written, or not.
    Written,
    /// A number.
    Number,
    /// What a script of ours returns.
    Scripted,
}

impl Request<'_> {
    /// Writes it, and says what the reply may be.
    pub(super) fn write(&self, out: &mut Outgoing) -> Want {
        match self {
            Self::Get(key) => {
                out.put(b"*2\r\n$3\r\nGET\r\n");
                put_key(key, "", out.text());
                Want::Value
            }
            Self::GetMany(keys) => {
                put_many(b"$4\r\nMGET\r\n", keys, out.text());
                Want::Value
            }
            Self::Exist(keys) => {
                put_many(b"$6\r\nEXISTS\r\n", keys, out.text());
                Want::Number
            }
            Self::Delete(key) => {
                out.put(b"*2\r\n$6\r\nUNLINK\r\n");
                put_key(key, "", out.text());
                Want::Number
            }
            Self::Set { key, envelope, ttl, condition } => {
                put_set(key, envelope, millis(*ttl), *condition, out);
                Want::Written
            }
            Self::Script(command) => {
                command.write_packed_command(out.text());
                Want::Scripted
            }
        }
    }
}

fn put_set(
    key: &StoreKey<'_>,
    envelope: &Envelope,
    ttl: Option<u64>,
    condition: Condition,
    out: &mut Outgoing,
) {
    let condition: &[u8] = match condition {
        Condition::Absent => b"$2\r\nNX\r\n",
        Condition::Present => b"$2\r\nXX\r\n",
        _ => b"",
    };
    let words = 3 + if ttl.is_some() { 2 } else { 0 } + u64::from(!condition.is_empty());
    put_head(b'*', words, out.text());
    out.put(b"$3\r\nSET\r\n");
    put_key(key, "", out.text());
    put_head(b'$', envelope.len() as u64, out.text());
    out.share(&envelope.header);
    out.share(&envelope.body);
    out.put(b"\r\n");
    if let Some(ttl) = ttl {
        out.put(b"$2\r\nPX\r\n");
        let digits = ttl.checked_ilog10().map_or(1, |log| u64::from(log) + 1);
        put_head(b'$', digits, out.text());
        out.put_decimal(ttl);
        out.put(b"\r\n");
    }
    out.put(condition);
}

fn put_many(name: &[u8], keys: &[StoreKey<'_>], out: &mut Vec<u8>) {
    put_head(b'*', keys.len() as u64 + 1, out);
    out.extend_from_slice(name);
    keys.iter().for_each(|key| put_key(key, "", out));
}

/// A mark and a number: `$1024`.
pub(super) fn put_head(mark: u8, number: u64, out: &mut Vec<u8>) {
    out.push(mark);
    put_digits::<10>(out, number);
    out.extend_from_slice(b"\r\n");
}

/// A key's text as one argument.
pub(super) fn put_key(key: &StoreKey<'_>, suffix: &str, out: &mut Vec<u8>) {
    let pieces = key_pieces(key, suffix);
    put_head(b'$', pieces.iter().map(|piece| piece.len() as u64).sum(), out);
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn key_pieces<'a>(key: &StoreKey<'a>, suffix: &'a str) -> [&'a [u8]; 4] {
    [key.namespace().text().as_bytes(), b":", key.key().text().as_bytes(), suffix.as_bytes()]
}

/// The TTL in whole milliseconds, rounded up; `None` for ever.
pub(crate) fn millis(ttl: Ttl) -> Option<u64> {
    let Ttl::After(ttl) = ttl else { return None };
    let millis = ttl.as_nanos().div_ceil(Duration::from_millis(1).as_nanos()).max(1);
    u64::try_from(millis).ok().filter(|millis| *millis <= LONGEST_TTL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttls_are_rounded_up_and_saturate() {
        for (ttl, expected) in [
            (Duration::from_nanos(1), Some(1)),
            (Duration::from_micros(1001), Some(2)),
            (Duration::from_hours(744), Some(31 * 24 * 3_600_000)),
            (Duration::from_millis(LONGEST_TTL), Some(LONGEST_TTL)),
            (Duration::from_millis(LONGEST_TTL + 1), None),
            (Duration::MAX, None),
        ] {
            assert_eq!(millis(Ttl::After(ttl)), expected, "{ttl:?}");
        }
        assert_eq!(millis(Ttl::Never), None);
    }
}
