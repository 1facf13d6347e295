//! Requests, as bytes.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::WireKey;

/// What is asked of a server.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    /// The value.
    Get(&'a WireKey),
    /// The value, and the number that names the item's state to [`Mode::Unchanged`].
    GetWithCas(&'a WireKey),
    /// Storing a value.
    Set { key: &'a WireKey, mode: Mode, ttl: u32, body: Body },
    /// Removing the item.
    Delete(&'a WireKey),
    /// Removing the item if it is in the state of this number.
    DeleteUnchanged(&'a WireKey, u64),
    /// Changing a number, and its new value. If there is none, it becomes the number and the TTL of the last.
    Count { key: &'a WireKey, by: i64, initial: Option<(u64, u32)> },
}

/// When an item is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// Always.
    Set,
    /// If there is none.
    Add,
    /// If there is one.
    Replace,
    /// If it is in the state of this number.
    Unchanged(u64),
}

/// A value in two pieces; either may be empty. Cloning shares.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) head: Bytes,
    pub(crate) rest: Bytes,
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.rest.len()
    }
}

impl Request<'_> {
    /// The key it is about.
    pub(crate) fn key(&self) -> &WireKey {
        match self {
            Self::Get(key)
            | Self::GetWithCas(key)
            | Self::Delete(key)
            | Self::DeleteUnchanged(key, _)
            | Self::Set { key, .. }
            | Self::Count { key, .. } => key,
        }
    }

    /// Appends the request line with its end, and returns the body that follows it, which a line end follows
    /// in turn.
    pub(crate) fn write(&self, opaque: u32, out: &mut BytesMut) -> Option<&Body> {
        // The longest line: command, key of 202, length, flags.
        out.reserve(300);
        match self {
            Self::Get(key) => {
                put(out, &[b"mg ", key.as_bytes(), b" v"]);
            }
            Self::GetWithCas(key) => {
                put(out, &[b"mg ", key.as_bytes(), b" v c"]);
            }
            Self::Delete(key) => {
                put(out, &[b"md ", key.as_bytes()]);
            }
            Self::DeleteUnchanged(key, cas) => {
                put(out, &[b"md ", key.as_bytes(), b" C"]);
                put_decimal(out, *cas);
            }
            Self::Count { key, by, initial } => {
                let mode = if *by < 0 { b" MD D" } else { b" MI D" };
                put(out, &[b"ma ", key.as_bytes(), mode]);
                put_decimal(out, by.unsigned_abs());
                if let Some((initial, ttl)) = initial {
                    out.put_slice(b" J");
                    put_decimal(out, *initial);
                    out.put_slice(b" N");
                    put_decimal(out, u64::from(*ttl));
                }
                out.put_slice(b" v");
            }
            Self::Set { key, mode, ttl, body } => {
                put(out, &[b"ms ", key.as_bytes(), b" "]);
                put_decimal(out, body.len() as u64);
                out.put_slice(b" T");
                put_decimal(out, u64::from(*ttl));
                match mode {
                    Mode::Set => {}
                    Mode::Add => out.put_slice(b" ME"),
                    Mode::Replace => out.put_slice(b" MR"),
                    Mode::Unchanged(cas) => {
                        out.put_slice(b" C");
                        put_decimal(out, *cas);
                    }
                }
            }
        }
        out.put_slice(b" O");
        put_hex(out, opaque);
        out.put_slice(b"\r\n");
        match self {
            Self::Set { body, .. } => Some(body),
            _ => None,
        }
    }
}

fn put(out: &mut BytesMut, pieces: &[&[u8]]) {
    for piece in pieces {
        out.put_slice(piece);
    }
}

fn put_decimal(out: &mut BytesMut, number: u64) {
    put_digits::<10>(out, number);
}

fn put_hex(out: &mut BytesMut, number: u32) {
    put_digits::<16>(out, number.into());
}

fn put_digits<const BASE: u64>(out: &mut BytesMut, mut number: u64) {
    // A u64 has at most 20 decimal digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use larder_core::{
        error::Operation,
        key::{Key, Namespace, StoreKey},
    };

    use super::*;

    #[test]
    fn request_lines() {
        let namespace = Namespace::new("n", 0).unwrap();
        let key = &WireKey::new(&StoreKey::new(&namespace, &Key::new("k")), Operation::Get).unwrap();
        let body = || Body { head: Bytes::from_static(b"he"), rest: Bytes::from_static(b"ad") };
        let set = |mode, ttl| Request::Set { key, mode, ttl, body: body() };
        for (request, opaque, line) in [
            (Request::Get(key), 0, "mg n:k v O0\r\n"),
            (Request::GetWithCas(key), 0xabc, "mg n:k v c Oabc\r\n"),
            (Request::Delete(key), u32::MAX, "md n:k Offffffff\r\n"),
            (Request::DeleteUnchanged(key, 7), 1, "md n:k C7 O1\r\n"),
            (Request::Count { key, by: 5, initial: None }, 1, "ma n:k MI D5 v O1\r\n"),
            (
                Request::Count { key, by: i64::MIN, initial: Some((u64::MAX, 61)) },
                1,
                "ma n:k MD D9223372036854775808 J18446744073709551615 N61 v O1\r\n",
            ),
            (set(Mode::Set, 0), 1, "ms n:k 4 T0 O1\r\n"),
            (set(Mode::Add, 4_294_967_295), 1, "ms n:k 4 T4294967295 ME O1\r\n"),
            (set(Mode::Replace, 4), 1, "ms n:k 4 T4 MR O1\r\n"),
            (set(Mode::Unchanged(u64::MAX), 61), 1, "ms n:k 4 T61 C18446744073709551615 O1\r\n"),
        ] {
            let mut out = BytesMut::new();
            let body = request.write(opaque, &mut out);
            assert_eq!(out, line);
            assert_eq!(body.map(Body::len), line.starts_with("ms").then_some(4));
        }
    }
}
