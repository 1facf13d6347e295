//! Requests, as bytes.

use bytes::Bytes;
use larder_net::Outgoing;

use super::WireKey;

/// What is asked of a server.
#[derive(Debug, Clone)]
pub(crate) enum Request<'a> {
    /// The value.
    Get(&'a WireKey),
    /// The values of several keys, in one request of the text protocol.
    GetAll(&'a [(usize, WireKey)]),
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
    /// Appends the request. All but `GetAll` carry the number, which the reply repeats.
    pub(super) fn write(&self, opaque: u32, out: &mut Outgoing) {
        match self {
            Self::GetAll(keys) => {
                out.put(b"get");
                for (_, key) in *keys {
                    put(out, &[b" ", key.as_bytes()]);
                }
                out.put(b"\r\n");
                return;
            }
            Self::Get(key) => put(out, &[b"mg ", key.as_bytes(), b" v"]),
            Self::GetWithCas(key) => put(out, &[b"mg ", key.as_bytes(), b" v c"]),
            Self::Delete(key) => put(out, &[b"md ", key.as_bytes()]),
            Self::DeleteUnchanged(key, cas) => {
                put(out, &[b"md ", key.as_bytes(), b" C"]);
                out.put_decimal(*cas);
            }
            Self::Count { key, by, initial } => {
                let mode = if *by < 0 { b" MD D" } else { b" MI D" };
                put(out, &[b"ma ", key.as_bytes(), mode]);
                out.put_decimal(by.unsigned_abs());
                if let Some((initial, ttl)) = initial {
                    out.put(b" J");
                    out.put_decimal(*initial);
                    out.put(b" N");
                    out.put_decimal(u64::from(*ttl));
                }
                out.put(b" v");
            }
            Self::Set { key, mode, ttl, body } => {
                put(out, &[b"ms ", key.as_bytes(), b" "]);
                out.put_decimal(body.len() as u64);
                out.put(b" T");
                out.put_decimal(u64::from(*ttl));
                match mode {
                    Mode::Set => {}
                    Mode::Add => out.put(b" ME"),
                    Mode::Replace => out.put(b" MR"),
                    Mode::Unchanged(cas) => {
                        out.put(b" C");
                        out.put_decimal(*cas);
                    }
                }
            }
        }
        out.put(b" O");
        out.put_hex(opaque.into());
        out.put(b"\r\n");
        if let Self::Set { body: Body { head, rest }, .. } = self {
            out.share(head);
            out.share(rest);
            out.put(b"\r\n");
        }
    }
}

fn put(out: &mut Outgoing, pieces: &[&[u8]]) {
    pieces.iter().for_each(|piece| out.put(piece));
}

#[cfg(test)]
mod tests {
    use larder_core::{
        error::Operation,
        key::{Key, Namespace, StoreKey},
    };

    use super::*;

    #[test]
    fn requests_as_they_are_sent() {
        let namespace = Namespace::new("n", 0).unwrap();
        let wire = |name| WireKey::new(&StoreKey::new(&namespace, &Key::new(name)), Operation::Get).unwrap();
        let (key, keys) = (&wire("k"), [(5, wire("k")), (0, wire("l"))]);
        let body = || Body { head: Bytes::from_static(b"he"), rest: Bytes::from_static(b"ad") };
        let set = |mode, ttl| Request::Set { key, mode, ttl, body: body() };
        for (request, opaque, line) in [
            (Request::Get(key), 0, "mg n:k v O0\r\n"),
            (Request::GetAll(&keys), 7, "get n:k n:l\r\n"),
            (Request::GetWithCas(key), 0xabc, "mg n:k v c Oabc\r\n"),
            (Request::Delete(key), u32::MAX, "md n:k Offffffff\r\n"),
            (Request::DeleteUnchanged(key, 7), 1, "md n:k C7 O1\r\n"),
            (Request::Count { key, by: 5, initial: None }, 1, "ma n:k MI D5 v O1\r\n"),
            (
                Request::Count { key, by: i64::MIN, initial: Some((u64::MAX, 61)) },
                1,
                "ma n:k MD D9223372036854775808 J18446744073709551615 N61 v O1\r\n",
            ),
            (set(Mode::Set, 0), 1, "ms n:k 4 T0 O1\r\nhead\r\n"),
            (set(Mode::Add, 4_294_967_295), 1, "ms n:k 4 T4294967295 ME O1\r\nhead\r\n"),
            (set(Mode::Replace, 4), 1, "ms n:k 4 T4 MR O1\r\nhead\r\n"),
            (set(Mode::Unchanged(u64::MAX), 61), 1, "ms n:k 4 T61 C18446744073709551615 O1\r\nhead\r\n"),
        ] {
            let mut out = Outgoing::default();
            request.write(opaque, &mut out);
            assert_eq!(String::from_utf8(out.to_vec()).unwrap(), line);
        }
    }
}
