//! A snapshot as bytes.
//!
//! Little-endian: the magic, the moment of writing in ms since 1970 by the system's clock, records, and xxh3-64 of all that. A
//! record is its length in 4 bytes, and:
//!
//! | bytes | |
//! |---:|---|
//! | 2 + n | the key's text |
//! | 1 (+ 32) | 1 if SHA-256 of the whole key follows, 0 if not |
//! | 8 | age in ms |
//! | 8 | how much longer it is fresh, in ms; negative if it is stale; the largest number for "for ever" |
//! | 8 | how much longer it exists, in ms; likewise |
//! | 8 | load cost in µs |
//! | 8 | the TTL that a read gives it, in ms; all ones for none of its own |
//! | 1, each 1 + 1 or 1 + 1 + n | scopes: 0 and a level, or 1 and a tag |
//! | 1, each 1 + n + 2 + n | user metadata: names and values |
//! | 1, 1, 4, 8 | format, codec, dictionary, raw length |
//! | the rest | the body |
//!
//! It is read by the program that wrote it, or by its successor: another magic is another format, and is not read.

use std::{sync::Arc, time::Duration};

use larder_core::entry::{Body, Scope, UserMeta};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 8] = *b"LRDsnap\x01";
const HEAD: usize = 16;
const SUM: usize = 8;
const TAG: u8 = 1;
/// For ever.
const FOREVER: i64 = i64::MAX;

/// Why bytes are no snapshot.
pub(crate) type Damage = &'static str;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) key: &'a str,
    pub(crate) whole: Option<[u8; 32]>,
    pub(crate) age: Duration,
    /// Milliseconds; negative if it is stale; `None` for ever.
    pub(crate) fresh_for: Option<i64>,
    pub(crate) lives_for: Option<Duration>,
    pub(crate) load_cost: Duration,
    pub(crate) slides: Option<Duration>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) user: Vec<(&'a str, &'a [u8])>,
    pub(crate) body: Encoded<'a>,
}

/// What is in a [`Body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoded<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) format: u8,
    pub(crate) codec: u8,
    pub(crate) dictionary: u32,
    pub(crate) raw_len: u64,
}

impl<'a> From<&'a Body> for Encoded<'a> {
    fn from(body: &'a Body) -> Self {
        let Body { bytes, format, codec, dictionary, raw_len, .. } = body;
        Self { bytes, format: *format, codec: *codec, dictionary: *dictionary, raw_len: *raw_len }
    }
}

impl Encoded<'_> {
    /// A copy: a slice would keep the whole snapshot in memory.
    pub(crate) fn to_body(self) -> Body {
        Body::raw(self.bytes.to_vec().into(), self.format).compressed_by(
            self.codec,
            self.dictionary,
            self.raw_len,
        )
    }
}

impl Record<'_> {
    /// The user metadata, copied.
    pub(crate) fn user_meta(&self) -> UserMeta {
        self.user.iter().map(|(name, value)| (Arc::from(*name), value.to_vec().into())).collect()
    }
}

/// A snapshot that is being written, never larger than its limit.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
    limit: usize,
}

impl Writer {
    pub(crate) fn new(saved: u64, limit: usize) -> Self {
        let mut out = MAGIC.to_vec();
        out.extend(saved.to_le_bytes());
        Self { out, limit }
    }

    /// Adds a record. `false` if it does not fit, or cannot be written; then nothing is.
    pub(crate) fn add(&mut self, record: &Record<'_>) -> bool {
        let begin = self.out.len();
        let fits = self.try_add(record).is_some() && self.out.len() + SUM <= self.limit;
        if !fits {
            self.out.truncate(begin);
        }
        fits
    }

    fn try_add(&mut self, record: &Record<'_>) -> Option<()> {
        let Record { body, .. } = record;
        // Before it is copied.
        if self.out.len().checked_add(body.bytes.len())? > self.limit {
            return None;
        }
        let begin = self.out.len();
        let out = &mut self.out;
        out.extend([0; 4]);
        out.extend(u16::try_from(record.key.len()).ok()?.to_le_bytes());
        out.extend(record.key.as_bytes());
        out.push(u8::from(record.whole.is_some()));
        out.extend(record.whole.iter().flatten());
        out.extend(millis(record.age).to_le_bytes());
        out.extend(record.fresh_for.unwrap_or(FOREVER).to_le_bytes());
        out.extend(record.lives_for.map_or(FOREVER, millis).to_le_bytes());
        out.extend(u64::try_from(record.load_cost.as_micros()).ok()?.to_le_bytes());
        let slides = record.slides.map_or(Some(u64::MAX), |slides| u64::try_from(slides.as_millis()).ok())?;
        out.extend(slides.to_le_bytes());
        out.push(u8::try_from(record.scopes.len()).ok()?);
        for scope in &record.scopes {
            match scope {
                Scope::Namespace(level) => out.extend([0, *level]),
                Scope::Tag(tag) => {
                    out.extend([TAG, u8::try_from(tag.len()).ok()?]);
                    out.extend(tag.as_bytes());
                }
                // Of a core that is newer than this.
                _ => return None,
            }
        }
        out.push(u8::try_from(record.user.len()).ok()?);
        for (name, value) in &record.user {
            out.push(u8::try_from(name.len()).ok()?);
            out.extend(name.as_bytes());
            out.extend(u16::try_from(value.len()).ok()?.to_le_bytes());
            out.extend(*value);
        }
        out.extend([body.format, body.codec]);
        out.extend(body.dictionary.to_le_bytes());
        out.extend(body.raw_len.to_le_bytes());
        out.extend(body.bytes);
        let len = u32::try_from(out.len() - begin - 4).ok()?;
        out[begin..begin + 4].copy_from_slice(&len.to_le_bytes());
        Some(())
    }

