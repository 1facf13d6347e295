//! The bytes that an entry becomes in a remote store. `docs/envelope.md` describes them for other languages.
//!
//! Version 1, little-endian:
//!
//! | offset | bytes | |
//! |---:|---:|---|
//! | 0 | 4 | magic `LRD` 0x1A |
//! | 4 | 1 | version: 1 |
//! | 5 | 1 | format id |
//! | 6 | 1 | codec id, 0 for none |
//! | 7 | 1 | flags: 1 = a SHA-256 of the whole key follows the key; others must be 0 |
//! | 8 | 8 | checksum: xxh3-64 of bytes 16..72 and 96..end, seeded with the first 8 bytes |
//! | 16 | 4 | header length: where the body begins |
//! | 20 | 4 | dictionary id, 0 for none |
//! | 24 | 8 | body length |
//! | 32 | 8 | raw length: the body decompressed |
//! | 40 | 8 | revision |
//! | 48 | 8 | created, ms since 1970 |
//! | 56 | 8 | load cost, µs |
//! | 64 | 4 | schema tag |
//! | 68 | 2 | length of the key's text |
//! | 70 | 1 | number of stamps |
//! | 71 | 1 | number of user metadata |
//! | 72 | 8 | fresh until, ms since 1970; all ones for never |
//! | 80 | 8 | expires, likewise |
//! | 88 | 8 | lifetime checksum: xxh3-64 of bytes 72..88, seeded with xxh3-64 of the key's text |
//! | 96 | | key text, SHA-256 of a long key, stamps, user metadata |
//! | header length | body length | body |
//!
//! The lifetime has a checksum of its own so that a store's script can replace those 24 bytes when an entry is
//! touched, without reading or sending the value.

mod reader;
mod stamped;

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use self::reader::{Reader, array};
use crate::{
    clock::Timestamp,
    entry::{Body, Entry, Kind, LEASE, Lifetime, Meta, RESERVED, Scope},
    error::{Error, ErrorKind, Operation, Result},
    key::{MAX_STORE_KEY, StoreKey},
    miss::{Miss, Undecodable},
};

/// The version this program writes, and the newest it reads.
pub const VERSION: u8 = 1;
/// How every envelope begins.
pub const MAGIC: [u8; 4] = *b"LRD\x1a";
/// Where the lifetime stands: what [`lifetime_block`] replaces.
pub const LIFETIME: Range<usize> = 72..96;
/// Where the revision stands: eight bytes that tell two writes of one key apart.
pub const REVISION: Range<usize> = 40..48;
/// The length of the fixed part of the header.
pub const FIXED: usize = 96;
/// The longest header, in bytes. Stamps and user metadata that do not fit are refused when writing.
pub const MAX_HEADER: usize = 64 * 1024;

const FLAG_LONG_KEY: u8 = 1;
const CHECKSUM: Range<usize> = 8..16;
const SCOPE_NAMESPACE: u8 = 0;
const SCOPE_TAG: u8 = 1;
/// The kind, where neither the value's format nor its absence says it: one byte.
const KIND: &str = "larder.kind";
const NEGATIVE: u8 = 1;
/// The TTL that a read gives the entry, in milliseconds, where that is not the cache's own: eight bytes.
const SLIDES: &str = "larder.life";

/// An entry as bytes, in two pieces, so that the body need not be copied.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Everything before the body.
    pub header: Bytes,
    /// The body, shared with the entry.
    pub body: Bytes,
}

impl Envelope {
    /// Writes an entry for this key, encoding its value if that has not been done yet.
    ///
    /// # Errors
    /// [`ErrorKind::Encode`] when the value cannot be serialized, or its tags and user metadata do not fit
    /// into a header of [`MAX_HEADER`] bytes.
    pub async fn write(key: &StoreKey<'_>, entry: &Entry) -> Result<Self> {
        let body = entry.body().await?;
        let header = write_header(key, entry.meta(), body)?;
        Ok(Self { header, body: body.bytes.clone() })
    }

    /// The length of the whole.
    pub fn len(&self) -> usize {
        self.header.len() + self.body.len()
    }

    /// Whether there is nothing, which never happens: there is always a header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Both pieces in one, copied.
    pub fn to_bytes(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.len());
        whole.put_slice(&self.header);
        whole.put_slice(&self.body);
        whole.freeze()
    }
}

fn write_header(key: &StoreKey<'_>, meta: &Meta, body: &Body) -> Result<Bytes> {
    let too_much = |what: &str| {
        Error::new(ErrorKind::Encode, Operation::Encode, format!("{what} do not fit into an envelope"))
    };
    let stamps = u8::try_from(meta.stamps.len()).map_err(|_| too_much("more than 255 tags"))?;
    let reserved = reserved(meta);
    let user = u8::try_from(reserved.len() + meta.all_user().len())
        .map_err(|_| too_much("more than 255 user metadata"))?;
    let whole = key.key().whole();

    let mut out = BytesMut::with_capacity(FIXED + key.len() + 32 + 12 * meta.stamps.len());
    out.put_slice(&MAGIC);
    out.put_slice(&[VERSION, body.format, body.codec, if whole.is_some() { FLAG_LONG_KEY } else { 0 }]);
    out.put_u64_le(0); // checksum, below
    out.put_u32_le(0); // header length, below
    out.put_u32_le(body.dictionary);
    out.put_u64_le(body.bytes.len() as u64);
    out.put_u64_le(body.raw_len);
    out.put_u64_le(meta.revision);
    out.put_u64_le(meta.created.as_millis());
    out.put_u64_le(meta.load_micros());
    out.put_u32_le(key.namespace().schema());
    // A store key has at most MAX_STORE_KEY (200) bytes.
    out.put_u16_le(u16::try_from(key.len()).unwrap_or(u16::MAX));
    out.put_slice(&[stamps, user]);
    out.put_slice(&lifetime_block(key, meta.lifetime));

    put_text(key, &mut out);
    if let Some(whole) = whole {
        out.put_slice(whole);
    }
    for stamp in meta.stamps.iter() {
        match &stamp.scope {
            Scope::Namespace(level) => out.put_slice(&[SCOPE_NAMESPACE, *level]),
            Scope::Tag(tag) => {
                out.put_u8(SCOPE_TAG);
                out.put_u8(u8::try_from(tag.len()).map_err(|_| too_much("tags longer than 255 bytes"))?);
                out.put_slice(tag.as_bytes());
            }
        }
        out.put_u64_le(stamp.version);
    }
    let user = meta.all_user().iter().map(|(name, value)| (&**name, &**value));
    for (name, value) in reserved.iter().map(|(name, value)| (*name, value.as_slice())).chain(user) {
        out.put_u8(u8::try_from(name.len()).map_err(|_| too_much("metadata names longer than 255 bytes"))?);
        out.put_slice(name.as_bytes());
        out.put_u16_le(u16::try_from(value.len()).map_err(|_| too_much("metadata longer than 65535 bytes"))?);
        out.put_slice(value);
    }

    if out.len() > MAX_HEADER {
        return Err(too_much("tags and user metadata of more than 64 KiB"));
    }
    let header_len = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out[16..20].copy_from_slice(&header_len.to_le_bytes());
    let sum = checksum(&out, &body.bytes);
    out[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    Ok(out.freeze())
}

/// What an entry says of itself in version 1 under names of user metadata that no caller can have. A program that does not
/// know them finds an ordinary value.
fn reserved(meta: &Meta) -> Vec<(&'static str, Vec<u8>)> {
    let mut reserved = Vec::new();
    if meta.kind == Kind::Negative {
        reserved.push((KIND, vec![NEGATIVE]));
    }
    if let Some(ttl) = meta.slides() {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        reserved.push((SLIDES, millis.to_le_bytes().to_vec()));
    }
    reserved
}

/// The 24 bytes at [`LIFETIME`] for this life of this key: what a store's script writes over an entry that is
/// touched.
pub fn lifetime_block(key: &StoreKey<'_>, lifetime: Lifetime) -> [u8; 24] {
    let mut block = [0; 24];
    block[..8].copy_from_slice(&lifetime.fresh_until.as_millis().to_le_bytes());
    block[8..16].copy_from_slice(&lifetime.expires.as_millis().to_le_bytes());
    let mut room = [0; MAX_STORE_KEY];
    let mut rest = &mut room[..];
    put_text(key, &mut rest);
    let left = rest.len();
    let sum = xxh3_64_with_seed(&block[..16], xxh3_64(&room[..MAX_STORE_KEY - left]));
    block[16..].copy_from_slice(&sum.to_le_bytes());
    block
}

/// The key's text, which has at most [`MAX_STORE_KEY`] bytes.
fn put_text(key: &StoreKey<'_>, out: &mut impl BufMut) {
    out.put_slice(key.namespace().text().as_bytes());
    out.put_u8(b':');
    out.put_slice(key.key().text().as_bytes());
}

/// Over everything but the two checksums and the lifetime. `header` and `body` together are the envelope.
fn checksum(header: &[u8], body: &[u8]) -> u64 {
    let seed = u64::from_le_bytes(array(header, 0));
    let mut hash = Xxh3::with_seed(seed);
    hash.update(&header[CHECKSUM.end..LIFETIME.start]);
    hash.update(&header[LIFETIME.end..]);
    hash.update(body);
    hash.digest()
}

/// Reads what a store returned for this key. Nothing is decompressed, decoded or copied: the entry's body is
/// a slice of `bytes`.
///
/// # Errors
/// The reason why it is no entry of this key: whatever the bytes are, this neither panics nor allocates more
/// than their own length.
pub fn read(key: &StoreKey<'_>, bytes: &Bytes) -> Result<Entry, Miss> {
    read_with(key, bytes, Bytes::slice)
}

/// The same with a say in what the entry keeps: `part` is given the bytes and the place of the body in them, or of a value of
/// user metadata, and returns what is there, shared or copied. For stores that read many envelopes at once, of which a
/// program may keep one.
///
/// # Errors
/// As those of [`read`].
pub fn read_with(
    key: &StoreKey<'_>,
    bytes: &Bytes,
    part: impl Fn(&Bytes, Range<usize>) -> Bytes,
) -> Result<Entry, Miss> {
    let header = bytes.get(..FIXED).ok_or(if is_prefix_of_magic(bytes) {
        Undecodable::Length
    } else {
        Undecodable::Foreign
    })?;
    if header[..4] != MAGIC {
        return Err(Undecodable::Foreign.into());
    }
    match header[4] {
        VERSION => {}
        0 => return Err(Undecodable::Malformed("version").into()),
        newer => return Err(Undecodable::FutureVersion(newer).into()),
    }

    let header_len = u32::from_le_bytes(array(header, 16)) as usize;
    let body_len = u64::from_le_bytes(array(header, 24));
    if !(FIXED..=MAX_HEADER).contains(&header_len)
        || (header_len as u64).checked_add(body_len) != Some(bytes.len() as u64)
    {
        return Err(Undecodable::Length.into());
    }
    let (head, body) = bytes.split_at(header_len);
    if checksum(head, body) != u64::from_le_bytes(array(head, CHECKSUM.start)) {
        return Err(Undecodable::Checksum.into());
    }

    let mut rest = Reader(&head[FIXED..]);
    let malformed = |field| Miss::Undecodable(Undecodable::Malformed(field));
    let text_len = u16::from_le_bytes(array(head, 68)).into();
    let text = rest.take(text_len).ok_or(malformed("key"))?;
    let whole = match head[7] {
        0 => None,
        FLAG_LONG_KEY => Some(rest.take(32).ok_or(malformed("key"))?),
        _ => return Err(malformed("flags")),
    };
    if !is_text_of(key, text) || whole != key.key().whole().map(<[u8; 32]>::as_slice) {
        return Err(Miss::OtherKey);
    }
    if head[LIFETIME][16..] != xxh3_64_with_seed(&head[LIFETIME][..16], xxh3_64(text)).to_le_bytes() {
        return Err(Undecodable::Checksum.into());
    }
    let schema = u32::from_le_bytes(array(head, 64));
    if schema != key.namespace().schema() {
        return Err(Undecodable::Schema(schema).into());
    }

    let stamps = stamped::take(&mut rest, head[70], key.namespace()).ok_or(malformed("tags"))?;
    let offset = |rest: &Reader<'_>| header_len - rest.0.len();
    let mut user = Vec::with_capacity(head[71].into());
    let mut kind = if head[5] == LEASE { Kind::Lease } else { Kind::Value };
    let mut slides = None;
    for _ in 0..head[71] {
        let name = rest.text().ok_or(malformed("metadata"))?;
        let len = u16::from_le_bytes(array(rest.take(2).ok_or(malformed("metadata"))?, 0));
        let start = offset(&rest);
        let value = rest.take(len.into()).ok_or(malformed("metadata"))?;
        match name {
            KIND if value == [NEGATIVE] => kind = Kind::Negative,
            SLIDES if value.len() == 8 => {
                slides = Some(Duration::from_millis(u64::from_le_bytes(array(value, 0))));
            }
            // A newer program's: nothing that a caller put there.
            reserved if reserved.starts_with(RESERVED) => {}
            name => user.push((Arc::from(name), part(bytes, start..start + value.len()))),
        }
    }
    if !rest.0.is_empty() {
        return Err(malformed("header length"));
    }

    let lifetime = Lifetime {
        fresh_until: Timestamp::from_millis(u64::from_le_bytes(array(head, 72))),
        expires: Timestamp::from_millis(u64::from_le_bytes(array(head, 80))),
    };
    let created = Timestamp::from_millis(u64::from_le_bytes(array(head, 48)));
    let meta = Meta::of(created, lifetime, u64::from_le_bytes(array(head, REVISION.start)))
        .with_load_cost(Duration::from_micros(u64::from_le_bytes(array(head, 56))))
        .with_kind(kind)
        .with_slides(slides)
        .with_stamps(stamps);
    let meta = if user.is_empty() { meta } else { meta.with_user(user.into()) };
    let body = Body {
        bytes: part(bytes, header_len..bytes.len()),
        format: head[5],
        codec: head[6],
        dictionary: u32::from_le_bytes(array(head, 20)),
        raw_len: u64::from_le_bytes(array(head, 32)),
    };
    Ok(Entry::from_body(body, meta))
}

fn is_prefix_of_magic(bytes: &[u8]) -> bool {
    let len = bytes.len().min(MAGIC.len());
    bytes[..len] == MAGIC[..len]
}

fn is_text_of(key: &StoreKey<'_>, text: &[u8]) -> bool {
    let namespace = key.namespace().text().as_bytes();
    text.len() == key.len()
        && text.starts_with(namespace)
        && text[namespace.len()] == b':'
        && text[namespace.len() + 1..] == *key.key().text().as_bytes()
}

#[cfg(test)]
mod tests;