    /// All of it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let sum = xxh3_64(&self.out);
        self.out.extend(sum.to_le_bytes());
        self.out
    }
}

/// A snapshot whose every record can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// In ms since 1970.
    pub(crate) saved: u64,
    records: &'a [u8],
}

impl<'a> Reading<'a> {
    /// Looks through all of it. Whatever the bytes are, this neither panics nor allocates more than a record of them takes.
    ///
    /// # Errors
    /// Why they are no snapshot.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, Damage> {
        let (whole, sum) = bytes.split_last_chunk::<SUM>().ok_or("it is too short")?;
        let (head, records) = whole.split_first_chunk::<HEAD>().ok_or("it is too short")?;
        let (magic, saved) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err("it is not a snapshot, or it is of another version");
        }
        if xxh3_64(whole).to_le_bytes() != *sum {
            return Err("its checksum is wrong");
        }
        let mut rest = Rest(saved);
        let reading = Self { saved: u64::from_le_bytes(rest.array().ok_or("it is too short")?), records };
        for record in reading.records() {
            record?;
        }
        Ok(reading)
    }

    /// Every record.
    pub(crate) fn records(self) -> impl Iterator<Item = Result<Record<'a>, Damage>> {
        let mut rest = Rest(self.records);
        std::iter::from_fn(move || {
            if rest.0.is_empty() {
                return None;
            }
            let record = record(&mut rest).ok_or("one of its records is damaged");
            if record.is_err() {
                rest = Rest(&[]);
            }
            Some(record)
        })
    }
}

fn record<'a>(rest: &mut Rest<'a>) -> Option<Record<'a>> {
    let len = u32::from_le_bytes(rest.array()?);
    let mut rest = Rest(rest.take(usize::try_from(len).ok()?)?);
    let rest = &mut rest;
    let key = u16::from_le_bytes(rest.array()?);
    let key = std::str::from_utf8(rest.take(key.into())?).ok()?;
    let whole = match rest.byte()? {
        0 => None,
        1 => Some(rest.array()?),
        _ => return None,
    };
    let age = Duration::from_millis(u64::try_from(rest.number()?).ok()?);
    let fresh_for = Some(rest.number()?).filter(|fresh_for| *fresh_for != FOREVER);
    let lives_for = match rest.number()? {
        FOREVER => None,
        millis => Some(Duration::from_millis(u64::try_from(millis).ok()?)),
    };
    let load_cost = Duration::from_micros(u64::from_le_bytes(rest.array()?));
    let slides = Some(u64::from_le_bytes(rest.array()?)).filter(|slides| *slides != u64::MAX);
    let mut scopes = Vec::new();
    for _ in 0..rest.byte()? {
        scopes.push(match (rest.byte()?, rest.byte()?) {
            (0, level) => Scope::Namespace(level),
            (TAG, len) => Scope::Tag(std::str::from_utf8(rest.take(len.into())?).ok()?.into()),
            _ => return None,
        });
    }
    let mut user = Vec::new();
    for _ in 0..rest.byte()? {
        let len = rest.byte()?;
        let name = std::str::from_utf8(rest.take(len.into())?).ok()?;
        let len = u16::from_le_bytes(rest.array()?);
        user.push((name, rest.take(len.into())?));
    }
    let (format, codec) = (rest.byte()?, rest.byte()?);
    let dictionary = u32::from_le_bytes(rest.array()?);
    let raw_len = u64::from_le_bytes(rest.array()?);
    let body = Encoded { bytes: rest.0, format, codec, dictionary, raw_len };
    let slides = slides.map(Duration::from_millis);
    Some(Record { key, whole, age, fresh_for, lives_for, load_cost, slides, scopes, user, body })
}

/// Takes fields off the front, and never more than there is.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(FOREVER)
}

#[cfg(test)]
mod tests;
